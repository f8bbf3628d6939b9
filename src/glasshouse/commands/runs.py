"""`glasshouse runs sync | list`."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from glasshouse.tracking.store import StoreAway
from glasshouse.tracking.sync import sync as sync_runs


def sync(options: Namespace) -> int:
    """Mirror what is missing; status 1 where the store is away (0 with --best-effort)."""
    try:
        print(sync_runs(Path.cwd()))
    except StoreAway as away:
        print(f"warning: {away} Nothing is lost: `glasshouse runs sync` mirrors it later.", file=sys.stderr)
        return 0 if options.best_effort else 1
    return 0


def show(options: Namespace) -> int:
    """A line a state, newest first."""
    from glasshouse.tracking.listing import list_runs

    lines = list_runs(Path.cwd(), options.limit)
    print(
        "\n".join(lines) if lines else "No state is mirrored yet: `dvc repro`, then `glasshouse runs sync`."
    )
    return 0
