"""`glasshouse compare`: several architectures on the same data, and a leaderboard of them."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from pathlib import Path
from types import FrameType
from typing import NoReturn


def show(options: Namespace) -> int:
    """Train, measure, write reports/compare/; status 1 where an entry failed, 130 after Ctrl-C or
    where the terminal was closed."""
    from glasshouse.comparison.plan import make_plan
    from glasshouse.comparison.request import read_request
    from glasshouse.comparison.results import write_results
    from glasshouse.comparison.run import Comparison

    root = Path.cwd()
    request = read_request(
        backbones=options.backbones,
        seeds=options.seeds,
        changes=options.set or [],
        parallel=options.parallel,
        file=options.file,
    )
    plan = make_plan(root, request)
    for entry in plan.entries:
        print(f"{entry.name}: weights {entry.weights}", file=sys.stderr)
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    listen()
    comparison = Comparison(root, plan)
    try:
        with comparison.alone():  # another one would train in the copies whose figures are read here
            progress = comparison.run()
            page = write_results(comparison)
    except KeyboardInterrupt:
        print("stopped: everything that was started is ended. The same command goes on.", file=sys.stderr)
        raise
    text = (page.parent / "leaderboard.md").read_text(encoding="utf-8")
    print(text.partition("\n![")[0].partition("\n## ")[0])
    print(f"page {page.relative_to(root)}")
    for entry, reason in progress.reasons.items():
        print(f"failed: {entry.name}: {reason}", file=sys.stderr)
    for fault in progress.faults:
        print(f"failed: {fault}", file=sys.stderr)
    return 1 if progress.reasons or progress.faults else 0


def listen() -> None:
    """End all trainings, as Ctrl-C does, whatever signal ends this process: they have sessions of their own,
    and would go on unseen.

    Ctrl-C is heard also where a shell script had told it to be ignored; the closing of the terminal is not
    where `nohup` had.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
