"""Training histories: one line of steps over all phases, and the curves of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from glasshouse.evaluation.figures import Chart, Line, line_chart

History = Sequence[Mapping[str, float | int | None]]
NO_SCORES = ("step", "phase", "epoch", "learning_rate", "seconds")


def learning_rows(histories: Mapping[str, History]) -> list[dict[str, Any]]:
    """One row an epoch: step (1, 2, ... through all phases), phase, and what the history says.

    Every row has every key, null where its phase does not know it, so that each can be plotted.
    """
    rows = [{"phase": phase, **row} for phase, history in histories.items() for row in history]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [{"step": step} | {key: row.get(key) for key in keys} for step, row in enumerate(rows, start=1)]


def score_rows(histories: Mapping[str, History]) -> list[dict[str, Any]]:
    """One row an epoch that was scored on the validation split: step, phase, metric (the one that counts,
    which the history names first) and score."""
    rows = []
    for row in learning_rows(histories):
        known = [key for key in row if key.startswith("valid_") and row[key] is not None]
        if known:
            metric = known[0].removeprefix("valid_")
            rows.append(
                {"step": row["step"], "phase": row["phase"], "metric": metric, "score": row[known[0]]}
            )
    return rows


def learning_charts(histories: Mapping[str, History]) -> list[Chart]:
    """Losses on one chart, scores (every other number within 0..1) on the next; empty charts left out."""
    rows = learning_rows(histories)
    known = {
        key: tuple((float(row["step"]), float(row[key])) for row in rows if row[key] is not None)
        for key in (rows[0] if rows else ())
        if key not in NO_SCORES
    }
    losses = [Line(key, points) for key, points in known.items() if points and "loss" in key]
    scores = [
        Line(key, points)
        for key, points in known.items()
        if points and "loss" not in key and all(0 <= value <= 1 for _, value in points)
    ]
    charts = (("Loss", "loss", losses), ("Scores while training", "score", scores))
    rulers = _phase_rulers(rows)
    return [
        line_chart(lines, title, "epoch", label, whole_x=True, rulers=rulers)
        for title, label, lines in charts
        if lines
    ]


def _phase_rulers(rows: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """Where each phase but the first begins."""
    return [
        (after["step"] - 0.5, str(after["phase"]))
        for before, after in pairwise(rows)
        if before["phase"] != after["phase"]
    ]
