"""Augmentation, the part that moves boxes by a plan and says what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.strips import bound_groups, move_strips
from glasshouse.inputs.augment import FloatArray, Plan
from glasshouse.inputs.shapes import Shapes

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
    shapes: Shapes,
    labels: NDArray[np.int32],
    batch: int,
    slots: int,
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Take the boxes of every tile along (`find_seen`); a mixed picture has its partner's as well.

    Args:
        plan, boxes_xyxy_px, shapes, labels: as in `find_seen`.
        batch: B.
        slots: K, at least N; 4 N where a mosaic can be, twice that where a mixture can.

    Returns:
        boxes (B, K, 4) and labels (B, K); padding is 0 and -1.
    """
    return lay_out(plan, find_seen(plan, boxes_xyxy_px, shapes, labels), batch, slots)


def find_seen(plan: Plan, boxes_xyxy_px: FloatArray, shapes: Shapes, labels: NDArray[np.int32]) -> Seen:
    """Move the boxes of every tile, cut them to what is seen, drop those of which less than MIN_VISIBLE is
    left.

    Args:
        plan: of the batch.
        boxes_xyxy_px: (P, N, 4) of all prepared pictures.
        shapes: of all prepared objects.
        labels: (P, N), -1 = padding.
    """
    names = labels[plan.rows]
    tile, slot = np.nonzero(names >= 0)
    strips, owner, starts = shapes.gather(plan.rows[tile], slot)
    of = tile[owner]
    own = boxes_xyxy_px[plan.rows[of], slot[owner]]
    moved = move_strips(strips, own, plan.matrix[of], plan.shift_xy_px[of])
    boxes, share = bound_groups(*moved, plan.region_xyxy_px.astype(np.float64)[of], starts)
    sides = np.maximum(np.nan_to_num(boxes[:, 2:] - boxes[:, :2], neginf=0.0), 0.0)
    kept = (share >= MIN_VISIBLE) & (sides.prod(axis=1) > 1.0)
    every = Seen(tile, slot, plan.picture[tile], boxes, names[tile, slot])
    return every.take(kept)


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
