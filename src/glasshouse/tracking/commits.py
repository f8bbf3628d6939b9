"""Which commit holds the files as they were run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from glasshouse.journal.digests import Digests
from glasshouse.journal.git import ask_git, read_commit
from glasshouse.journal.pipeline import read_yaml

WRITTEN_LATER = (":!dvc.lock", ":!reports")  # what a run or a decision writes is no change of what was run
CHANGES = "retrain"  # what the names of the branches that retrainings open begin with
DIGITS = 12  # of the state's id in a branch's name


def name_branch(state: str) -> str:
    """The branch that a retraining opens for a state."""
    return f"{CHANGES}/{state[:DIGITS]}"


def find_commit(root: Path, state: str, sources: Iterable[str]) -> tuple[str, bool]:
    """The commit to make a state again from, "" without one, and whether it holds all files as they are.

    HEAD, unless what was run differs from it (new pictures, another accepted data version) and a retraining
    has kept that in a commit on the state's own branch.

    Args:
        sources: what the state is made of (`State.sources`): a commit holds it where a clone can have it,
            from git, or from DVC by a .dvc file that is in the commit.
    """
    branch, sources = f"refs/heads/{name_branch(state)}", list(sources)
    for place in ("HEAD", branch):
        if (
            ask_git(root, "--no-optional-locks", "diff", "--name-only", place, "--", ".", *WRITTEN_LATER)
            == ""
        ) and not list_unheld(root, place, sources):
            return ask_git(root, "rev-parse", f"{place}^{{commit}}") or "", True
    return read_commit(root) or "", False


def list_refs(root: Path, commit: str) -> list[str]:
    """Branches and tags that lead to a commit; a clone lacks one that has none, such as an amended one."""
    places = ("refs/heads", "refs/remotes", "refs/tags")
    found = ask_git(root, "for-each-ref", f"--contains={commit}", "--format=%(refname)", *places)
    return (found or "").splitlines()


def is_lasting(root: Path, commit: str) -> bool:
    """Whether a branch or tag leads to a commit, but for a retraining's, which goes once it is merged."""
    return any(f"/{CHANGES}/" not in name for name in list_refs(root, commit))


def list_unheld(root: Path, commit: str, paths: Iterable[str]) -> list[str]:
    """Files at or below `paths` that git does not know, or ignores, and that no .dvc file of `commit` keeps.

    Those are files that a clone of the commit lacks, though it equals the working tree in all that git knows.
    What .dvcignore leaves out counts as little here as it does for DVC.
    """
    found: list[str] = []
    for path in paths:
        if (root / path).resolve().is_relative_to(root.resolve()):
            found += _list_unknown(root, path)
        elif (root / path).exists():  # beyond the repository, of which no commit has anything
            found.append(path)
    named = {keeper for path in found for keeper in name_keepers(path)}
    kept = {keeper for keeper in named if is_in(root, commit, keeper) and _is_told(root, keeper)}
    return [path for path in found if kept.isdisjoint(name_keepers(path))]


def name_keepers(path: str) -> list[str]:
    """The .dvc files by which DVC may keep a file or folder: its own, then those of the folders around it.

    None of a path that leads out of the project.
    """
    place = Path(os.path.normpath(path))
    if place.is_absolute() or ".." in place.parts:
        return []
    return [f"{each.as_posix()}.dvc" for each in (place, *place.parents) if each.name]


def list_keepers(root: Path, commit: str, path: str) -> list[str]:
    """The .dvc files of a commit that keep a file or folder, or something in the folder."""
    inside = ask_git(root, "--literal-pathspecs", "ls-tree", "-r", "--name-only", "-z", commit, "--", path)
    around = [keeper for keeper in name_keepers(path) if is_in(root, commit, keeper)]
    return [*around, *(name for name in (inside or "").split("\0") if name.endswith(".dvc"))]


def is_in(root: Path, commit: str, path: str) -> bool:
    """Whether a commit has the file or folder."""
    return bool(ask_git(root, "--literal-pathspecs", "ls-tree", "--name-only", commit, "--", path))


def _list_unknown(root: Path, path: str) -> list[str]:
    """Files that git does not track and .dvcignore does not leave out; the path itself without git."""
    listed = ask_git(root, "--literal-pathspecs", "ls-files", "--others", "-z", "--", path)
    if listed is None:
        return [path]
    # Not by git's --exclude-from, which takes the patterns for those of the repository's top.
    digests = Digests(root)
    return [name for name in listed.split("\0") if name and not digests.is_ignored(name)]


def _is_told(root: Path, keeper: str) -> bool:
    """Whether what lies here is what the .dvc file says; one that gives no digest is believed."""
    if not (root / keeper).is_file():
        return False
    told = (read_yaml(root / keeper).get("outs") or [{}])[0].get("md5")
    digests = Digests(root)
    here = digests.digest(Path(keeper).with_suffix(""))
    digests.save()
    return told in (None, here)
