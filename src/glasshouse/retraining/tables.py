"""Tables of Markdown, and figures in their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glasshouse.promotion.markdown import escape
from glasshouse.quality.page.histograms import say_number

UNKNOWN = "-"


def write_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; cells cannot break it."""
    lines = [_write_row(heads), f"|{' --- |' * len(heads)}"]
    return [*lines, *(_write_row(row) for row in rows)]


def say_figure(value: Any) -> str:
    """A number by `say_number`, other values as they are, a dash for none."""
    if value is None:
        return UNKNOWN
    return say_number(value) if isinstance(value, float) else str(value)


def say_interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.7412 (0.7101 to 0.7730)`."""
    if value is None:
        return UNKNOWN
    ends = f" ({low:.4f} to {high:.4f})" if low is not None and high is not None else ""
    return f"{value:.4f}{ends}"


def _write_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escape(cell) or ' ' for cell in cells)} |"
