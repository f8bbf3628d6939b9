"""Scores of a classifier and their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glasshouse.metrics.bootstrap import LEVEL, interval, mean_known, resample, scores_of_rounds
from glasshouse.metrics.calibration import CALIBRATION_BINS, reliability
from glasshouse.metrics.confusion import confusion_matrix
from glasshouse.metrics.overlap import Floats, Ints

Counts = Floats | Ints


def check_predictions(labels: Ints, probabilities: Floats) -> None:
    """Raise ValueError unless labels (N,) lie in 0..C-1, probabilities (N, C) are distributions, N > 0."""
    if probabilities.ndim != 2 or labels.shape != (len(probabilities),) or not probabilities.size:
        raise ValueError(
            "The labels and probabilities of a score must be (N,) and (N, C) with N > 0. "
            f"Got {labels.shape} and {probabilities.shape} instead."
        )
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(
            f"The labels of a score must lie within 0..{probabilities.shape[1] - 1}. "
            f"Got {labels.min()} to {labels.max()} instead."
        )
    total = probabilities.sum(axis=1)
    bad = ~(np.abs(total - 1) < 1e-3) | (probabilities < 0).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"The probabilities of a score must be >= 0 and sum to 1. Got row {row} with sum {total[row]}."
        )


def predicted_labels(probabilities: Floats) -> Ints:
    """The surest class of each row, (N,); of equal ones the first."""
    labels: Ints = probabilities.argmax(axis=1)
    return labels


def accuracy(labels: Ints, probabilities: Floats) -> float:
    """Share of the rows whose surest class is the true one."""
    return float((predicted_labels(probabilities) == labels).mean())


def top_k_accuracy(labels: Ints, probabilities: Floats, k: int) -> float:
    """Share of the rows where the true class is among the k surest; of equal ones the first goes first."""
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((ranked == labels[:, None]).any(axis=1).mean())


def log_loss(labels: Ints, probabilities: Floats) -> float:
    """Mean of -ln p(true class), p held to [eps, 1 - eps] of float64: one sure mistake stays finite."""
    tiny = float(np.finfo(np.float64).eps)
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(true, tiny, 1 - tiny)).mean())


def class_scores(hits: Counts, truth: Counts, predicted: Counts) -> dict[str, Floats]:
    """Precision, recall and F1 from the counts of each class, all of one shape (..., C).

    Precision is NaN for a class never predicted, recall for one without truth,
    F1 = 2 hits / (truth + predicted) for one with neither.
    """
    return {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, truth),
        "f1": _ratio(2 * hits, truth + predicted),
    }


def _ratio(part: Counts, whole: Counts) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def intervals(labels: Ints, probabilities: Floats, rounds: int, seed: int) -> dict[str, tuple[float, float]]:
    """95 % percentile-bootstrap intervals over pictures of accuracy and macro_f1; NaN with 0 rounds."""
    if rounds == 0:
        return {name: (float("nan"), float("nan")) for name in ("accuracy", "macro_f1")}
    classes = np.eye(probabilities.shape[1])
    truth, predicted = classes[labels], classes[predicted_labels(probabilities)]

    def score(weights: Floats) -> Floats:
        hits = weights @ (truth * predicted)
        f1 = class_scores(hits, weights @ truth, weights @ predicted)["f1"]
        return np.stack([hits.sum(axis=1) / len(labels), mean_known(f1, axis=1)], axis=1)

    scores = scores_of_rounds(score, resample(len(labels), rounds, seed))
    return {"accuracy": interval(scores[:, 0]), "macro_f1": interval(scores[:, 1])}


def classification_scores(
    labels: Ints, probabilities: Floats, names: Sequence[str], *, bootstrap_rounds: int, seed: int
) -> dict[str, Any]:
    """Every score of a classifier on one set of pictures, NaN where there is nothing to score.

    Args:
        labels: (N,) true class, 0..C-1.
        probabilities: (N, C), rows sum to 1.
        names: of the C classes.
        bootstrap_rounds: 0 gives NaN intervals.
        seed: of the resampling.

    Returns:
        accuracy, top_K_accuracy for K = 3 and 5 below the number of classes, macro_f1 (mean over the classes
        that occur in truth or predictions), log_loss, calibration_error, pictures, per_class, ci95, protocol.
    """
    check_predictions(labels, probabilities)
    surest = predicted_labels(probabilities)
    confusion = confusion_matrix(labels, surest, len(names))
    truth, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    of_class = class_scores(np.diagonal(confusion), truth, predicted)
    return {
        "accuracy": accuracy(labels, probabilities),
        **{f"top_{k}_accuracy": top_k_accuracy(labels, probabilities, k) for k in (3, 5) if k < len(names)},
        "macro_f1": mean_known(of_class["f1"]),
        "log_loss": log_loss(labels, probabilities),
        "calibration_error": reliability(np.minimum(probabilities.max(axis=1), 1.0), surest == labels).error,
        "pictures": len(labels),
        "per_class": {
            name: {
                **{score: values[row] for score, values in of_class.items()},
                "ground_truth": int(truth[row]),
                "predictions": int(predicted[row]),
            }
            for row, name in enumerate(names)
        },
        "ci95": intervals(labels, probabilities, bootstrap_rounds, seed),
        "protocol": {
            "tool": "glasshouse.metrics",
            "macro_f1": "mean over the classes that occur in truth or predictions",
            "calibration_error": f"{CALIBRATION_BINS} equal bins of confidence (Guo et al., 2017)",
            "log_loss": "natural logarithm",
            "ci95": {
                "method": "percentile bootstrap over pictures",
                "level": LEVEL,
                "rounds": bootstrap_rounds,
                "seed": seed,
            },
        },
    }
