"""The leaderboard: one row a backbone, the best value of every column, the Pareto front of two of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from glasshouse.comparison.statistics import Sample

UNKNOWN = "-"

Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of a row.

    Args:
        key: name in the CSV file and in MLflow.
        title: over the column.
        unit: of what the tables show; the CSV file and MLflow hold the plain value.
        better: whether more or less of it is.
        divisor: plain value / divisor is what the tables show.
        digits: behind the point.
        words: what it is, for those who ask.
    """

    key: str
    title: str
    unit: str
    better: Better
    divisor: float
    digits: int
    words: str

    def show(self, value: float | None) -> str:
        """The value as the tables show it; a dash where it is not known."""
        return UNKNOWN if value is None else f"{value / self.divisor:,.{self.digits}f}"


def list_columns(score: str, with_gpu: bool) -> list[Column]:
    """All columns; `score`: the main score's name."""
    latencies = [("cpu", "CPU")] + ([("gpu", "GPU")] if with_gpu else [])
    return [
        Column("test", f"test {score}", "", "more", 1, 3, "mean over its seeds; with a 95 % interval"),
        Column("valid", f"validation {score}", "", "more", 1, 3, "by which to choose"),
        Column("parameters", "parameters", "M", "less", 1e6, 2, "of backbone, neck and head"),
        Column("file_bytes", "file", "MB", "less", 1e6, 1, "exports/saved_model, float32"),
        Column(
            "multiply_adds",
            "multiply-adds",
            "G",
            "less",
            1e9,
            3,
            "of the network on one picture, by its graph",
        ),
        *(
            Column(
                f"{device}_ms_{batch}",
                f"{name}, batch {batch}",
                "ms",
                "less",
                1,
                2,
                f"a picture, pixels to predictions, SavedModel on the {name}; all models in turns, median",
            )
            for device, name in latencies
            for batch in (1, 32)
        ),
        Column("training_seconds", "training", "s", "less", 1, 0, "wall time of both trainings"),
        Column("peak_bytes", "peak memory", "MB", "less", 1e6, 0, "of the largest process of its pipeline"),
    ]


@dataclass(frozen=True)
class Row:
    """One backbone.

    Args:
        label: its name with its options.
        weights: what it starts from.
        values: column's key -> value, None or missing where it is not known.
        sample: its test score, None where no seed came to one.
        seeds: those that came to a test score.
        reasons: what went wrong, a sentence each, by seed.
    """

    label: str
    weights: str
    values: Mapping[str, float | None] = field(default_factory=dict)
    sample: Sample | None = None
    seeds: tuple[int, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """`ok`, or the reasons, each once."""
        if not self.reasons:
            return "ok"
        if len(self.reasons) == 1 and not self.seeds:
            return f"failed: {next(iter(self.reasons.values()))}"
        told = dict.fromkeys(self.reasons.values())
        seeds = {text: [str(seed) for seed, said in self.reasons.items() if said == text] for text in told}
        return "; ".join(f"seed {', '.join(which)} failed: {text}" for text, which in seeds.items())

    @property
    def spread(self) -> float | None:
        """Standard deviation (n - 1) of the test score over its seeds; None with one seed."""
        if self.sample is None or len(self.sample.of_seeds) < 2:
            return None
        scores = self.sample.of_seeds
        mean = sum(scores) / len(scores)
        return math.sqrt(sum((score - mean) ** 2 for score in scores) / (len(scores) - 1))


def order_rows(rows: Iterable[Row]) -> list[Row]:
    """By falling validation score; those without one last, by name."""

    def place(row: Row) -> tuple[bool, float, str]:
        score = row.values.get("valid")
        return score is None, -(score or 0.0), row.label

    return sorted(rows, key=place)


def find_best(rows: Sequence[Row], columns: Sequence[Column]) -> dict[str, set[str]]:
    """Column's key -> labels of the rows that show its best value; of equal shown values all."""
    best: dict[str, set[str]] = {}
    for column in columns:
        known = {row.label: value for row in rows if (value := row.values.get(column.key)) is not None}
        if known:
            choose = max if column.better == "more" else min
            shown = column.show(choose(known.values()))
            best[column.key] = {label for label, value in known.items() if column.show(value) == shown}
    return best


def find_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of the (cost, score) points that no other one beats: no other costs at most as much and scores at
    least as high, one of the two truly. By rising cost; of equal points all.
    """
    return sorted(
        (
            name
            for name, point in points.items()
            if not any(_beats(other, point) for other in points.values())
        ),
        key=lambda name: (points[name], name),
    )


def _beats(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return first[0] <= second[0] and first[1] >= second[1] and first != second
