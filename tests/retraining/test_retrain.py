"""The steps in their order, by what they leave: with a real git, and a dvc that pretends."""

from __future__ import annotations

import dataclasses
import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from glasshouse.cli import main
from glasshouse.retraining import retrain as steps
from glasshouse.retraining.change import Change, ChangeFault, write_mark
from glasshouse.retraining.lock import LOCK, AtWork, LockFault, alone
from glasshouse.retraining.retrain import Moved, Stopped, preview
from glasshouse.retraining.setting import NotCommitted, NotLasting
from glasshouse.retraining.shelf import RemoteAway
from glasshouse.tracking.aliases import RegistryFault
from glasshouse.tracking.store import StoreAway


def snapshot(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    kept = [path for path in paths if not {".git", ".glasshouse"} & set(path.parts)]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in kept}


def test_a_new_state_becomes_a_change_and_nothing_of_the_users_moves(desk: Any) -> None:
    desk.share()
    before = [
        desk.git(*words) for words in (("rev-parse", "HEAD"), ("symbolic-ref", "HEAD"), ("ls-files", "-s"))
    ]
    assert desk.run() == 0
    assert [
        desk.git(*words) for words in (("rev-parse", "HEAD"), ("symbolic-ref", "HEAD"), ("ls-files", "-s"))
    ] == before
    sent = desk.git("ls-remote", "origin", f"refs/heads/{desk.branch}").split()[0]
    assert sent == desk.git("rev-parse", desk.branch)
    assert desk.git("rev-parse", f"{desk.branch}^") == before[0]
    held = desk.git("diff", "--name-only", "main", desk.branch).splitlines()
    assert held == ["dvc.lock", "reports/retrain.md", "reports/retrain/scores.svg"]
    assert desk.show(f"{desk.branch}:dvc.lock") == (desk.root / "dvc.lock").read_text().strip()
    assert desk.show(f"{desk.branch}:reports/retrain.md").startswith(write_mark(desk.state))
    assert desk.git("log", "-1", "--format=%an %s", desk.branch) == (
        f"Ada Retraining {desk.state[:12]}: promoted: better"
    )
    order = [line.split()[0] for line in desk.calls("dvc") if not line.startswith("config")]
    assert order == ["pull", "repro", "push"]
    assert f"merge the branch {desk.branch} of origin" in desk.said[-1]


def test_the_second_run_finds_nothing_new_and_opens_no_second_change(desk: Any) -> None:
    desk.run()
    first = desk.git("rev-parse", desk.branch)
    assert desk.run() == 0
    assert any(line.startswith("nothing new") for line in desk.said)
    assert sum(line.startswith("repro") for line in desk.calls("dvc")) == 1
    assert desk.git("rev-parse", desk.branch) == first
    desk.git("update-ref", "-d", f"refs/heads/{desk.branch}")  # another machine: only origin knows
    assert desk.run() == 0 and any(f"origin/{desk.branch}" in line for line in desk.said)
    desk.git("checkout", "--quiet", "--force", "-B", "main", first)  # merged, and the branch deleted
    desk.git("push", "--quiet", "origin", f":refs/heads/{desk.branch}")
    assert desk.run() == 0 and any("is in HEAD" in line for line in desk.said)
    assert sum(line.startswith("repro") for line in desk.calls("dvc")) == 1


def test_another_state_after_a_merge_is_new_again(desk: Any) -> None:
    desk.run()
    desk.git("checkout", "--quiet", "--force", "-B", "main", desk.branch)
    desk.project.set("seed: 7", "seed: 8")
    desk.commit("another seed")
    assert desk.run() == 0
    assert any("is new: download (params.yaml seed changed since it ran)" in line for line in desk.said)
    assert len(desk.git("branch", "--list", "retrain/*").splitlines()) == 2


@pytest.mark.parametrize("has_origin", [True, False])
def test_a_change_that_was_merged_and_reverted_is_opened_again(desk: Any, has_origin: bool) -> None:
    if not has_origin:
        desk.git("remote", "remove", "origin")
    desk.run()
    merged = desk.git("rev-parse", desk.branch)
    desk.git("checkout", "--quiet", "--force", "-B", "main", merged)
    desk.git("revert", "--no-edit", "HEAD")
    assert list(preview(desk.root))[-1] == f"would open the change {desk.branch}" + (
        " of origin" if has_origin else ", a local branch"
    )
    assert desk.run() == 0
    again = desk.git("rev-parse", desk.branch)
    assert desk.git("rev-parse", f"{again}^") == desk.git("rev-parse", "HEAD")  # so that it can be merged
    assert desk.run() == 0 and desk.said[-2].startswith("nothing new")
    assert desk.git("rev-parse", desk.branch) == again
    if has_origin:
        assert desk.git("ls-remote", "origin", f"refs/heads/{desk.branch}").split()[0] == again


