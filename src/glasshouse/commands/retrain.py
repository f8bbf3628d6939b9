"""`glasshouse retrain`: from new data to a judged model and a change to merge (docs/retraining.md)."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from glasshouse.retraining.lock import AtWork
from glasshouse.retraining.retrain import DONE, preview, retrain


def show(options: Namespace) -> int:
    """A line a step; status 0 done, nothing new, or another one is at work; 1 a fault."""
    if options.dry_run:
        print("\n".join(preview(Path.cwd())))
        return DONE
    try:
        return retrain(Path.cwd(), say)
    except AtWork as other:
        say(f"{other} It does all that this would: nothing to do.")
        return DONE


def say(line: str) -> None:
    """Print a step at once: the programs that are called print too."""
    print(f"retrain: {line}", flush=True)
    sys.stderr.flush()
