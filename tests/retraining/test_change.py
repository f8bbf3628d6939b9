from __future__ import annotations

import json
from typing import Any

import pytest

from glasshouse.retraining.change import Change, ChangeFault, list_uncommitted, write_commit, write_mark
from glasshouse.retraining.programs import ProgramFailed
from glasshouse.retraining.request import LONGEST_BODY, ask_to_merge, link_figures, read_request
from glasshouse.tracking.commits import find_commit

STATE = "0123456789ab" + "c" * 52
SOURCES = ["data/accepted.json", "src/room.py"]


@pytest.fixture
def change(desk: Any) -> Change:
    return Change(desk.root, STATE)


def write_results(desk: Any, verdict: str = "promoted: better") -> list[str]:
    desk.project.write(
        "reports/retrain.md", f"{write_mark(STATE)}\n# Retraining {STATE[:12]}: {verdict}\n\nbody\n"
    )
    desk.project.write("dvc.lock", "schema: '2.0'\n")
    return ["dvc.lock", "reports/retrain.md"]


def test_a_commit_is_made_once_and_moves_nothing(desk: Any) -> None:
    head = desk.git("rev-parse", "HEAD")
    assert write_commit(desk.root, head, ["params.yaml"], "same", near="HEAD") == head
    desk.project.write("new.txt", "new\n")
    (desk.root / "dvc.yaml").unlink()
    commit = write_commit(desk.root, head, ["new.txt", "dvc.yaml", "never.txt"], "first", near="refs/heads/x")
    assert desk.git("diff", "--name-status", head, commit).split() == ["D", "dvc.yaml", "A", "new.txt"]
    assert desk.git("status", "--porcelain").splitlines() == ["D dvc.yaml", "?? new.txt"]
    desk.git("branch", "x", commit)
    assert write_commit(desk.root, head, ["new.txt", "dvc.yaml"], "again", near="refs/heads/x") == commit
    assert desk.git("rev-parse", "HEAD") == head


def test_a_renamed_file_is_two_names(desk: Any) -> None:
    desk.git("mv", "dvc.yaml", "pipeline.old")
    assert sorted(list_uncommitted(desk.root, ["dvc.yaml", "pipeline.old"])) == ["dvc.yaml", "pipeline.old"]


def test_inputs_stand_in_a_commit_of_their_own_that_lineage_names(desk: Any, change: Change) -> None:
    head = desk.git("rev-parse", "HEAD")
    assert change.keep_inputs(["data/accepted.json"]) == head
    assert find_commit(desk.root, STATE, SOURCES) == (head, True)
    desk.project.write("data/accepted.json", '{"accepted": {}}\n')
    assert find_commit(desk.root, STATE, SOURCES) == (head, False)
    inputs = change.keep_inputs(["data/accepted.json"])
    assert inputs == change.keep_inputs(["data/accepted.json"]) == desk.git("rev-parse", change.branch)
    assert find_commit(desk.root, STATE, SOURCES) == (inputs, True)
    assert change.find() is None  # no results yet
    results = change.keep_results(inputs, write_results(desk), "Retraining")
    assert desk.git("rev-list", change.branch).split()[:3] == [results, inputs, head]
    assert change.keep_inputs(["data/accepted.json"]) == inputs
    assert desk.git("rev-parse", change.branch) == results  # a finished change is not cut back
    assert find_commit(desk.root, STATE, SOURCES) == (results, True)
    desk.project.write("dvc.yaml", "stages: {}\n")
    assert find_commit(desk.root, STATE, SOURCES) == (head, False)


def test_a_change_is_found_where_it_stands(desk: Any, change: Change) -> None:
    assert change.find() is None
    change.keep_results(change.keep_inputs([]), write_results(desk), "Retraining")
    assert change.find() is None  # origin does not have it
    change.send()
    change.send()
    assert change.find() == f"origin/{change.branch}"
    desk.git("update-ref", "-d", change.ref)
    assert change.find() == f"origin/{change.branch}"
    desk.git("remote", "remove", "origin")
    assert change.find() is None


def test_what_another_machine_sent_meanwhile_stands(desk: Any, change: Change) -> None:
    head = desk.git("rev-parse", "HEAD")
    files = write_results(desk)
    change.keep_results(head, files, "theirs")
    change.send()
    theirs = desk.git("rev-parse", change.branch)
    desk.git("update-ref", "-d", change.ref)
    desk.project.write("dvc.lock", "schema: '2.1'\n")
    assert change.keep_results(head, files, "mine") != theirs
    change.send()  # refused by git, and well
    assert desk.git("ls-remote", "origin", change.ref).split()[0] == theirs
    desk.git("update-ref", change.ref, write_commit(desk.root, head, ["dvc.lock"], "no report", near="x"))
    desk.git("push", "--quiet", "--force", "origin", change.ref)
    change.keep_results(head, files, "mine")
    with pytest.raises(ChangeFault, match=r"cannot be pushed to origin: .*the next run pushes it"):
        change.send()


