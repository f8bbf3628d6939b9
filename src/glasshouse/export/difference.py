"""How far two runtimes of one network are apart on the same pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasshouse.export.signature import Predictions
from glasshouse.geometry.boxes import compute_iou_matrix

PAIR_IOU = 0.9  # two detections of one class are the same one above it; suppression leaves no other as close
_PAD_PX = 0.5  # boxes are widened by it for pairing only, so that those without area pair too


@dataclass(frozen=True)
class Difference:
    """Largest differences over all pictures.

    Attributes:
        scores: of paired detections' scores, or of class probabilities; 0..1.
        boxes: of paired detections' coordinates as a share of the picture's side; 0 for a classifier.
        unpaired: share of all score that belongs to detections which the other side does not have; 0 for a
            classifier.
        compared: how many detections, or pictures of a classifier, were compared.
    """

    scores: float
    boxes: float
    unpaired: float
    compared: int

    @property
    def largest(self) -> float:
        """The worst of the three; NaN where one of them is."""
        return float(np.max([self.scores, self.boxes, self.unpaired]))


def compare(reference: Predictions, other: Predictions, size_px: tuple[int, int]) -> Difference:
    """Compares two predictions for the same pictures; `size_px` is the input's (height, width).

    Detections are paired by class and place, never by rank: scores that agree to 1e-6 may stand in another
    order. Suppression turns rounding into a yes or no, so once in many pictures one side keeps a box that the
    other drops. Such a one has no partner, and counts by its score in `unpaired` instead of spoiling the
    differences of the others.

    Raises:
        ValueError: the two do not have the same outputs and shapes.
    """
    shapes = [{name: value.shape for name, value in sorted(side.items())} for side in (reference, other)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"The exported network's outputs {shapes[1]} are not those of Keras, {shapes[0]}.")
    if "probabilities" in reference:
        apart = np.abs(reference["probabilities"].astype(np.float64) - other["probabilities"])
        return Difference(float(apart.max(initial=0.0)), 0.0, 0.0, len(apart))
    return _compare_detections(reference, other, size_px)


def _compare_detections(reference: Predictions, other: Predictions, size_px: tuple[int, int]) -> Difference:
    side_px = np.array([size_px[1], size_px[0]] * 2, np.float64)
    scores, boxes, paired, total, compared = 0.0, 0.0, 0.0, 0.0, 0
    for mine, its in zip(_pictures(reference), _pictures(other), strict=True):
        left, right = pair_detections(mine, its)
        apart = np.abs(mine["scores"][left] - its["scores"][right])
        moved = np.abs(mine["boxes"][left] - its["boxes"][right]) / side_px
        # np.maximum keeps a NaN, the built-in max may lose it.
        scores = float(np.maximum(scores, apart.max(initial=0.0)))
        boxes = float(np.maximum(boxes, moved.max(initial=0.0)))
        paired += float(mine["scores"][left].sum() + its["scores"][right].sum())
        total += float(mine["scores"].sum() + its["scores"].sum())
        compared += len(left)
    return Difference(scores, boxes, 1.0 - paired / total if total else 0.0, compared)


def _pictures(predictions: Predictions) -> Iterator[Predictions]:
    for row, valid in enumerate(predictions["valid"]):
        yield {
            "boxes": predictions["boxes"][row, :valid].astype(np.float64),
            "scores": predictions["scores"][row, :valid].astype(np.float64),
            "labels": predictions["labels"][row, :valid],
        }


def pair_detections(mine: Predictions, its: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the same detections in two lists of one picture: each row at most once, the closest pairs
    first."""
    pad = np.array([-_PAD_PX, -_PAD_PX, _PAD_PX, _PAD_PX])
    ious = compute_iou_matrix(mine["boxes"] + pad, its["boxes"] + pad)
    near = (ious >= PAIR_IOU) & (mine["labels"][:, None] == its["labels"][None, :])
    left, right = np.nonzero(near)
    apart = np.abs(mine["scores"][left] - its["scores"][right])
    rows: dict[int, int] = {}
    taken: set[int] = set()
    for pair in np.lexsort((apart, -ious[left, right])):
        i, j = int(left[pair]), int(right[pair])
        if i not in rows and j not in taken:
            rows[i] = j
            taken.add(j)
    return np.array(list(rows), np.int64), np.array(list(rows.values()), np.int64)
