"""The leaderboard as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from glasshouse.comparison.leaderboard import UNKNOWN, Column, Row
from glasshouse.comparison.statistics import compare_samples
from glasshouse.comparison.words import read_points


def show_test(row: Row, column: Column) -> str:
    """`0.712 (0.690 to 0.734)`, with `± 0.010` between where there are several seeds."""
    if row.sample is None:
        return UNKNOWN
    spread = "" if row.spread is None else f" ± {row.spread:.3f}"
    return f"{column.show(row.sample.score)}{spread} ({row.sample.low:.3f} to {row.sample.high:.3f})"


def show_cell(row: Row, column: Column) -> str:
    """The text of one cell."""
    return show_test(row, column) if column.key == "test" else column.show(row.values.get(column.key))


def write_csv(rows: Sequence[Row], columns: Sequence[Column], best: Mapping[str, set[str]]) -> str:
    """Plain values, one row a backbone; `best_in` names the columns in which it is the best."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    ends = ["test_low", "test_high", "test_spread"]
    keys = [column.key for column in columns]
    writer.writerow(["backbone", "weights", "seeds", keys[0], *ends, *keys[1:], "best_in", "status"])
    for row in rows:
        sample = row.sample
        values = [sample.low, sample.high, row.spread] if sample else [None] * 3
        figures = [_plain(row.values.get(key)) for key in keys]
        mine = " ".join(key for key in keys if row.label in best.get(key, ()))
        seeds = " ".join(map(str, row.seeds))
        writer.writerow(
            [row.label, row.weights, seeds, figures[0], *map(_plain, values), *figures[1:], mine, row.status]
        )
    return stream.getvalue()


def write_markdown(
    title: str,
    rows: Sequence[Row],
    columns: Sequence[Column],
    best: Mapping[str, set[str]],
    sentences: Sequence[str],
    limits: Sequence[str],
) -> str:
    """The page as text: table, picture, sentences."""
    heads = [f"{column.title} [{column.unit}]" if column.unit else column.title for column in columns]
    lines = [f"# {title}", ""]
    lines += _table(
        ["backbone", "weights", *heads, "status"],
        [
            [row.label, row.weights, *(_marked(row, column, best) for column in columns), row.status]
            for row in rows
        ],
        numbers=range(2, 2 + len(columns)),
    )
    lines += ["", "Bold: the best of its column. By falling validation score.", ""]
    if read_points(rows):  # else there is no picture
        lines += ["![Score against latency](pareto.png)", ""]
    lines += ["## What it says", ""]
    lines += [f"- {sentence}" for sentence in sentences if sentence]
    if matrix := tabulate_differences(rows):
        names, cells = matrix
        lines += [
            "",
            "## Differences on the test pictures",
            "",
            "Row minus column, bold where it is no chance.",
            "",
        ]
        lines += _table(
            ["", *names], [[name, *line] for name, line in zip(names, cells, strict=True)], numbers=()
        )
    lines += ["", "## How to read it", "", *(f"- {text}" for text in limits), ""]
    lines += [f"- {column.title}: {column.words}." for column in columns if column.words]
    return "\n".join([*lines, ""])


def tabulate_differences(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]] | None:
    """Names, and `**+0.031** (+0.010 to +0.050)` of each pair; None with fewer than three rows to compare."""
    samples = [(row.label, row.sample) for row in rows if row.sample is not None]
    if len(samples) < 3:
        return None
    cells = []
    for first, mine in samples:
        line = []
        for second, theirs in samples:
            difference = compare_samples(mine, theirs)
            value = f"{difference.value:+.3f}"
            ends = f"({difference.low:+.3f} to {difference.high:+.3f})"
            line.append(
                "" if first == second else f"{f'**{value}**' if difference.is_sure else value} {ends}"
            )
        cells.append(line)
    return [name for name, _ in samples], cells


def _marked(row: Row, column: Column, best: Mapping[str, set[str]]) -> str:
    text = show_cell(row, column)
    return f"**{text}**" if row.label in best.get(column.key, ()) else text


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> list[str]:
    rule = ["---:" if place in numbers else "---" for place in range(len(heads))]
    lines = [heads, rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
