"""What git says of the project's folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

PATIENCE_S = 60.0


def ask_git(root: Path, *words: str) -> str | None:
    """What git prints, None where there is no git, no repository or no commit yet.

    Raises:
        ValueError: it does not answer in PATIENCE_S.
    """
    command = ["git", *words]
    try:
        answer = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"`{' '.join(command)}` has not answered within {PATIENCE_S:g} s: try it by hand; a disk that "
            "hangs, or a helper that waits for input, keeps it."
        ) from error
    return answer.stdout.strip() if answer.returncode == 0 else None


def read_commit(root: Path) -> str | None:
    """The present commit, None where there is none."""
    return ask_git(root, "rev-parse", "HEAD")


def has_changes(root: Path) -> bool:
    """Whether files that git knows differ from the present commit."""
    return bool(ask_git(root, "status", "--porcelain", "--untracked-files=no"))
