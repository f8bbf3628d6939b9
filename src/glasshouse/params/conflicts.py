"""What git leaves in a file where it could not merge two versions."""

from __future__ import annotations

import re

MARK = re.compile(r"^<{7} ", re.MULTILINE)


def find_conflict(text: str) -> int | None:
    """Line, from 1, of the first of git's marks; None without any."""
    found = MARK.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else None


def say_conflict(file_name: str) -> str:
    """What to do about it, as the rest of a sentence."""
    return (
        "git left two versions here, which it could not merge: take one (`git checkout --ours "
        f"{file_name}`, or --theirs) or make one of both, then `git add` it, and `dvc repro` makes the "
        "outputs of what stands."
    )
