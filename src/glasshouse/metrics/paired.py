"""How far apart two models are on the same pictures, and how sure that is: the paired bootstrap.

Much of a score's uncertainty is which pictures were drawn. Both models are scored on each resampling of the
pictures, so that this part is common to both and leaves the difference (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 8; Koehn, Statistical Significance Tests for Machine Translation
Evaluation, 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glasshouse.metrics.bootstrap import mean_known, resample, scores_of_rounds
from glasshouse.metrics.detection import AT_50, average_precision
from glasshouse.metrics.matching import Matches
from glasshouse.metrics.overlap import Bools, Floats

# (R, P) weights, how often each picture counts in each of R rounds -> (R,) scores, NaN where undefined
Score = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Gain:
    """Second minus first on the same pictures; NaN where a score is not defined.

    Args:
        first, second: the scores on all pictures.
        low, high: ends of the percentile interval of second - first.
        better: share of the resamplings where second is ahead (those where one has no score left out).
        pictures: how many.
    """

    first: float
    second: float
    low: float
    high: float
    better: float
    pictures: int

    @property
    def difference(self) -> float:
        """Second minus first, on all pictures."""
        return self.second - self.first


def compare_paired(
    first: Score, second: Score, pictures: int, *, rounds: int, seed: int, confidence: float
) -> Gain:
    """Score both on every one of `rounds` resamplings of the pictures, the same for both.

    Args:
        first, second: see `Score`; column i of the weights is the same picture for both.
        pictures: how many there are, at least 1.
        rounds: resamplings, at least 1.
        seed: of the resampling.
        confidence: of the interval, in (0, 1).

    Raises:
        ValueError: a count or the confidence out of its range.
    """
    if rounds < 1 or not 0 < confidence < 1:
        raise ValueError(
            "The rounds and confidence of compare_paired must be at least 1 and in (0, 1). "
            f"Got {rounds} and {confidence} instead."
        )
    weights = resample(pictures, rounds, seed)
    gains = scores_of_rounds(second, weights) - scores_of_rounds(first, weights)
    known = gains[np.isfinite(gains)]
    once = np.ones((1, pictures))
    low, high, better = float("nan"), float("nan"), float("nan")
    if len(known):
        low, high = map(float, np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2]))
        better = float((known > 0).mean())
    return Gain(float(first(once)[0]), float(second(once)[0]), low, high, better, pictures)


def precision_score(matches: Matches, only_50: bool = False) -> Score:
    """MAP_50_95 (or mAP_50) by picture weights; the pictures stand by rising id, as in `matches`."""

    def score(weights: Floats) -> Floats:
        precision = average_precision(matches, picture_weights=weights)  # (R, K, T)
        chosen = precision[:, :, AT_50 : AT_50 + 1] if only_50 else precision
        means: Floats = mean_known(chosen, axis=(1, 2))
        return means

    return score


def mean_score(values: Floats | Bools, counted: Bools | None = None) -> Score:
    """The mean of one value a picture, (P,), over those that are `counted` (all where it is None)."""
    worth = np.asarray(values, dtype=np.float64)
    in_score = np.ones(len(worth)) if counted is None else counted.astype(np.float64)

    def score(weights: Floats) -> Floats:
        total = weights @ in_score
        means: Floats = np.where(total > 0, weights @ (worth * in_score) / np.maximum(total, 1), np.nan)
        return means

    return score
