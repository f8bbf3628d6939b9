"""Augmentation, the part that moves boxes by a plan and says what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.hulls import bound_inside
from glasshouse.inputs.augment import FloatArray, Plan

MIN_VISIBLE = 0.25  # share of an object that must be left to see, else its box is dropped


@dataclass(frozen=True)
class Seen:
    """The n objects that are seen in a batch, by rising tile: where each comes from (`tile` of the plan,
    `slot` among its picture's objects), which `picture` of the batch it is in, boxes_xyxy_px (n, 4), labels.
    """

    tile: NDArray[np.int64]
    slot: NDArray[np.int64]
    picture: NDArray[np.int64]
    boxes_xyxy_px: NDArray[np.float64]
    labels: NDArray[np.int32]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Seen:
        """Some of them, or in another order."""
        return Seen(*(values[rows] for values in vars(self).values()))

    def join(self, others: Seen) -> Seen:
        """These and others, by rising picture, these first."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        both = Seen(*(np.concatenate(pair) for pair in pairs))
        return both.take(np.argsort(both.picture, kind="stable"))


def move_boxes(
    plan: Plan,
    boxes_xyxy_px: FloatArray,
    hulls: FloatArray,
    labels: NDArray[np.int32],
    batch: int,
    slots: int,
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Take the boxes of every tile along (`find_seen`); a mixed picture has its partner's as well.

    Args:
        plan, boxes_xyxy_px, hulls, labels: as in `find_seen`.
        batch: B.
        slots: K, at least N; 4 N where a mosaic can be, twice that where a mixture can.

    Returns:
        boxes (B, K, 4) and labels (B, K); padding is 0 and -1.
    """
    return lay_out(plan, find_seen(plan, boxes_xyxy_px, hulls, labels), batch, slots)


def find_seen(plan: Plan, boxes_xyxy_px: FloatArray, hulls: FloatArray, labels: NDArray[np.int32]) -> Seen:
    """Move the boxes of every tile, cut them to what is seen, drop those of which less than MIN_VISIBLE is
    left.

    Args:
        plan: of the batch.
        boxes_xyxy_px: (P, N, 4) of all prepared pictures.
        hulls: (M, N, S, 2) outlines of the tiles' objects in units of their boxes (`geometry.hulls`).
        labels: (P, N), -1 = padding.
    """
    boxes, names = boxes_xyxy_px[plan.rows].astype(np.float64), labels[plan.rows]  # (M, N, 4), (M, N)
    points = boxes[..., None, :2] + hulls * (boxes[..., None, 2:] - boxes[..., None, :2])
    moved = np.einsum("mij,mnsj->mnsi", plan.matrix.astype(np.float64), points)
    moved += plan.shift_xy_px[:, None, None]
    seen = bound_inside(moved, plan.region_xyxy_px[:, None].astype(np.float64))
    sides = np.maximum(np.nan_to_num(seen[..., 2:] - seen[..., :2], neginf=0.0), 0.0)
    whole = np.maximum((moved.max(axis=2) - moved.min(axis=2)).prod(axis=-1), 1e-6)
    area = sides.prod(axis=-1)
    m, n = np.nonzero((names >= 0) & (area >= MIN_VISIBLE * whole) & (area > 1.0))
    return Seen(m, n, plan.picture[m], seen[m, n], names[m, n])


def lay_out(plan: Plan, seen: Seen, batch: int, slots: int) -> tuple[FloatArray, NDArray[np.int32]]:
    """Objects, by rising picture, in rows of `slots`: boxes (B, K, 4) and labels (B, K), padding 0 and -1."""
    target, found, kinds = seen.picture, seen.boxes_xyxy_px, seen.labels
    if (plan.share < 1).any():
        target, found, kinds = add_partners(plan, target, found, kinds)
    out_boxes, out_labels = np.zeros((batch, slots, 4), np.float32), np.full((batch, slots), -1, np.int32)
    place = np.arange(len(target)) - np.searchsorted(target, target)  # rank among those of the same picture
    out_boxes[target, place], out_labels[target, place] = found, kinds
    return out_boxes, out_labels


def add_partners(
    plan: Plan, target: NDArray[np.int64], boxes: NDArray[np.float64], labels: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int32]]:
    """The objects of the batch by picture, each mixed picture's own first, then its partner's."""
    lent = [np.flatnonzero(target == plan.partner[picture]) for picture in np.flatnonzero(plan.share < 1)]
    owner = np.repeat(np.flatnonzero(plan.share < 1), [len(rows) for rows in lent])
    rows = np.concatenate([np.arange(len(target)), *lent])
    both = np.concatenate([target, owner])
    order = np.argsort(both, kind="stable")
    return both[order], boxes[rows[order]], labels[rows[order]]