def test_a_killed_git_does_not_lock_the_branch_for_ever(desk: Any, change: Change) -> None:
    desk.project.write(f".git/{change.ref}.lock", "")
    index = (desk.root / ".git/index").read_bytes()
    commit = change.keep_results(change.keep_inputs([]), write_results(desk), "Retraining")
    assert desk.git("rev-parse", change.branch) == commit
    assert (desk.root / ".git/index").read_bytes() == index


def test_a_branch_that_somebody_has_checked_out_is_not_moved(desk: Any, change: Change) -> None:
    desk.git("checkout", "--quiet", "-b", change.branch)
    with pytest.raises(ProgramFailed, match="cannot force update the branch"):
        change.keep_results(desk.git("rev-parse", "HEAD"), write_results(desk), "Retraining")


def test_a_pull_request_is_opened_once(desk: Any, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = change.keep_results(change.keep_inputs([]), write_results(desk), "Retraining")
    assert "no gh with a token" in ask_to_merge(change, commit)
    monkeypatch.setenv("GH_TOKEN", "secret")
    keep = f"pathlib.Path({str(desk.programs / 'body.md')!r})"
    script = f"{keep}.write_text(pathlib.Path(sys.argv[sys.argv.index('--body-file') + 1]).read_text())"
    desk.plan("gh", pr_create={"says": "https://host/pull/1\n", "script": script})
    assert ask_to_merge(change, commit) == "opened https://host/pull/1"
    (created,) = [line for line in desk.calls("gh") if line.startswith("pr create")]
    title = f"Retraining {STATE[:12]}: promoted: better"
    assert created.startswith(f"pr create --head {change.branch} --title {title} --body-file ")
    assert created.endswith("--base main")
    assert (desk.programs / "body.md").read_text() == "body"
    for state, oid in (("OPEN", commit), ("CLOSED", "f" * 40), ("MERGED", commit)):
        known = {"url": "https://host/pull/1", "state": state, "headRefOid": oid}
        desk.plan("gh", pr_list={"says": json.dumps([known])})
        assert ask_to_merge(change, commit) == "the change is https://host/pull/1"
    assert sum(line.startswith("pr create") for line in desk.calls("gh")) == 1


def test_a_pull_request_goes_to_the_branch_that_is_followed(
    desk: Any, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", "secret")
    commit = change.keep_results(change.keep_inputs([]), write_results(desk), "Retraining")
    desk.git("checkout", "--quiet", "-b", "work", "--track", "origin/main")  # origin has no branch `work`
    ask_to_merge(change, commit)
    desk.git("checkout", "--quiet", "--detach")
    ask_to_merge(change, commit)
    first, second = (line for line in desk.calls("gh") if line.startswith("pr create"))
    assert first.endswith("--base main") and "--base" not in second  # GitHub's own default


def test_a_change_that_was_merged_and_reverted_is_asked_for_again(
    desk: Any, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", "secret")
    commit = change.keep_results(change.keep_inputs([]), write_results(desk), "Retraining")
    merged = {"url": "https://host/pull/1", "state": "MERGED", "headRefOid": "f" * 40}
    desk.plan("gh", pr_list={"says": json.dumps([merged])}, pr_create={"says": "https://host/pull/2\n"})
    assert ask_to_merge(change, commit) == "opened https://host/pull/2"


def test_a_refused_model_is_a_draft(desk: Any, change: Change) -> None:
    commit = change.keep_results(change.keep_inputs([]), write_results(desk, "refused: worse"), "Retraining")
    request = read_request(change, commit)
    assert request.is_draft and request.title.endswith("refused: worse")
    assert len(request.body) <= LONGEST_BODY


@pytest.mark.parametrize(
    "origin",
    [
        "https://github.com/ada/flowers.git",
        "git@github.com:ada/flowers.git",
        "https://t:x@github.com/ada/flowers",
    ],
)
def test_figures_of_a_pull_request_have_whole_addresses(origin: str, desk: Any, change: Change) -> None:
    text = "![scores](retrain/scores.svg)"
    assert link_figures(change, text) == text
    desk.git("remote", "set-url", "origin", origin)
    place = f"https://github.com/ada/flowers/blob/{change.branch}/reports/retrain/scores.svg?raw=true"
    assert link_figures(change, text) == f"![scores]({place})"


def test_a_push_that_the_server_refuses_is_told_in_its_words(desk: Any, change: Change) -> None:
    hook = desk.root.parent / "origin.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'only robots push here' >&2\nexit 1\n")
    hook.chmod(0o755)
    change.keep_results(change.keep_inputs([]), write_results(desk), "Retraining")
    with pytest.raises(ChangeFault, match=r"\(pre-receive hook declined\) \(only robots push here\)"):
        change.send()


def test_a_hook_that_speaks_on_its_output_is_told(desk: Any, change: Change) -> None:
    hook = desk.root / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'no pushes on Fridays'\nexit 1\n")
    hook.chmod(0o755)
    change.keep_results(change.keep_inputs([]), write_results(desk), "Retraining")
    with pytest.raises(ChangeFault, match=r"origin: no pushes on Fridays\. The commit stays here"):
        change.send()
