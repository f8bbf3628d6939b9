"""Whether a score means what it says: of things scored 0.8, are 80 % right?

For a classifier the things are pictures (confidence = the surest class's probability), for a detector its
detections (confidence = the score; right = found an object of its class at IoU 0.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glasshouse.metrics.overlap import Bools, Floats, Ints

CALIBRATION_BINS = 15
RANGE = (np.log(0.05), np.log(20.0))  # of log temperature; beyond it a network's scores mean nothing
TOLERANCE = 1e-6  # of log temperature
TINY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Reliability:
    """Equal bins (low, high] of confidence, B of them.

    Args:
        confidence: (B,) mean confidence in each bin, NaN in an empty one.
        accuracy: (B,) share that is right, NaN in an empty one.
        count: (B,) things in each.
    """

    confidence: Floats
    accuracy: Floats
    count: Ints

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap |accuracy - confidence|, bins weighted by their count.

        Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3; NaN without things.
        """
        total = int(self.count.sum())
        if not total:
            return float("nan")
        gaps = np.abs(np.nan_to_num(self.accuracy) - np.nan_to_num(self.confidence))
        return float((gaps * self.count).sum() / total)


def reliability(confidence: Floats, correct: Bools, bins: int = CALIBRATION_BINS) -> Reliability:
    """The reliability diagram of N things.

    Args:
        confidence: (N,) in 0..1.
        correct: (N,) whether each was right.
        bins: how many.

    Raises:
        ValueError: lengths differ, or a confidence lies outside 0..1.
    """
    if confidence.shape != correct.shape or confidence.ndim != 1:
        raise ValueError(
            "The confidence and correct parameters of reliability must be (N,) both. "
            f"Got {confidence.shape} and {correct.shape} instead."
        )
    if len(confidence) and not (confidence.min() >= 0 and confidence.max() <= 1):
        raise ValueError(
            "The confidence parameter of reliability must lie in 0..1. "
            f"Got {confidence.min()} to {confidence.max()} instead."
        )
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    known = np.where(count > 0, count, np.nan)
    return Reliability(
        confidence=np.bincount(place, weights=confidence, minlength=bins) / known,
        accuracy=np.bincount(place, weights=correct.astype(np.float64), minlength=bins) / known,
        count=count,
    )


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The temperature T > 0 by which logits are divided so that the log loss on these rows is least.

    One number, so that no ranking and no class changes: temperature scaling (Guo et al., 2017, section 4.2).
    The log loss is convex in 1 / T, hence has one minimum over log T, found by golden-section search. Where
    no other does better (scores that are all alike), 1.

    Args:
        logits: (N, C) of a softmax; log probabilities do as well, a constant a row does not matter.
        labels: (N,) true class, 0..C-1.

    Raises:
        ValueError: no rows.
    """
    if not len(labels):
        raise ValueError("The labels parameter of fit_temperature must have at least one row. Got none.")

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature))
        return float(-scaled[np.arange(len(labels)), labels].mean())

    found = search_minimum(loss, *RANGE)
    return float(np.exp(found)) if loss(found) < loss(0.0) else 1.0


def score_logits(scores: Floats) -> Floats:
    """ln(p / (1 - p)), p held to [eps, 1 - eps] so that a sure score stays finite."""
    held = np.clip(scores, TINY, 1 - TINY)
    result: Floats = np.log(held) - np.log1p(-held)
    return result


def log_softmax(logits: Floats) -> Floats:
    """Row by row, without overflow."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def search_minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one minimum in [low, high] is least, to TOLERANCE (golden-section search, Kiefer
    1953)."""
    share = (np.sqrt(5.0) - 1.0) / 2.0
    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > TOLERANCE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = function(right)
    return (low + high) / 2.0
