"""Boxes as the COCO rules see them, and the overlap of every pair that can match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PAIRS_AT_ONCE = 1 << 18  # about 40 MB of boxes: crowded pictures have a hundred times as many pairs


@dataclass(frozen=True, slots=True)
class Objects:
    """The truth, one row an object; rows in any order.

    Args:
        image_ids, category_ids: (G,) int64.
        boxes_xywh_px: (G, 4) left, top, width, height.
        is_crowd: (G,) a crowd region can be hit any number of times and is never missed.

    Raises:
        ValueError: on shapes that differ, boxes that are not finite, or negative sides.
    """

    image_ids: Ints
    category_ids: Ints
    boxes_xywh_px: Floats
    is_crowd: Bools

    def __post_init__(self) -> None:
        check_rows("objects", self.boxes_xywh_px, self.image_ids, self.category_ids, self.is_crowd)


@dataclass(frozen=True, slots=True)
class Detections:
    """What a model found, one row a box; rows in any order, equal scores rank in row order.

    Args:
        image_ids, category_ids: (D,) int64.
        scores: (D,) higher is surer.
        boxes_xywh_px: (D, 4) left, top, width, height.

    Raises:
        ValueError: on shapes that differ, values that are not finite, or negative sides.
    """

    image_ids: Ints
    category_ids: Ints
    scores: Floats
    boxes_xywh_px: Floats

    def __post_init__(self) -> None:
        check_rows("detections", self.boxes_xywh_px, self.image_ids, self.category_ids, self.scores)
        if not np.isfinite(self.scores).all():
            row = int(np.flatnonzero(~np.isfinite(self.scores))[0])
            raise ValueError(f"The scores of detections must be finite. Got {self.scores[row]} in row {row}.")

    def above(self, score: float) -> Detections:
        """The detections whose score is at least `score`."""
        kept = self.scores >= score
        return Detections(
            self.image_ids[kept], self.category_ids[kept], self.scores[kept], self.boxes_xywh_px[kept]
        )


def check_rows(name: str, boxes_xywh_px: Floats, *columns: NDArray[np.generic]) -> None:
    """Raise ValueError unless boxes are (N, 4), finite, with sides >= 0, and every column is (N,)."""
    rows = len(boxes_xywh_px)
    if boxes_xywh_px.shape != (rows, 4) or any(column.shape != (rows,) for column in columns):
        shapes = [boxes_xywh_px.shape, *(column.shape for column in columns)]
        raise ValueError(f"The arrays of {name} must be (N, 4) boxes and (N,) columns. Got {shapes} instead.")
    bad = ~np.isfinite(boxes_xywh_px).all(axis=1) | (boxes_xywh_px[:, 2:] < 0).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        box = boxes_xywh_px[row].tolist()
        raise ValueError(f"The boxes of {name} must be finite with sides >= 0. Got {box} in row {row}.")


def areas_px2(boxes_xywh_px: Floats) -> Floats:
    """Width times height, (N,)."""
    return boxes_xywh_px[:, 2] * boxes_xywh_px[:, 3]


def positions(ids: Ints, among: Ints, name: str) -> Ints:
    """Where each id stands in `among` (rising, unique). Raises ValueError naming an id that is not there."""
    where = np.searchsorted(among, ids)
    unknown = ~np.isin(ids, among)
    if unknown.any():
        raise ValueError(f"Every {name} must be among the {len(among)} given. Got {ids[unknown][0]} instead.")
    return where


def pairs_in_groups(left_groups: Ints, right_groups: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Every (left row, right row) of equal group; pairs rise by left row, then right row.

    They come in parts of about PAIRS_AT_ONCE, which end with a left row, so that memory stays bounded.

    Args:
        left_groups: (L,) in any order.
        right_groups: (R,) in any order.
    """
    order = np.argsort(right_groups, kind="stable")
    sorted_groups = right_groups[order]
    first = np.searchsorted(sorted_groups, left_groups, side="left")
    counts = np.searchsorted(sorted_groups, left_groups, side="right") - first
    parts = np.flatnonzero(np.diff(counts.cumsum() // PAIRS_AT_ONCE)) + 1
    for rows in np.split(np.arange(len(left_groups)), parts):
        own = counts[rows]
        step = np.arange(own.sum()) - np.repeat(own.cumsum() - own, own)
        yield np.repeat(rows, own), order[np.repeat(first[rows], own) + step]


def near_pairs_by_picture(
    objects: Objects, detections: Detections, least: float
) -> tuple[Ints, Ints, Floats]:
    """The pairs of one picture, whatever their class, that overlap by at least `least`; see `near_pairs`."""
    return near_pairs(
        detections.image_ids,
        objects.image_ids,
        detections.boxes_xywh_px,
        objects.boxes_xywh_px,
        objects.is_crowd,
        least,
    )


def near_pairs(
    detected_groups: Ints,
    true_groups: Ints,
    detected_xywh_px: Floats,
    true_xywh_px: Floats,
    is_crowd: Bools,
    least: float,
) -> tuple[Ints, Ints, Floats]:
    """The pairs of equal group that overlap, by at least `least`: detection, object, IoU; in the same order.

    Args:
        detected_groups, detected_xywh_px: (D,) in any order, and (D, 4).
        true_groups, true_xywh_px, is_crowd: (G,) in any order, (G, 4) and (G,).
        least: overlap as `pair_ious` has it, 0..1.
    """
    near = []
    for detection, truth in pairs_in_groups(detected_groups, true_groups):
        iou = pair_ious(detected_xywh_px[detection], true_xywh_px[truth], is_crowd[truth])
        kept = (iou >= least) & (iou > 0)
        near.append((detection[kept], truth[kept], iou[kept]))
    detections, objects, ious = (np.concatenate(column) for column in zip(*near, strict=True))
    return detections, objects, ious


def pair_ious(detected_xywh_px: Floats, true_xywh_px: Floats, is_crowd: Bools) -> Floats:
    """Overlap of row i with row i, (N,), in the arithmetic of pycocotools, so that ties fall alike.

    IoU = intersection / union; against a crowd intersection / area of the detection, as the detection
    need not cover the crowd (Lin et al., Microsoft COCO, 2014).
    """
    low = np.maximum(detected_xywh_px[:, :2], true_xywh_px[:, :2])
    high = np.minimum(
        detected_xywh_px[:, 2:] + detected_xywh_px[:, :2], true_xywh_px[:, 2:] + true_xywh_px[:, :2]
    )
    sides = np.maximum(high - low, 0.0)
    shared = sides[:, 0] * sides[:, 1]
    own = areas_px2(detected_xywh_px)
    whole = np.where(is_crowd, own, own + areas_px2(true_xywh_px) - shared)
    overlap: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)
    return overlap
