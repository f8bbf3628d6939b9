"""`glasshouse rollback`: the champion before this one is champion again."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glasshouse.promotion.gate import rollback
from glasshouse.promotion.ledger import LEDGER


def show(_options: Namespace) -> int:
    """Move @champion back to @previous."""
    taken_back, restored = rollback(Path.cwd())
    print(f"{restored.shown} is the champion again; version {taken_back.number} was taken back")
    refused = f"`glasshouse promote` refuses version {taken_back.number} until it is given --again"
    print(f"written down in {LEDGER.as_posix()}; {refused}")
    return 0
