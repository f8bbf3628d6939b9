"""`glasshouse pull`: what a schedule calls before it retrains (docs/retraining.md)."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glasshouse.retraining.lock import AtWork
from glasshouse.retraining.pull import pull


def show(_options: Namespace) -> int:
    """A line a step; status 0 where the branch is up to its upstream, or a retraining is at work."""
    try:
        pull(Path.cwd(), say)
    except AtWork as other:
        say(f"{other} Nothing was pulled under its feet.")
    return 0


def say(line: str) -> None:
    """Print a step."""
    print(f"pull: {line}", flush=True)
