"""A schedule's checkout is brought up to its upstream, whatever retrainings have left in it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from glasshouse.cli import main
from glasshouse.retraining.change import ChangeFault
from glasshouse.retraining.lock import alone
from glasshouse.retraining.pull import pull


@pytest.fixture
def desk(desk: Any) -> Any:
    ignored = desk.root / ".gitignore"
    names = "".join(
        f"!/reports/{name}\n" for name in ("ledger.md", "retrain.md", "retrain/", "next_accepted/")
    )
    ignored.write_text(ignored.read_text().replace("/reports/*\n", f"/reports/*\n{names}"))
    desk.commit("what git keeps")
    desk.git("push", "--quiet", "--set-upstream", "origin", "main")
    return desk


class Person:
    """Somebody with a clone of their own."""

    def __init__(self, desk: Any, folder: Path) -> None:
        self.folder = folder
        origin = str(desk.root.parent / "origin.git")
        subprocess.run(["git", "clone", "--quiet", "--branch", "main", origin, folder], check=True)
        for key in ("user.name", "user.email"):
            self.git("config", key, "Grace")

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True)

    def merge(self, branch: str) -> None:
        self.git("fetch", "--quiet")
        self.git("merge", "--quiet", "--no-ff", "-m", "merged", f"origin/{branch}")
        self.git("push", "--quiet", "origin", "main", f":{branch}")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        self.git("add", "--all", "--force", name)
        self.git("commit", "--quiet", "-m", name)
        self.git("push", "--quiet", "origin", "main")


@pytest.fixture
def person(desk: Any, tmp_path: Path) -> Person:
    return Person(desk, tmp_path / "person")


def take(desk: Any) -> list[str]:
    said: list[str] = []
    pull(desk.root, said.append)
    return said


def test_a_schedule_survives_the_merge_of_its_own_change(desk: Any, person: Person) -> None:
    desk.run()
    person.merge(desk.branch)
    with pytest.raises(subprocess.CalledProcessError):
        desk.git("pull", "--quiet")  # why this command is there
    said = take(desk)
    assert len(said) == 1 and said[0].endswith("merged")
    assert desk.git("status", "--porcelain") == "" and desk.git("stash", "list") == ""
    assert desk.run() == 0 and desk.said[0].startswith("nothing new") and "HEAD" in desk.said[0]
    assert take(desk) == ["nothing to pull"]
    person.git("pull", "--quiet")
    text = (person.folder / "params.yaml").read_text()
    person.write("params.yaml", text.replace("seed: 7", "seed: 8"))
    take(desk)
    assert desk.run() == 0 and any("is new" in line for line in desk.said)


def test_the_commits_of_others_leave_the_results_of_an_open_change_alone(desk: Any, person: Person) -> None:
    desk.run()
    report = (desk.root / "reports/retrain.md").read_bytes()
    person.write("README.md", "of others\n")
    take(desk)
    assert (desk.root / "README.md").read_text() == "of others\n"
    assert (desk.root / "reports/retrain.md").read_bytes() == report
    assert desk.run() == 0 and desk.said[0].startswith("nothing new")
    desk.git("update-ref", "-d", f"refs/heads/{desk.branch}")  # origin knows it too
    person.write("dvc.lock", "of others\n")  # held by the open change: nothing is lost
    take(desk)
    assert (desk.root / "dvc.lock").read_text() == "of others\n" and desk.git("stash", "list") == ""


def test_what_a_run_that_was_cut_off_left_is_put_into_the_stash(desk: Any, person: Person) -> None:
    desk.run()
    person.merge(desk.branch)
    desk.project.write("reports/retrain.md", "stopped in download\n")
    (desk.root / "reports/retrain/scores.svg").unlink()
    assert take(desk)[0] == ("put into `git stash`, for no change holds them: reports/retrain.md")
    assert desk.git("status", "--porcelain") == ""
    assert desk.git("show", "stash@{0}^3:reports/retrain.md") == "stopped in download"


def test_files_of_a_person_stop_it_before_anything_is_changed(desk: Any, person: Person) -> None:
    desk.run()
    person.merge(desk.branch)
    person.write("README.md", "of others\n")
    desk.project.write("README.md", "my own\n")
    before = desk.git("status", "--porcelain"), desk.git("rev-parse", "HEAD")
    with pytest.raises(ChangeFault, match=r"others are to be pulled: README\.md\. Commit or drop them"):
        take(desk)
    assert (desk.git("status", "--porcelain"), desk.git("rev-parse", "HEAD")) == before
    (desk.root / "README.md").unlink()
    desk.commit("my own")
    with pytest.raises(ChangeFault, match=r"commits that its upstream lacks \(\w+ my own\)"):
        take(desk)


def test_no_upstream_no_remote_and_a_retraining_at_work_are_told(
    desk: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(desk.root)
    with alone(desk.root):
        assert main(["pull"]) == 0
    assert "another retraining is at work here" in capsys.readouterr().out
    assert main(["pull"]) == 0 and capsys.readouterr().out == "pull: nothing to pull\n"
    (desk.root.parent / "origin.git").rename(desk.root.parent / "hidden")
    assert main(["pull"]) == 1 and "remote cannot be reached" in capsys.readouterr().err
    desk.git("branch", "--unset-upstream")
    assert main(["pull"]) == 1 and "--set-upstream-to=origin/main" in capsys.readouterr().err


@pytest.mark.parametrize("prune", ["false", "true"])
def test_an_upstream_that_is_gone_from_the_remote_is_no_news_that_are_missing(desk: Any, prune: str) -> None:
    desk.git("config", "fetch.prune", prune)
    origin = desk.root.parent / "origin.git"
    subprocess.run(["git", "branch", "-m", "main", "trunk"], cwd=origin, check=True)
    for _ in range(2):  # pruned, the second one finds no trace of it
        with pytest.raises(ChangeFault, match=r"no branch main any more: .*set-upstream-to=origin/"):
            take(desk)


def test_a_head_that_is_on_no_branch_is_told_as_such(desk: Any) -> None:
    desk.git("checkout", "--quiet", "--detach")
    with pytest.raises(ChangeFault, match=r"HEAD is on no branch .*`git switch "):
        take(desk)
