"""`glasshouse promote`: make the finished state's model the champion, if it deserves it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glasshouse.promotion.decision import Decision
from glasshouse.promotion.gate import promote
from glasshouse.promotion.ledger import LEDGER


def show(options: Namespace) -> int:
    """Print the decision; status 0 promoted or nothing to do, 3 refused."""
    decision = promote(Path.cwd(), dry_run=options.dry_run, again=options.again)
    print("\n".join(say_decision(decision, options.dry_run)))
    return decision.status


def say_decision(decision: Decision, dry_run: bool) -> list[str]:
    """The verdict, every reason, what was left out, and where it was written down."""
    before = "there is no champion" if decision.champion is None else f"the champion is {decision.champion}"
    head = f"version {decision.challenger} {decision.verdict}: {decision.outcome} ({before})"
    lines = [f"would be: {head}" if dry_run else head]
    lines += [f"  {reason.sentence}" for reason in decision.reasons]
    lines += [f"  note: {note}" for note in decision.notes]
    if decision.verdict != "unchanged":
        lines.append("nothing was written" if dry_run else f"written down in {LEDGER.as_posix()}")
    return lines
