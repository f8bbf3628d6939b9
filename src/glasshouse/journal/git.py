"""What git says of the project's folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

PATIENCE_SECONDS = 120  # to list a million pictures takes a while


def ask_git(root: Path, *words: str) -> str | None:
    """What git prints, None where there is no git, no repository or no commit yet.

    What is no UTF-8 (names of files, of persons) has a mark in the place of each odd byte.

    Raises:
        ValueError: git does not end.
    """
    try:
        answer = subprocess.run(
            ["git", *words],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"`git {' '.join(words)}` did not end within {PATIENCE_SECONDS:g} s in {root.resolve()}: "
            "see by hand what it waits for."
        ) from error
    return answer.stdout.strip() if answer.returncode == 0 else None


def read_commit(root: Path) -> str | None:
    """The present commit, None where there is none."""
    return ask_git(root, "rev-parse", "HEAD")


def has_changes(root: Path) -> bool:
    """Whether files that git knows differ from the present commit; those beside the project do not count."""
    return bool(ask_git(root, "status", "--porcelain", "--untracked-files=no", "--", "."))
