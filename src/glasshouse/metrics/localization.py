"""Scores of a localiser: each picture's surest box against its largest object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glasshouse.metrics.bootstrap import interval, resample, scores_of_rounds
from glasshouse.metrics.overlap import (
    Bools,
    Detections,
    Floats,
    Ints,
    Objects,
    areas_px2,
    pair_ious,
    positions,
)


@dataclass(frozen=True, slots=True)
class Surest:
    """What the surest box of each picture was worth, pictures by rising id.

    Args:
        has_object: (P,) whether there is an object that is no crowd; the others are in no score.
        right: (P,) the box has the class of the largest object; False without a box.
        iou: (P,) of the two, whatever the class; 0 without a box.
        objects: (P,) how many objects there are, crowds left out.
    """

    has_object: Bools
    right: Bools
    iou: Floats
    objects: Ints

    @property
    def accuracy(self) -> float:
        """Share of the pictures with an object where the class is right; NaN without such a picture."""
        return self._mean(self.right)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the pictures with an object; NaN without such a picture."""
        return self._mean(self.iou)

    def _mean(self, values: Floats | Bools) -> float:
        return float(values[self.has_object].mean()) if self.has_object.any() else float("nan")


def judge_surest(objects: Objects, detections: Detections, picture_ids: Ints) -> Surest:
    """Hold the detection with the highest score of each picture against the object with the largest area.

    Of equal ones the first row counts.

    Raises:
        ValueError: when a row names a picture that is not listed.
    """
    picture_ids = np.unique(picture_ids)
    pictures = len(picture_ids)
    of_object = positions(objects.image_ids, picture_ids, "image_id of objects")
    of_detection = positions(detections.image_ids, picture_ids, "image_id of detections")
    counted = np.flatnonzero(~objects.is_crowd)
    areas = areas_px2(objects.boxes_xywh_px[counted])
    largest = _best(of_object[counted], areas, pictures)
    surest = _best(of_detection, detections.scores, pictures)
    both = (largest >= 0) & (surest >= 0)
    truth, found = counted[largest[both]], surest[both]
    right, iou = np.zeros(pictures, dtype=bool), np.zeros(pictures)
    right[both] = objects.category_ids[truth] == detections.category_ids[found]
    iou[both] = pair_ious(
        detections.boxes_xywh_px[found], objects.boxes_xywh_px[truth], objects.is_crowd[truth]
    )
    return Surest(largest >= 0, right, iou, np.bincount(of_object[counted], minlength=pictures))


def _best(groups: Ints, values: Floats, count: int) -> Ints:
    """The row with the highest value of each group 0 .. count-1, of equals the first; -1 for none."""
    order = np.lexsort((-values, groups))  # stable: equal values keep their order
    best = np.full(count, -1, dtype=np.int64)
    best[groups[order][::-1]] = order[::-1]  # the last assignment to a group is its first row
    return best


def localization_scores(
    objects: Objects, detections: Detections, picture_ids: Ints, *, bootstrap_rounds: int, seed: int
) -> dict[str, Any]:
    """Every score of a localiser on one set of pictures, NaN where there is nothing to score.

    Args:
        objects, detections: rows in any order.
        picture_ids: every picture looked at.
        bootstrap_rounds: 0 gives NaN intervals.
        seed: of the resampling.

    Returns:
        accuracy, mean_iou, counts (pictures with several objects, and without any), ci95, protocol.
    """
    surest = judge_surest(objects, detections, picture_ids)
    return {
        "accuracy": surest.accuracy,
        "mean_iou": surest.mean_iou,
        "counts": {
            "pictures_with_several_objects": int((surest.objects > 1).sum()),
            "pictures_without_objects": int((surest.objects == 0).sum()),
        },
        "ci95": intervals(surest, bootstrap_rounds, seed),
        "protocol": {
            "accuracy": "class of the surest detection is that of the largest object; over pictures with one",
            "mean_iou": "IoU of the surest detection with the largest object, 0 without a detection; over "
            "pictures with an object",
        },
    }


def intervals(surest: Surest, rounds: int, seed: int) -> dict[str, tuple[float, float]]:
    """95 % percentile-bootstrap intervals over pictures of accuracy and mean_iou; NaN with 0 rounds."""
    if rounds == 0:
        return {name: (float("nan"), float("nan")) for name in ("accuracy", "mean_iou")}
    values = np.stack([surest.right, surest.iou], axis=1) * surest.has_object[:, None]

    def score(weights: Floats) -> Floats:
        counted = (weights @ surest.has_object)[:, None]
        ratio: Floats = np.where(counted > 0, weights @ values / np.maximum(counted, 1), np.nan)
        return ratio

    scores = scores_of_rounds(score, resample(len(surest.right), rounds, seed))
    return {"accuracy": interval(scores[:, 0]), "mean_iou": interval(scores[:, 1])}
