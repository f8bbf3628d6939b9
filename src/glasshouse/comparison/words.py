"""What the figures say, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from glasshouse.comparison.leaderboard import Row, find_front
from glasshouse.comparison.statistics import Difference, Sample, compare_samples

COST = "cpu_ms_1"


def say_choice(rows: Sequence[Row], score: str) -> str:
    """Which one validation chooses, and what the test says of it; `rows` by falling validation score."""
    finished = [row for row in rows if row.sample is not None]
    if not finished:
        return "No backbone came to a score."
    best = finished[0]
    assert best.sample is not None
    sample = best.sample
    return (
        f"{best.label} has the highest validation {score} ({best.values['valid'] or 0:.3f}), so it is the "
        f"one to choose; on the test pictures it scores {sample.score:.3f} "
        f"(95 %: {sample.low:.3f} to {sample.high:.3f})."
    )


def say_differences(rows: Sequence[Row]) -> list[str]:
    """The chosen one against each other one on the test pictures, then how much of the rest is chance."""
    samples = _samples(rows)
    if len(samples) < 2:
        return []
    (first, chosen), *others = samples
    said = [say_difference(first, chosen, name, sample) for name, sample in others]
    rest = list(combinations(others, 2))
    if rest:
        alike = [(a, b) for (a, x), (b, y) in rest if not compare_samples(x, y).is_sure]
        names = "; ".join(f"{a} and {b}" for a, b in alike)
        tail = f": {names}" if alike else ""
        said.append(f"Of the {len(rest)} pairs among the others, {len(alike)} cannot be told apart{tail}.")
    return said


def say_difference(first: str, mine: Sample, second: str, theirs: Sample) -> str:
    """`a beats b by 0.031 (0.010 to 0.050)`, or that they cannot be told apart; whether their seeds agree."""
    difference = compare_samples(mine, theirs)
    if not difference.is_sure:
        interval = f"({difference.low:+.3f} to {difference.high:+.3f})"
        return f"{first} and {second} cannot be told apart: {difference.value:+.3f} {interval}."
    if difference.value < 0:
        first, second, mine, theirs = second, first, theirs, mine
        difference = Difference(-difference.value, -difference.high, -difference.low)
    interval = f"({difference.low:.3f} to {difference.high:.3f})"
    doubt = ""
    if len(mine.of_seeds) > 1 and min(mine.of_seeds) <= max(theirs.of_seeds):
        doubt = ", but not with every seed"
    return f"{first} beats {second} by {difference.value:.3f} {interval}{doubt}."


def say_front(rows: Sequence[Row]) -> str:
    """Which ones are on the Pareto front."""
    points = read_points(rows)
    if not points:
        return ""
    front = find_front(points)
    beaten = [name for name in points if name not in front]
    rest = f" Slower and no better than one of them: {', '.join(beaten)}." if beaten else ""
    return f"On the front of test score against latency, the fastest first: {', '.join(front)}.{rest}"


def read_points(rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """Label -> (milliseconds a picture on the CPU at batch 1, test score)."""
    return {
        row.label: (cost, row.sample.score)
        for row in rows
        if row.sample is not None and (cost := row.values.get(COST)) is not None
    }


def tell_limits(seeds: int, parallel: int, pictures: int, rounds: int) -> list[str]:
    """What the figures do not say, and how they were got."""
    several = (
        "Each row is the mean over its seeds; the intervals hold what the choice of test pictures brings, "
        "not what another seed would: that is the spread (standard deviation) beside the score."
        if seeds > 1
        else "One training each: another seed may change a score by as much as another backbone does "
        "(--seeds 3 shows by how much)."
    )
    shared = (
        f" {parallel} trainings ran side by side, which makes each of them longer." if parallel > 1 else ""
    )
    return [
        "Choose by the validation score. The highest of several test scores flatters the one that has it: "
        "the test split is read once for each finished model, to be reported and not to be chosen by.",
        several,
        f"Intervals: percentile bootstrap over {pictures} test pictures, {rounds} resamplings, the same for "
        "all rows; of many pairs about one in twenty will look different by chance.",
        "Training time and peak memory are of the run that trained the model; a dash where nobody measured "
        f"it (DVC's cache already had the model).{shared}",
    ]


def _samples(rows: Sequence[Row]) -> list[tuple[str, Sample]]:
    return [(row.label, row.sample) for row in rows if row.sample is not None]
