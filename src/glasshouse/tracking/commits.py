"""Which commit holds the files as they were run."""

from __future__ import annotations

from pathlib import Path

from glasshouse.journal.git import ask_git, read_commit

WRITTEN_LATER = (":!dvc.lock", ":!reports")  # what a run or a decision writes is no change of what was run
CHANGES = "retrain"  # what the names of the branches that retrainings open begin with
DIGITS = 12  # of the state's id in a branch's name


def name_branch(state: str) -> str:
    """The branch that a retraining opens for a state."""
    return f"{CHANGES}/{state[:DIGITS]}"


def find_commit(root: Path, state: str) -> tuple[str, bool]:
    """The commit to make a state again from, "" without one, and whether it holds all files as they are.

    HEAD, unless what was run differs from it (new pictures, another accepted data version) and a retraining
    has kept that in a commit on the state's own branch.
    """
    branch = f"refs/heads/{name_branch(state)}"
    for place in ("HEAD", branch):
        if (
            ask_git(root, "--no-optional-locks", "diff", "--name-only", place, "--", ".", *WRITTEN_LATER)
            == ""
        ):
            return ask_git(root, "rev-parse", f"{place}^{{commit}}") or "", True
    return read_commit(root) or "", False
