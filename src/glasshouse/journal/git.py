"""What git says of the project's folder."""

from __future__ import annotations

import subprocess
from pathlib import Path


def ask_git(root: Path, *words: str) -> str | None:
    """What git prints, None where there is no git, no repository or no commit yet."""
    try:
        answer = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, timeout=20, check=False
        )
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def read_commit(root: Path) -> str | None:
    """The present commit, None where there is none."""
    return ask_git(root, "rev-parse", "HEAD")


def has_changes(root: Path) -> bool:
    """Whether files that git knows differ from the present commit."""
    return bool(ask_git(root, "status", "--porcelain", "--untracked-files=no"))
