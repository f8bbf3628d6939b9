"""What a clone of a commit would have, with a real git."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from glasshouse.journal.git import has_changes
from glasshouse.tracking.commits import (
    find_commit,
    is_lasting,
    list_keepers,
    list_refs,
    list_unheld,
    name_keepers,
)

STATE = "c" * 64
SOURCES = ["src/parts", "data/photos", "data/weights", "data/weights/mine.h5"]


def git(root: Path, *words: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write(root: Path, path: str, content: str = "x") -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content, encoding="utf-8")
    return place


def commit(root: Path) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "all")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose git leaves out .h5 files, and whose DVC leaves out Python's leftovers."""
    place = tmp_path / "project"
    write(place, ".gitignore", "*.h5\n/data/photos\n__pycache__/\n")
    write(place, ".dvcignore", "__pycache__/\n")
    write(place, "src/parts/first.py")
    write(place, "data/weights/README.md")
    git(place, "init", "--quiet")
    commit(place)
    return place


def keep(root: Path, path: str) -> None:
    """What `dvc add` of a file leaves."""
    md5 = hashlib.md5((root / path).read_bytes(), usedforsecurity=False).hexdigest()
    write(root, f"{path}.dvc", f"outs:\n- md5: {md5}\n  hash: md5\n  path: {Path(path).name}\n")


def test_files_that_no_commit_holds_are_seen_whether_untracked_or_ignored(root: Path) -> None:
    head = git(root, "rev-parse", "HEAD")
    write(root, "src/parts/__pycache__/first.pyc")
    write(root, "elsewhere.txt")
    assert find_commit(root, STATE, SOURCES) == (head, True)
    for path in ("src/parts/second.py", "data/photos/rose/a b.jpg", "data/weights/mine.h5"):
        added = write(root, path)
        assert list_unheld(root, "HEAD", SOURCES[:3]) == [path]
        assert find_commit(root, STATE, SOURCES) == (head, False)
        added.unlink()
    assert find_commit(root, STATE, SOURCES) == (head, True)


@pytest.mark.parametrize(
    ("path", "held"),
    [
        *(("dvc.lock", True), ("reports/ledger.md", True)),  # what a run or a decision writes
        *((path, False) for path in ("data/accepted.json", "params.yaml", "src/parts/first.py", "dvc.yaml")),
    ],
)
def test_what_a_run_writes_is_no_change_and_what_it_reads_is_one(path: str, held: bool, root: Path) -> None:
    write(root, path, "as committed")
    head = commit(root)
    assert find_commit(root, STATE, SOURCES) == (head, True)
    write(root, path, "as it is now")
    assert find_commit(root, STATE, SOURCES) == (head, held)


def test_the_branch_of_a_retraining_holds_what_head_does_not(root: Path) -> None:
    """HEAD counts first; the branch is called by the first twelve digits of the state."""
    head = git(root, "rev-parse", "HEAD")
    git(root, "checkout", "--quiet", "-b", f"retrain/{'c' * 12}")
    write(root, "src/parts/first.py", "as it was run")
    kept = commit(root)
    git(root, "checkout", "--quiet", "--detach", head)
    write(root, "src/parts/first.py", "as it was run")
    assert find_commit(root, STATE, SOURCES[:1]) == (kept, True)
    assert find_commit(root, "d" * 64, SOURCES[:1]) == (head, False)
    git(root, "checkout", "--quiet", "--force", "--detach", kept)
    write(root, "dvc.lock", "what the run wrote")
    head = commit(root)
    assert find_commit(root, STATE, SOURCES[:1]) == (head, True)