def test_a_shallow_clone_knows_that_a_change_was_merged_and_reverted(desk: Any) -> None:
    desk.run()
    desk.git("checkout", "--quiet", "--force", "-B", "main", desk.branch)
    desk.git("revert", "--no-edit", "HEAD")
    desk.git("push", "--quiet", "origin", "main")
    clone, origin = desk.root.parent / "shallow", f"file://{desk.root.parent}/origin.git"
    desk.git("clone", "--quiet", "--depth=1", "--branch=main", origin, str(clone))
    assert Change(clone, desk.state).find() is None


def test_without_remote_and_origin_the_commit_stays_here(desk: Any) -> None:
    desk.git("remote", "remove", "origin")
    assert desk.run() == 0
    assert "no default DVC remote: nothing to pull" in desk.said
    assert desk.said[-1] == f"no git remote: merge the local branch {desk.branch}"
    assert desk.run() == 0 and any(line.startswith("nothing new") for line in desk.said)
    assert not [line for line in desk.calls("dvc") if line.startswith(("pull", "push"))]


def test_a_refused_model_is_reported_and_kept_too(desk: Any) -> None:
    verdict = dataclasses.replace(desk.verdicts[0], outcome="refused: worse", is_champion=False)
    desk.verdicts[:] = [verdict]
    assert desk.run() == 0
    text = desk.show(f"{desk.branch}:reports/retrain.md")
    assert "**`flowers` version 2 was refused**; version 1 stays champion." in text


@pytest.mark.parametrize("fault", [StoreAway("MLflow is away."), RegistryFault("files are gone.")])
def test_mlflow_away_what_was_trained_is_pushed_and_judged_by_the_next_run(
    desk: Any, fault: Exception
) -> None:
    desk.share()
    desk.verdicts.insert(0, fault)
    assert desk.run() == 1
    assert any("What was trained stands" in line for line in desk.said)
    assert [line.split()[0] for line in desk.calls("dvc")][-1] == "push" or desk.calls("dvc")[-1].startswith(
        "push"
    )
    assert desk.git("branch", "--list", "retrain/*") == ""
    assert desk.run() == 0
    assert desk.git("ls-remote", "origin", f"refs/heads/{desk.branch}")


def test_a_push_that_fails_opens_no_change_and_the_next_run_does(desk: Any) -> None:
    desk.share()
    desk.plan("dvc", push={"status": 1, "errs": "ERROR: failed to push: disk quota\n"})
    assert desk.run() == 1
    assert any("disk quota. What was decided stands" in line for line in desk.said)
    assert not desk.git("ls-remote", "origin", f"refs/heads/{desk.branch}")
    desk.plan("dvc", push={})
    assert desk.run() == 0
    assert desk.git("ls-remote", "origin", f"refs/heads/{desk.branch}")


def test_a_remote_that_is_away_changes_nothing(desk: Any) -> None:
    desk.share()
    (desk.programs.parent / "shelf").rmdir()
    before = snapshot(desk.root)
    with pytest.raises(RemoteAway, match="is no folder here: mount it"):
        desk.run()
    assert snapshot(desk.root) == before
    assert not [line for line in desk.calls("dvc") if not line.startswith("config")]


def test_an_origin_that_is_away_gets_the_change_later(desk: Any) -> None:
    away = desk.root.parent / "origin.git"
    away.rename(away.with_name("hidden"))
    with pytest.raises(ChangeFault, match="cannot be reached"):
        desk.run()
    assert any("The change will be sent when it answers" in line for line in desk.said)
    commit = desk.git("rev-parse", desk.branch)
    away.with_name("hidden").rename(away)
    assert desk.run() == 0
    assert desk.git("ls-remote", "origin", f"refs/heads/{desk.branch}").split()[0] == commit


def test_what_is_in_no_commit_is_not_run(desk: Any) -> None:
    desk.project.set("seed: 7", "seed: 8")
    desk.project.write("README.md", "may differ")
    with pytest.raises(NotCommitted, match=r"HEAD does not hold what would be run: params\.yaml\. Commit it"):
        desk.run()
    assert not [line for line in desk.calls("dvc") if line.startswith("repro")]


def test_weights_that_git_ignores_must_be_kept_by_a_committed_dvc_file(desk: Any) -> None:
    desk.project.write(".gitignore", (desk.root / ".gitignore").read_text() + "/data/weights/*.h5\n")
    desk.project.write("data/weights/mine.h5", "weights")
    desk.project.set("weights: none", "weights: data/weights/mine.h5")
    desk.commit("own weights")
    assert "would stop: HEAD does not hold data/weights/mine.h5" in list(preview(desk.root))
    with pytest.raises(NotCommitted, match=r"mine\.h5\. Commit it first \(of weights, .* `dvc add` makes\)"):
        desk.run()
    md5 = hashlib.md5(b"weights", usedforsecurity=False).hexdigest()
    desk.project.write("data/weights/mine.h5.dvc", f"outs:\n- md5: {md5}\n  path: mine.h5\n")
    with pytest.raises(NotCommitted, match=r"mine\.h5\.dvc, data/weights/mine\.h5\."):
        desk.run()
    desk.commit("kept by DVC")
    assert desk.run() == 0
    assert "the weights are as data/weights/mine.h5.dvc says" in desk.said


