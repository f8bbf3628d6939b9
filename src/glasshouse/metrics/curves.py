"""Other readings of ranked answers: Pascal's APs, precision and recall, and F1 over the score threshold.

A detector's look at IoU 0.5 and at the matches of COCO's rule: crowds (Pascal's "difficult") do not count
either way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glasshouse.metrics.detection import AT_50, RECALL_THRESHOLDS
from glasshouse.metrics.matching import Matches
from glasshouse.metrics.overlap import Bools, Floats, Ints

ELEVEN_POINTS: Floats = np.linspace(0.0, 1.0, 11)


@dataclass(frozen=True, slots=True)
class ThresholdCurve:
    """What a user sees at every score threshold, all classes together.

    Args:
        thresholds: (D,) falling, the scores that occur; what has at least this score is shown.
        precision, recall, f1: (D,) at each of them.
    """

    thresholds: Floats
    precision: Floats
    recall: Floats
    f1: Floats

    @property
    def best(self) -> tuple[float, float]:
        """(threshold, F1) where F1 is highest, the highest such threshold; NaN where nothing was detected."""
        if not len(self.f1):
            return float("nan"), float("nan")
        place = int(self.f1.argmax())
        return float(self.thresholds[place]), float(self.f1[place])


def ranked_hits(matches: Matches, category: int) -> tuple[Floats, Bools]:
    """Scores, falling, of a class's detections that count at IoU 0.5, and whether each found an object."""
    place = matches.areas.index("all")
    counted = (matches.category == category) & ~matches.ignored[place, AT_50]
    return matches.scores[counted], matches.hit[place, AT_50, counted]


def eleven_point_precision(matches: Matches) -> Floats:
    """AP by Pascal VOC 2007, (K,), NaN for a class without objects.

    The mean over recall 0, 0.1 .. 1 of the best precision at that recall or beyond (Everingham et al., The
    Pascal Visual Object Classes Challenge, IJCV 2010, equation 1); the definition that the text gives too.
    """
    return _of_classes(matches, _eleven_points)


def all_point_precision(matches: Matches) -> Floats:
    """AP by Pascal VOC 2010 and later, (K,), NaN for a class without objects.

    The area under the precision that never rises with recall (Everingham et al., The Pascal Visual Object
    Classes Challenge: A Retrospective, IJCV 2015, section 2.2).
    """
    return _of_classes(matches, _all_points)


def threshold_curve(matches: Matches) -> ThresholdCurve:
    """Precision, recall and F1 over the score threshold, all classes together (micro average).

    Equal scores are shown together, so the curve has one point a distinct score.
    """
    place = matches.areas.index("all")
    counted = ~matches.ignored[place, AT_50]
    truth = int(matches.truth_counts[place].sum())
    return _over_thresholds(matches.scores[counted], matches.hit[place, AT_50, counted], truth)


def answer_curve(confidence: Floats, correct: Bools) -> ThresholdCurve:
    """The same for a classifier that keeps silent below a confidence: precision is the share of its answers
    that is right, recall the share of the pictures that are answered rightly.

    Args:
        confidence: (N,) of the surest class.
        correct: (N,) whether it is the true one.
    """
    return _over_thresholds(confidence, correct, len(correct))


def class_precision(labels: Ints, probabilities: Floats) -> Floats:
    """Best precision at recall 0.00, 0.01 .. 1.00 or beyond of finding the pictures of each class, (C, 101).

    Pictures are ranked by the probability of the class, equal ones together; NaN for one without pictures.

    Args:
        labels: (N,) true class, 0..C-1.
        probabilities: (N, C).
    """
    curves = np.full((probabilities.shape[1], len(RECALL_THRESHOLDS)), np.nan)
    for category in np.unique(labels).tolist():
        is_theirs = labels == category
        curve = _over_thresholds(probabilities[:, category], is_theirs, int(is_theirs.sum()))
        best_beyond = np.maximum.accumulate(curve.precision[::-1])[::-1]
        curves[category] = best_beyond[np.searchsorted(curve.recall, RECALL_THRESHOLDS - 1e-12)]
    return curves


def _over_thresholds(scores: Floats, hits: Bools, truth: int) -> ThresholdCurve:
    """The curve of scored things (N,), of which some are hits, among `truth` that there are to be found."""
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], hits[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    found, shown = np.cumsum(hits)[last], last + 1
    return ThresholdCurve(
        thresholds=scores[last],
        precision=found / shown,
        recall=found / max(truth, 1),
        f1=2 * found / (shown + truth),
    )


def _of_classes(matches: Matches, precision_of: Callable[[Floats, Floats, bool], float]) -> Floats:
    truth = matches.truth_counts[matches.areas.index("all")].sum(axis=1)
    values = np.full(len(matches.category_ids), np.nan)
    for category in np.flatnonzero(truth).tolist():
        _, hits = ranked_hits(matches, category)
        found = np.cumsum(hits)
        values[category] = precision_of(
            found / truth[category], found / np.arange(1, len(hits) + 1), bool(len(hits))
        )
    return values


def _eleven_points(recall: Floats, precision: Floats, any_detection: bool) -> float:
    if not any_detection:
        return 0.0
    best_beyond = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    # Recall is a ratio of whole numbers: 3 / 10 must reach the point 0.3, which binary fractions miss.
    return float(best_beyond[np.searchsorted(recall, ELEVEN_POINTS - 1e-12)].mean())


def _all_points(recall: Floats, precision: Floats, any_detection: bool) -> float:
    if not any_detection:
        return 0.0
    best_beyond = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * best_beyond).sum())
