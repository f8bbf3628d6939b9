"""Intervals by resampling pictures: the percentile bootstrap (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glasshouse.metrics.overlap import Floats

LEVEL = 0.95
CHUNK = 64  # resamplings scored at once: keeps the arrays in the processor's cache


def resample(pictures: int, rounds: int, seed: int) -> Floats:
    """How often each picture is drawn in each round: (rounds, pictures), every row sums to `pictures`.

    float64, as counts serve as weights in products and cumulative sums, which stay exact.
    """
    if pictures < 1:
        raise ValueError(f"The pictures parameter of resample must be at least 1. Got {pictures} instead.")
    generator = np.random.default_rng(seed)
    return generator.multinomial(pictures, np.full(pictures, 1 / pictures), size=rounds).astype(np.float64)


def scores_of_rounds(score: Callable[[Floats], Floats], weights: Floats) -> Floats:
    """`score` maps (rounds, P) weights to (rounds, ...) scores; applied a chunk of rounds at a time."""
    return np.concatenate([score(weights[start : start + CHUNK]) for start in range(0, len(weights), CHUNK)])


def interval(rounds: Floats) -> tuple[float, float]:
    """The middle 95 % of (rounds,) scores, those without a score (NaN) left out; NaN where none has one."""
    known = rounds[np.isfinite(rounds)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_known(values: Floats, axis: int | tuple[int, ...] | None = None) -> Any:
    """Mean of what is known; NaN, without a warning, where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=axis) / np.maximum(count, 1), np.nan)[()]
