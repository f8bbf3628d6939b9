"""What a score leaves open: which mistakes cost it, where to cut, what confidences are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glasshouse.evaluation.coco_files import CocoArrays
from glasshouse.evaluation.figures import Chart, Line, line_chart
from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.calibration import (
    TINY,
    Reliability,
    fit_temperature,
    log_softmax,
    reliability,
    score_logits,
)
from glasshouse.metrics.curves import (
    ThresholdCurve,
    all_point_precision,
    eleven_point_precision,
    ranked_hits,
    threshold_curve,
)
from glasshouse.metrics.matching import Matches
from glasshouse.metrics.overlap import Bools, Floats, Ints
from glasshouse.metrics.tide import find_errors, gains

MOST_POINTS = 200  # of a curve on the page


@dataclass(frozen=True, slots=True)
class Certainty:
    """N answers as a softmax over C, and which was true; for a detection C = 2, it found an object or not.

    Args:
        logits: (N, C).
        labels: (N,) 0..C-1.
        is_binary: the confidence is that of answer 1, not of the surest one.
    """

    logits: Floats
    labels: Ints
    is_binary: bool

    def read(self, temperature: float = 1.0) -> tuple[Floats, Bools]:
        """Confidence (N,) with logits divided by `temperature`, and whether each answer was right."""
        probabilities = np.exp(log_softmax(self.logits / temperature))
        if self.is_binary:
            return probabilities[:, 1], self.labels == 1
        return probabilities.max(axis=1), probabilities.argmax(axis=1) == self.labels


def detection_certainty(matches: Matches) -> Certainty:
    """Of every detection that counts, whether it found an object of its class at IoU 0.5."""
    parts = [ranked_hits(matches, category) for category in range(len(matches.category_ids))]
    scores = np.concatenate([scores for scores, _ in parts])
    logits = score_logits(scores)
    hits = np.concatenate([hits for _, hits in parts])
    return Certainty(np.stack([np.zeros_like(logits), logits], axis=1), hits.astype(np.int64), True)


def class_certainty(labels: Ints, probabilities: Floats) -> Certainty:
    """Of every picture, which class it was given with what probability."""
    return Certainty(np.log(np.maximum(probabilities, TINY)), labels, False)


def diagnose_detections(arrays: CocoArrays, matches: Matches) -> dict[str, Any]:
    """Blocks of `metrics.json` beside COCO's scores.

    Returns:
        pascal: mAP of VOC's two readings at IoU 0.5 (the 11-point one is the text's own definition).
        best_f1: the score threshold at which F1 over all classes is highest, and that F1.
        errors: TIDE's kinds, each with its count and what mending it would add to mAP_50.
    """
    threshold, f1 = threshold_curve(matches).best
    errors = find_errors(arrays.objects, arrays.detections)
    gained = gains(arrays.objects, arrays.detections, errors)
    return {
        "pascal": {
            "mAP_11_point": mean_known(eleven_point_precision(matches)),
            "mAP_all_point": mean_known(all_point_precision(matches)),
        },
        "best_f1": {"threshold": threshold, "f1": f1},
        "errors": {
            kind: {"count": count, "gain_mAP_50": gained[kind]} for kind, count in errors.counts().items()
        },
    }


@dataclass(frozen=True, slots=True)
class Calibration:
    """The reliability of one split's confidences, as they are and divided by a temperature.

    Args:
        temperature: fitted on the split `fitted_on`.
        plain, scaled: diagrams without and with it.
    """

    temperature: float
    fitted_on: str
    plain: Reliability
    scaled: Reliability

    def scores(self) -> dict[str, Any]:
        """The block `calibration` of metrics.json: the expected calibration error and what scales it down."""
        return {  # DVC takes a metric named "error" for a file that it could not read
            "ece": self.plain.error,
            "ece_scaled": self.scaled.error,
            "temperature": self.temperature,
            "fitted_on": self.fitted_on,
        }

    def rows(self, scaled: bool) -> list[dict[str, Any]]:
        """One row a bin with something in it: confidence (as it is, or scaled), accuracy, count."""
        diagram = self.scaled if scaled else self.plain
        return [
            {"confidence": confidence, "accuracy": accuracy, "count": count}
            for confidence, accuracy, count in zip(
                diagram.confidence.tolist(), diagram.accuracy.tolist(), diagram.count.tolist(), strict=True
            )
            if count
        ]


def calibrate(certainties: Mapping[str, Certainty]) -> dict[str, Calibration]:
    """The calibration of every split, with a temperature from the first: never from the one that counts.

    Empty where the first split has nothing to fit on, as a detector that found nothing.
    """
    first = next(iter(certainties))
    if not len(certainties[first].labels):
        return {}
    temperature = fit_temperature(certainties[first].logits, certainties[first].labels)
    return {
        name: Calibration(
            temperature, first, reliability(*certainty.read()), reliability(*certainty.read(temperature))
        )
        for name, certainty in certainties.items()
    }


def pick_points(curve: ThresholdCurve) -> Ints:
    """Places of MOST_POINTS points of a curve, evenly spread over them all, and of the best one."""
    if not len(curve.thresholds):
        return np.zeros(0, np.int64)
    even = np.linspace(0, len(curve.thresholds) - 1, MOST_POINTS).round().astype(np.int64)
    places: Ints = np.unique(np.append(even, curve.f1.argmax()))
    return places


def threshold_chart(curve: ThresholdCurve, title: str) -> Chart | None:
    """F1, precision and recall over the score threshold, with the best one marked."""
    if not len(curve.thresholds):
        return None
    chosen = pick_points(curve)
    lines = [
        Line(name, tuple(zip(curve.thresholds[chosen].tolist(), values[chosen].tolist(), strict=True)))
        for name, values in (("F1", curve.f1), ("precision", curve.precision), ("recall", curve.recall))
    ]
    best, f1 = curve.best
    rulers = [(best, f"F1 {f1:.3f} at {best:.2f}")]
    note = "The best threshold is chosen on these very pictures: expect a little less on others."
    y_label = "F1, precision, recall"
    return line_chart(lines, title, "score threshold", y_label, unit_square=True, rulers=rulers, note=note)


def reliability_chart(calibration: Calibration) -> Chart | None:
    """Accuracy over confidence: on the diagonal a score means what it says; None where nothing was found."""
    if not calibration.plain.count.any():
        return None
    lines = [Line("as it should be", ((0.0, 0.0), (1.0, 1.0)))]
    warmth = f"at temperature {calibration.temperature:.2f}"
    for name, scaled in (("as they are", False), (warmth, True)):
        points = [(row["confidence"], row["accuracy"]) for row in calibration.rows(scaled)]
        lines.append(Line(name, tuple(points)))
    title = f"Reliability: error {calibration.plain.error:.3f}, {calibration.scaled.error:.3f} {warmth}"
    note = f"The temperature divides the scores' logits; it was fitted on the split {calibration.fitted_on}."
    return line_chart(lines, title, "confidence", "share that is right", unit_square=True, note=note)
