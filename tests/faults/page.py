"""docs/faults.md from the table: `PYTHONPATH=src:tools:tests python -m faults.page` writes it anew."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .table import ROWS, TABLES, Row

PAGE = Path(__file__).parents[2] / "docs/faults.md"
HEAD = """# Planted faults

What becomes of {rows} small data sets, each of some 30 drawn pictures with one thing planted into it, in the
stages `download`, `split` and `preprocess` (what a later stage could not see, in the first two).
`tests/faults` runs every row through the stages' own scripts; this page is written from its table.

| fate | what it means | rows |
|---|---|---|
| critical | the stage names file and row or key, and exits 1; nothing half-written stays | {critical} |
| set aside | picture or label is left out, listed with its reason, and the rest goes on | {aside} |
| repaired | read as it is most likely meant, and listed as well | {repaired} |
| told | nothing is changed; a warning names it | {told} |
| sound | nothing is wrong, and nothing is said | {sound} |

What is listed stands in `data/raw/quarantine.parquet` (pictures), `data/raw/faults.parquet` (labels and
repairs) and `reports/quality/download.json`. No row prints a traceback. How much may be set
aside before the stage stops: `quality.download.max_quarantined` and `max_faulty_labels` in `params.yaml`.

A file that cannot be read is set aside by the stage. DVC itself, though, reads every file of a data folder
before the stage starts, stops at such a file with its name (`[Errno 13] Permission denied: ...`),
and waits for ever at a pipe. `make repro` therefore calls `glasshouse unreadable` before DVC: it names these
files and keeps them in `.dvcignore`, so that DVC passes over them, the stage lists them, and the rest goes
on.
"""


def render_page() -> str:
    """The page: what the fates are, and one table a kind of fault."""
    fates = Counter(row.fate for row in ROWS)
    counts = {fate.removeprefix("set "): count for fate, count in fates.items()}
    parts = [HEAD.format(rows=len(ROWS), **counts)]
    for title, rows in TABLES.items():
        parts += [f"\n## {title}\n", "| fault | format | fate | what is said |", "|---|---|---|---|"]
        parts += [render_row(row) for row in rows]
    return "\n".join(parts) + "\n"


def render_row(row: Row) -> str:
    """One line of a table."""
    stage = f" (`{row.ends}`)" if row.fate == "critical" else ""
    said = [f"`{place}`" for place in list_places(row)] + ([f"`{row.said}`"] if row.said else [])
    if row.findings:
        said.append("checks " + ", ".join(f"`{check}`" for check in row.findings))
    text = ": ".join(said[:2]) + "".join(f"; {more}" for more in said[2:])
    return f"| {row.name} | {row.format} | {row.fate}{stage} | {text.replace('|', '&#124;')} |"


def list_places(row: Row) -> list[str]:
    """The first place that the tables of faults or quarantine give."""
    faults = [", ".join(filter(None, (file_name, place))) for file_name, place, _, _ in row.faults]
    return [*faults, *row.quarantined][:1]


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8", newline="\n")
