"""Copy-paste: objects of one picture, cut out along their masks, on another.

After Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation",
arXiv:2012.07177, section 3: both pictures are moved on their own, some objects of the one are laid over the
other, and what they hide is taken out of the labels. Edges are not blurred: the paper finds no gain in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.boxes import compute_areas
from glasshouse.geometry.masks import Stamp, move_mask
from glasshouse.inputs.augment import Plan, draw_plan
from glasshouse.inputs.masks import Masks
from glasshouse.inputs.moving import MIN_VISIBLE, Seen
from glasshouse.inputs.shapes import Shapes
from glasshouse.params import Augment

CHOSEN = 0.5  # share of a picture's objects that are pasted, at least one


@dataclass(frozen=True)
class Pasting:
    """What is laid over a batch: K pictures, each moved on its own by `plan` (its pictures are 0 .. K - 1).

    onto (K,): which picture of the batch it goes to, rising.  chosen (K, N): which of its objects go.
    """

    plan: Plan
    onto: NDArray[np.int64]
    chosen: NDArray[np.bool_]


def draw_pasting(
    rng: np.random.Generator,
    batch: int,
    masks: Masks,
    weights: NDArray[np.float64] | None,
    size: tuple[int, int],
    augment: Augment,
    probability: float,
) -> Pasting:
    """Draw which pictures of a batch get objects, and from where.

    Args:
        rng: the batch's own generator.
        batch: B.
        masks: of all prepared pictures, one at least.
        weights: (P,) how often a picture is drawn beside the others; None for all alike.
        size: (height, width) px, of input and output.
        augment: ranges of the moves.
        probability: that a picture of the batch gets objects.
    """
    odds = None if weights is None else weights[masks.holders] / weights[masks.holders].sum()
    rows = rng.choice(masks.holders, batch, p=odds)
    plan = draw_plan(rng, rows, len(masks.known), size, augment, composed=False)
    known = masks.known[rows]
    wish = np.where(known, rng.random(known.shape), np.inf)
    chosen = known & ((wish < CHOSEN) | (wish == wish.min(axis=1, keepdims=True)))
    onto = np.flatnonzero(rng.random(batch) < probability)
    moves = {name: getattr(plan, name)[onto] for name in ("rows", "matrix", "shift_xy_px", "region_xyxy_px")}
    return Pasting(replace(plan, picture=np.arange(len(onto)), **moves), onto, chosen[onto])


def paste_objects(
    pasting: Pasting,
    theirs: Seen,
    masks: Masks,
    shapes: Shapes | None,
    shape: tuple[int, int, int],
) -> tuple[Seen, NDArray[np.bool_]]:
    """The objects that are pasted, and the pixels that they fill.

    Args:
        pasting: of the batch.
        theirs: all objects of its pictures.
        masks: of all prepared pictures.
        shapes: by which boxes were moved; an object without gets the box round its moved mask.
        shape: (B, height, width) of the output, px.

    Returns:
        The objects, now with the pictures of the batch, and cover (B, height, width).
    """
    cover, plan = np.zeros(shape, bool), pasting.plan
    boxes, kept = theirs.boxes_xyxy_px.copy(), pasting.chosen[theirs.tile, theirs.slot]
    picture = pasting.onto[theirs.tile]
    for row in np.flatnonzero(kept).tolist():
        tile, slot = int(theirs.tile[row]), int(theirs.slot[row])
        stamp = stamp_object(plan, masks, tile, slot)
        cover[picture[row]][stamp.place] |= stamp.inside
        kept[row] = stamp.inside.any()
        if kept[row] and (shapes is None or not shapes.counts[plan.rows[tile], slot]):
            boxes[row] = stamp.bound()
    return replace(theirs, boxes_xyxy_px=boxes, picture=picture).take(kept), cover


def hide_objects(
    plan: Plan, seen: Seen, masks: Masks, boxes_xyxy_px: NDArray[np.float32], cover: NDArray[np.bool_]
) -> Seen:
    """Objects with their boxes cut to what is not covered, without those of which less than MIN_VISIBLE is
    left, what lies outside of the picture being lost as well.

    An object without a mask is taken to fill its box.

    Args:
        plan, seen: of the batch.
        masks: of all prepared pictures.
        boxes_xyxy_px: (P, N, 4) of their objects.
        cover: (B, height, width) what is laid over each picture.
    """
    boxes, kept = seen.boxes_xyxy_px.copy(), np.ones(len(seen.tile), bool)
    zoom = np.abs(np.linalg.det(plan.matrix.astype(np.float64)))
    is_covered = np.asarray(cover.any(axis=(1, 2)))
    for row in np.flatnonzero(is_covered[seen.picture]).tolist():
        tile, slot, source = int(seen.tile[row]), int(seen.slot[row]), plan.rows[seen.tile[row]]
        if masks.known[source, slot]:
            stamp, pixels = stamp_object(plan, masks, tile, slot), float(masks.count(source, slot))
        else:
            stamp, pixels = fill_box(boxes[row]), float(compute_areas(boxes_xyxy_px[source, slot]))
        left = replace(stamp, inside=stamp.inside & ~cover[seen.picture[row]][stamp.place])
        if (left.inside == stamp.inside).all():
            continue
        kept[row] = left.inside.sum() >= max(MIN_VISIBLE * pixels * zoom[tile], 1.0)
        if kept[row]:
            boxes[row] = shrink_box(boxes[row], stamp.bound(), left.bound())
    sides = boxes[:, 2:] - boxes[:, :2]
    return replace(seen, boxes_xyxy_px=boxes).take(
        kept & (sides > 0).all(axis=1) & (sides.prod(axis=1) > 1.0)
    )


def stamp_object(plan: Plan, masks: Masks, tile: int, slot: int) -> Stamp:
    """Where the mask of a tile's object comes to lie."""
    mask, corner = masks.read(int(plan.rows[tile]), slot)
    return move_mask(mask, corner, plan.matrix[tile], plan.shift_xy_px[tile], plan.region_xyxy_px[tile])


def fill_box(box_xyxy_px: NDArray[np.float64]) -> Stamp:
    """All pixels of which the middle lies in a box."""
    left, top, right, bottom = np.ceil(box_xyxy_px - 0.5).astype(int).tolist()
    return Stamp(left, top, np.ones((bottom - top, right - left), bool))


def shrink_box(
    box_xyxy_px: NDArray[np.float64], before: NDArray[np.int64], after: NDArray[np.int64]
) -> NDArray[np.float64]:
    """A box with those sides moved inwards at which something was hidden: where the boxes round all pixels
    of the object, and round those left, differ."""
    cut = np.where(after != before, after, box_xyxy_px)
    return np.concatenate(
        [np.maximum(box_xyxy_px[:2], cut[:2]), np.minimum(box_xyxy_px[2:], cut[2:])], dtype=np.float64
    )
