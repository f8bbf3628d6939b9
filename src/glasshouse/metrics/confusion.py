"""What was taken for what: detections paired with objects whatever their class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glasshouse.metrics.overlap import Bools, Detections, Ints, Objects, near_pairs_by_picture

PAIR_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Pairs:
    """Who was paired with whom.

    Args:
        object_of: (D,) row of the object that a detection was paired with, -1 for none.
        detection_of: (G,) row of the detection that an object was paired with, -1 for none.
        on_crowd: (D,) not paired, but lying on a crowd region: neither right nor wrong.
    """

    object_of: Ints
    detection_of: Ints
    on_crowd: Bools


def pair_boxes(objects: Objects, detections: Detections) -> Pairs:
    """Pair every detection, from the surest down, with the free object of its picture that it overlaps most.

    Classes are not looked at, IoU must reach 0.5, crowds are paired with none. Give only the detections that
    a user would be shown (`detections.above(score)`), else the picture drowns in false positives.
    """
    detection, truth, iou = near_pairs_by_picture(objects, detections, least=PAIR_IOU)
    crowd = objects.is_crowd[truth]
    object_of = np.full(len(detections.scores), -1, dtype=np.int64)
    detection_of = np.full(len(objects.is_crowd), -1, dtype=np.int64)
    surest_first = np.lexsort((-iou, detection, -detections.scores[detection]))
    for row in surest_first[~crowd[surest_first]].tolist():
        if object_of[detection[row]] < 0 and detection_of[truth[row]] < 0:
            object_of[detection[row]], detection_of[truth[row]] = truth[row], detection[row]
    on_crowd = np.zeros(len(object_of), dtype=bool)
    on_crowd[detection[crowd]] = True
    return Pairs(object_of, detection_of, on_crowd & (object_of < 0))


def confusion_pairs(objects: Objects, detections: Detections, pairs: Pairs) -> tuple[Ints, Ints]:
    """(actual, predicted) category_id of each pair, missed object and false positive; 0 = background.

    Pairs and missed objects come first, in the order of the objects, then false positives in theirs.
    """
    counted = ~objects.is_crowd
    paired = pairs.detection_of[counted]
    predicted = np.append(detections.category_ids, 0)[paired]  # -1, not found, reads the 0 at the end
    false = (pairs.object_of < 0) & ~pairs.on_crowd
    invented = detections.category_ids[false]
    return (
        np.append(objects.category_ids[counted], np.zeros(len(invented), dtype=np.int64)),
        np.append(predicted, invented),
    )


def confusion_matrix(actual: Ints, predicted: Ints, classes: int) -> Ints:
    """(classes, classes) counts, row = actual, column = predicted.

    Raises:
        ValueError: when the two differ in length, or a class lies outside 0..classes-1.
    """
    both = np.append(actual, predicted)
    if len(actual) != len(predicted) or (len(both) and (both.min() < 0 or both.max() >= classes)):
        raise ValueError(
            f"The classes of confusion_matrix must come in pairs within 0..{classes - 1}. "
            f"Got {len(actual)} actual and {len(predicted)} predicted, from {both.min(initial=0)} to "
            f"{both.max(initial=0)} instead."
        )
    return np.bincount(actual * classes + predicted, minlength=classes**2).reshape(classes, classes)
