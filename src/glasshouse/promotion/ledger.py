"""reports/ledger.md: every decision with its numbers. Lines are only added, the same decision never twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from glasshouse.promotion.markdown import escape

LEDGER = Path("reports/ledger.md")
COLUMNS = (
    "when (UTC)",
    "model",
    "decision",
    "challenger",
    "champion before",
    "metric",
    "challenger's",
    "champion's",
    "difference",
    "interval",
    "P(better)",
    "pictures",
    "why",
    "id",
)
HEAD = "\n".join(
    (
        "# Ledger of promotions",
        "",
        "Written by `glasshouse promote` and `rollback` (docs/promotion.md): lines are only added.",
        "Scores are of the test pictures as they were then; the interval is of the difference, by a paired",
        "bootstrap over these pictures.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{' --- |' * len(COLUMNS)}",
        "",
    )
)


class LedgerFault(RuntimeError):
    """The ledger cannot be written; no champion was moved."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision. `cells` stand between when and id; two of the same `grounds` are the same decision."""

    when: str
    cells: tuple[str, ...]
    grounds: tuple[str, ...]

    @property
    def key(self) -> str:
        """The same for the same decision on the same grounds, whenever it is taken."""
        return hashlib.sha256("\n".join(self.grounds).encode()).hexdigest()[:12]

    @property
    def line(self) -> str:
        """Its row of the table, without an end of line."""
        cells = (self.when, *self.cells, self.key)
        return f"| {' | '.join(escape(cell) or '-' for cell in cells)} |"


def read_ledger(root: Path) -> str:
    """The whole text, with its head where there is no file yet."""
    path = root / LEDGER
    text = path.read_text(encoding="utf-8") if path.is_file() else HEAD
    return text if text.endswith("\n") else f"{text}\n"


def add_line(text: str, line: str) -> str:
    """The text with one more row; unchanged where the last row is the same decision, or the row is there."""
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    if line in rows or (rows and find_key(rows[-1]) == find_key(line)):
        return text
    return f"{text}{line}\n"


def find_key(line: str) -> str:
    """The last cell of a row."""
    return line.rstrip(" |").rpartition("| ")[2]


def find_row(text: str, key: str) -> str:
    """The last row of a decision, as it stands there: with the time at which it was taken first."""
    return next(row for row in reversed(text.splitlines()) if row.startswith("| ") and find_key(row) == key)


@contextmanager
def rewritten(root: Path, text: str) -> Iterator[None]:
    """Write the whole ledger beside itself, do what stands inside, then let it take its place.

    So a disk that is full or read-only is found before anything is changed, and a kill at any moment leaves
    the old ledger or the new one whole.

    Raises:
        LedgerFault: it cannot be written; what stands inside was not done.
    """
    path = root / LEDGER
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        yield
        return
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise LedgerFault(
            f"{LEDGER.as_posix()} cannot be written ({error.strerror or error}): the champion is as "
            "it was. Make it writable and run this again."
        ) from error
    try:
        yield
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    fresh.replace(path)
