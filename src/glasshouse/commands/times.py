"""`glasshouse times`: where the seconds of the last run went, stage by stage."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from glasshouse.journal.journal import Execution, list_stages, list_states, read_executions, state_folder
from glasshouse.journal.state import read_state
from glasshouse.params import STAGE_KEYS

WORK = "work"  # drawing, training, predicting: all other phases are overhead
FIRST_PHASES = ("import", WORK, "guard", "track")


def show(options: Namespace) -> int:
    """The table of one state; status 1 where it has no journals."""
    root = Path.cwd()
    folder = _find(root, options.state) if options.state else state_folder(root, read_state(root).id)
    ran = list_stages(folder)
    if not ran:
        print("No stage ran in the present state (all came from the cache, or nothing ran yet).")
        print(f"States with journals: {_name_states(root)} (--state).")
        return 1
    lasts = {stage: read_executions(folder, stage)[-1] for stage in ran}
    names = [*STAGE_KEYS, *(stage for stage in ran if stage not in STAGE_KEYS)]
    print(f"state {folder.name}")
    print("\n".join(draw_table(names, lasts)))
    return 0


def draw_table(names: Sequence[str], lasts: dict[str, Execution]) -> list[str]:
    """Seconds of each phase; a stage that did not run has dashes."""
    later = sorted({phase for last in lasts.values() for phase in last.phases} - {*FIRST_PHASES, "other"})
    phases = [*FIRST_PHASES, *later, "other"]
    rows = [["stage", *phases, "total", "end"]]
    for name in names:
        last = lasts.get(name)
        if last is None:
            rows.append([name, *["-"] * (len(phases) + 1), "did not run"])
        else:
            seconds = [last.phases.get(phase, 0.0) for phase in phases]
            rows.append([name, *(f"{value:.1f}" for value in (*seconds, last.seconds)), last.status])
    sums = [sum(last.phases.get(phase, 0.0) for last in lasts.values()) for phase in phases]
    total = sum(last.seconds for last in lasts.values())
    rows.append(["all", *(f"{value:.1f}" for value in (*sums, total)), ""])
    overhead = sum(sums) - sums[phases.index(WORK)]
    return [*align(rows), f"not drawing, training or predicting: {overhead:.1f} s of {total:.1f} s"]


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, the first and the last to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *middle, last in rows:
        cells = [text.rjust(width) for text, width in zip(middle, widths[1:-1], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells, last]).rstrip())
    return lines


def _find(root: Path, digits: str) -> Path:
    found = [place for place in list_states(root) if place.name.startswith(digits)]
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} states begin with {digits!r}. States with journals: {_name_states(root)}."
        )
    return found[0]


def _name_states(root: Path) -> str:
    return ", ".join(place.name for place in list_states(root)) or "none"