def test_a_fresh_clone_has_its_weights_before_the_state_is_read(desk: Any) -> None:
    desk.share()
    md5 = hashlib.md5(b"weights", usedforsecurity=False).hexdigest()
    desk.project.write(".gitignore", (desk.root / ".gitignore").read_text() + "/data/weights/*.h5\n")
    desk.project.write("data/weights/mine.h5.dvc", f"outs:\n- md5: {md5}\n  path: mine.h5\n")
    desk.project.set("weights: none", "weights: data/weights/mine.h5")
    desk.commit("own weights")
    path = desk.root / "data/weights/mine.h5"
    desk.plan(
        "dvc", **{"pull data/weights": {"script": f"pathlib.Path({str(path)!r}).write_text('weights')"}}
    )
    assert "would bring the weights of data/weights/mine.h5.dvc" in list(preview(desk.root))
    assert desk.run() == 0
    with_weights = desk.branch
    assert desk.git("branch", "--list", with_weights)


def test_a_stage_that_stops_is_reported_and_nothing_is_opened(desk: Any) -> None:
    journal = desk.project.open("download")
    with journal:
        journal.guard(False, "download: 1 critical finding(s); nothing of this stage goes on.\n\nlabel_typo")
        journal.end("failed", "GuardFailure")
    desk.plan("dvc", repro={"status": 1})
    with pytest.raises(Stopped, match=r"stopped in download: download: 1 critical finding\(s\)"):
        desk.run()
    text = (desk.root / "reports/retrain.md").read_text()
    assert "stopped in download, the guard found critical faults" in text and "label_typo" in text
    assert write_mark(desk.state) not in text
    assert desk.git("branch", "--list", "retrain/*") == ""


def test_files_changed_during_the_run_are_told(desk: Any) -> None:
    script = f"p = pathlib.Path({str(desk.root / 'params.yaml')!r}); p.write_text(p.read_text() + '# x\\n'"
    desk.plan("dvc", repro={"script": f"{script}.replace('# x', 'extra: 1'))"})
    with pytest.raises(Moved, match="run this again"):
        desk.run()


def test_two_at_once_one_leaves(desk: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(desk.root)
    holding = (
        "import sys, pathlib; from glasshouse.retraining.lock import alone\n"
        "with alone(pathlib.Path('.')): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "held\n"
    assert main(["retrain"]) == 0
    assert f"another retraining is at work here (process {process.pid}, since" in capsys.readouterr().out
    assert desk.calls("dvc") == []
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    with alone(desk.root):  # dropped by the system
        pass


def test_a_child_that_outlives_its_parent_keeps_the_lock(tmp_path: Path) -> None:
    with alone(tmp_path) as lock:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    with pytest.raises(AtWork), alone(tmp_path):
        pass
    child.kill()
    child.wait()
    with alone(tmp_path):
        pass


def test_a_lock_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / LOCK.parent).write_text("in the way")
    with (
        pytest.raises(LockFault, match=r"retrain\.lock cannot be written .*nothing was changed"),
        alone(tmp_path),
    ):
        pass


def test_dry_run_writes_nothing_and_says_what_would_be(
    desk: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(desk.root)
    before = snapshot(desk.root), desk.git("for-each-ref")
    assert main(["retrain", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"state {desk.state[:12]} is new: download (has not been run)" in out
    assert f"would open the change {desk.branch} of origin" in out
    assert (snapshot(desk.root), desk.git("for-each-ref")) == before
    desk.run()
    assert list(preview(desk.root))[-1].startswith("nothing new by what is here")


def test_a_workflow_needs_places_that_stay(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises(NotLasting, match="MLFLOW_TRACKING_URI is not set"):
        desk.run()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(NotLasting, match="no default remote"):
        desk.run()


def test_no_repository_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ChangeFault, match="there is no repository here"):
        steps.retrain(tmp_path, print)


def test_ctrl_c_waits_for_the_pipeline(desk: Any) -> None:
    """As DVC does, the fake repro turns a deaf ear to SIGINT while its stage runs; the stage is told."""
    note = desk.programs / "interrupted"
    stage = (
        "import pathlib, signal, sys, time\n"
        f"note = pathlib.Path({str(note)!r})\n"
        "def leave(*_): note.touch(); sys.exit(130)\n"
        "signal.signal(signal.SIGINT, leave)\n"
        "note.with_suffix('.ready').touch()\n"
        "time.sleep(60)"
    )
    script = (
        "import signal, subprocess\n"
        f"child = subprocess.Popen([sys.executable, '-c', {stage!r}])\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sys.exit(child.wait())"
    )
    desk.plan("dvc", repro={"script": script})
    code = "from glasshouse.cli import main; raise SystemExit(main(['retrain']))"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=desk.root, stdout=subprocess.DEVNULL)
    while not note.with_suffix(".ready").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert note.exists()