@pytest.mark.parametrize(
    ("ref", "lasts"),
    [
        ("refs/heads/topic", True),
        ("refs/heads/retraining", True),
        ("refs/remotes/origin/main", True),
        ("refs/tags/v1", True),
        ("refs/heads/retrain/cccccccccccc", False),
        ("refs/remotes/origin/retrain/cccccccccccc", False),
        ("refs/stash", False),
    ],
)
def test_a_commit_lasts_while_a_branch_or_tag_leads_to_it(ref: str, lasts: bool, root: Path) -> None:
    before = git(root, "rev-parse", "HEAD")
    made = commit(root)
    git(root, "update-ref", ref, made)
    git(root, "reset", "--quiet", "--hard", before)
    assert list_refs(root, made) == ([] if ref == "refs/stash" else [ref])
    assert is_lasting(root, made) == lasts
    assert is_lasting(root, before)


def test_without_git_nothing_is_held(tmp_path: Path) -> None:
    write(tmp_path, "data/photos/a.jpg")
    assert list_unheld(tmp_path, "HEAD", ["data/photos"]) == ["data/photos"]
    assert find_commit(tmp_path, STATE, ["data/photos"]) == ("", False)


def test_a_committed_dvc_file_holds_what_it_tells(root: Path) -> None:
    write(root, "data/weights/mine.h5", "weights")
    keep(root, "data/weights/mine.h5")
    assert list_unheld(root, "HEAD", ["data/weights/mine.h5"]) == ["data/weights/mine.h5"]  # in no commit yet
    head = commit(root)
    assert find_commit(root, STATE, SOURCES) == (head, True)
    write(root, "data/weights/mine.h5", "others")
    assert find_commit(root, STATE, SOURCES) == (head, False)
    write(root, "data/weights/mine.h5", "weights")
    write(root, "data/photos/rose/a.jpg")
    write(root, "data.dvc", "outs:\n- path: data\n")  # without a digest, as of a version-aware import
    head = commit(root)
    assert find_commit(root, STATE, SOURCES) == (head, True)


def test_what_lies_beyond_the_repository_is_in_no_commit(root: Path, tmp_path: Path) -> None:
    away = write(tmp_path, "away/mine.h5").parent
    (root / "data/linked").symlink_to(away)
    commit(root)
    for path in (str(away), "../away/mine.h5", "data/linked"):
        assert list_unheld(root, "HEAD", [path]) == [path]
    assert list_unheld(root, "HEAD", ["../not-there", "neither"]) == []


def test_the_keepers_of_a_path_are_beside_it_around_it_and_in_it(root: Path) -> None:
    assert name_keepers("data/photos/") == ["data/photos.dvc", "data.dvc"]
    assert name_keepers("/data/photos") == name_keepers("../photos") == []
    for name in ("data/photos.dvc", "data/weights/a.h5.dvc", "data/weights/b.h5.dvc"):
        write(root, name, "outs:\n- path: x\n")
    head = commit(root)
    assert list_keepers(root, head, "data/photos/rose") == ["data/photos.dvc"]
    assert list_keepers(root, head, "data/weights") == ["data/weights/a.h5.dvc", "data/weights/b.h5.dvc"]
    assert list_keepers(root, f"{head}^", "data/photos") == []


def test_a_project_may_be_a_folder_of_a_larger_repository(tmp_path: Path) -> None:
    """Others' changes beside it are none of the project's; its .dvcignore speaks of its own folder."""
    root = tmp_path / "shop/flowers"
    write(root, "src/parts/first.py")
    write(root, ".dvcignore", "/src/parts/draft.py\n")
    beside = write(tmp_path, "shop/billing.py")
    git(tmp_path, "init", "--quiet")
    head = commit(tmp_path)
    write(root, "src/parts/draft.py")
    assert find_commit(root, STATE, ["src/parts"]) == (head, True)
    beside.write_text("y", encoding="utf-8")
    assert not has_changes(root)
    assert find_commit(root, STATE, ["src/parts"]) == (head, True)
    write(root, "src/parts/second.py")
    assert list_unheld(root, "HEAD", ["src/parts"]) == ["src/parts/second.py"]
    write(root, "src/parts/first.py", "y")
    assert has_changes(root)
