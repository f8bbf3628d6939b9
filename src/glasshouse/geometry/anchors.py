"""Anchors: box shapes fitted to a data set by k-means, and default boxes laid over feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glasshouse.geometry.grids import grid_points

Floats = NDArray[np.float64]

RESTARTS = 10  # k-means ends where its start leads it
ROUNDS = 100  # far more than any start here has needed
SAMPLE = 400  # boxes that a picture of the fit shows


@dataclass(frozen=True, slots=True)
class AnchorFit:
    """K anchors fitted to N boxes, and how well each box is met: all that a picture of the fit needs.

    anchors_wh (K, 2): width and height, by rising area.  nearest (N,): the anchor of each box.  best_iou
        (N,): IoU of each box with its anchor, both laid on one corner.  weights (N,): how much each counts.
    """

    anchors_wh: Floats
    nearest: NDArray[np.int64]
    best_iou: Floats
    weights: Floats

    @property
    def average_iou(self) -> float:
        """Weighted mean of `best_iou`: what k-means raises."""
        return float(np.average(self.best_iou, weights=self.weights))


def compute_shape_iou(sides_wh: ArrayLike, anchors_wh: ArrayLike) -> Floats:
    """IoU of boxes laid on one corner: (N, 2) and (K, 2), width and height above zero, to (N, K)."""
    sides = np.asarray(sides_wh, np.float64)[:, None]
    anchors = np.asarray(anchors_wh, np.float64)[None]
    shared = np.minimum(sides, anchors).prod(axis=-1)
    iou: Floats = shared / (sides.prod(axis=-1) + anchors.prod(axis=-1) - shared)
    return iou


def meet_anchors(sides_wh: ArrayLike, anchors_wh: ArrayLike, weights: Floats | None = None) -> AnchorFit:
    """Given anchors (K, 2) and the boxes (N, 2) that they are to meet; anchors come back by rising area.

    Args:
        sides_wh: of the boxes.
        anchors_wh: any order.
        weights: (N,) above 0; None counts each box once.
    """
    anchors = sort_anchors(anchors_wh)
    iou = compute_shape_iou(sides_wh, anchors)
    return AnchorFit(
        anchors, iou.argmax(axis=1), iou.max(axis=1), np.ones(len(iou)) if weights is None else weights
    )


def weigh_classes(classes: ArrayLike) -> Floats:
    """Weights (N,) by which every class counts as much as any other, 1 on average; classes (N,) are ids."""
    _, own, counts = np.unique(classes, return_inverse=True, return_counts=True)
    weights: Floats = len(own) / (len(counts) * counts[own])
    return weights


def find_median(values: ArrayLike, weights: ArrayLike) -> Floats:
    """Weighted median of each column: values (N, D), weights (N,) above 0, to (D,).

    Whole-number weights give the plain median of the values, each repeated so often.
    """
    values, weights = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    order = values.argsort(axis=0, kind="stable")
    below = weights[order].cumsum(axis=0)
    half = below[-1] / 2
    ranks = np.stack(
        [(below < half).sum(axis=0), (below <= half).sum(axis=0)]
    )  # differ where it falls between
    middle: Floats = np.take_along_axis(np.take_along_axis(values, order, 0), ranks, 0).mean(axis=0)
    return middle


def describe_anchors(
    sides_wh_px: ArrayLike, anchors_wh_px: ArrayLike, strides_px: Sequence[int], sample: int = SAMPLE
) -> dict[str, Any]:
    """How well anchors meet boxes, in plain JSON values: all that a report of them needs.

    Args:
        sides_wh_px: (N, 2) of the boxes, N at least 1.
        anchors_wh_px: (K, 2).
        strides_px: (K,) of the feature map that each is laid on.
        sample: most boxes to keep, evenly spread over their order.

    Returns:
        `anchors_wh_px` and `strides_px`; for each anchor its `shares` of the boxes, those that it meets best,
        and its `mean_iou` with them (None for none); `average_iou` of all `boxes`, that is their number; the
        sides of some, `sample_wh_px`.
    """
    sides, anchors = np.asarray(sides_wh_px, np.float64), np.asarray(anchors_wh_px, np.float64)
    iou = compute_shape_iou(sides, anchors)
    nearest, best = iou.argmax(axis=1), iou.max(axis=1)
    counts = np.bincount(nearest, minlength=len(anchors))
    sums = np.bincount(nearest, weights=best, minlength=len(anchors))
    chosen = np.unique(np.linspace(0, len(sides) - 1, min(sample, len(sides))).round().astype(np.int64))
    return {
        "anchors_wh_px": anchors.tolist(),
        "strides_px": list(strides_px),
        "shares": np.round(counts / len(sides), 4).tolist(),
        "mean_iou": [
            round(total / count, 4) if count else None
            for total, count in zip(sums.tolist(), counts.tolist(), strict=True)
        ],
        "average_iou": round(float(best.mean()), 4),
        "boxes": len(sides),
        "sample_wh_px": np.round(sides[chosen], 1).tolist(),
    }


def sort_anchors(anchors_wh: ArrayLike) -> Floats:
    """Anchors (K, 2) by rising area, then rising width."""
    anchors = np.asarray(anchors_wh, np.float64)
    return anchors[np.lexsort((anchors[:, 0], anchors.prod(axis=1)))]


def fit_anchors(sides_wh: ArrayLike, count: int, seed: int, weights: Floats | None = None) -> AnchorFit:
    """Anchors by k-means with the distance 1 - IoU (Redmon and Farhadi, "YOLO9000", arXiv:1612.08242).

    The start is k-means++ in that distance; the best of `RESTARTS` starts and all their rounds is kept, since
    moving a centre to the median of its boxes need not raise the average IoU.

    Args:
        sides_wh: (N, 2) widths and heights of the boxes, above zero, N at least 1.
        count: K; where there are fewer distinct shapes, some anchors are equal.
        seed: of the starts; equal arguments give equal anchors.
        weights: (N,) above 0; None counts each box once, as the paper does.

    Raises:
        ValueError: no boxes, a side that is not above zero, or a count below 1.
    """
    sides = np.asarray(sides_wh, np.float64)
    if sides.ndim != 2 or sides.shape[1] != 2 or len(sides) == 0:
        raise ValueError(f"The boxes of fit_anchors must be (N, 2), N at least 1. Got {sides.shape} instead.")
    if count < 1:
        raise ValueError(f"The count of fit_anchors must be at least 1. Got {count} instead.")
    if bad := int((~(np.isfinite(sides) & (sides > 0)).all(axis=1)).sum()):
        raise ValueError(
            f"The sides of fit_anchors must be finite and above 0. Got {bad} boxes that are not."
        )
    rng = np.random.default_rng(seed)
    mass = np.ones(len(sides)) if weights is None else weights
    fits = [_descend(sides, _start(sides, count, mass, rng), mass) for _ in range(RESTARTS)]
    return max(fits, key=lambda fit: fit.average_iou)


def _start(sides: Floats, count: int, weights: Floats, rng: np.random.Generator) -> Floats:
    """k-means++: each further centre is a box, drawn with odds of its weighted squared distance to those
    before."""
    anchors = sides[[rng.choice(len(sides), p=weights / weights.sum())]]
    while len(anchors) < count:
        odds = weights * (1.0 - compute_shape_iou(sides, anchors).max(axis=1)) ** 2
        known = odds.sum() > 0
        row = rng.choice(len(sides), p=odds / odds.sum() if known else None)
        anchors = np.concatenate([anchors, sides[[row]]])
    return anchors


def _descend(sides: Floats, anchors: Floats, weights: Floats) -> AnchorFit:
    best = fit = meet_anchors(sides, anchors, weights)
    for _ in range(ROUNDS):
        moved = fit.anchors_wh.copy()
        for k in range(len(moved)):
            mine = fit.nearest == k
            # A centre without boxes starts anew at the box that is met worst.
            moved[k] = find_median(sides[mine], weights[mine]) if mine.any() else sides[fit.best_iou.argmin()]
        before, fit = fit, meet_anchors(sides, moved, weights)
        best = max(best, fit, key=lambda each: each.average_iou)
        if np.array_equal(before.anchors_wh, fit.anchors_wh):
            break
    return best


def compare_counts(
    sides_wh: ArrayLike, counts: Sequence[int], seed: int, weights: Floats | None = None
) -> dict[int, float]:
    """Average best IoU of `fit_anchors` for several counts: the curve by which a count is chosen."""
    return {count: fit_anchors(sides_wh, count, seed, weights).average_iou for count in counts}


def choose_count(average_iou: dict[int, float], gain: float) -> int:
    """The smallest count after which the next larger one adds less than `gain` to the average IoU."""
    counts = sorted(average_iou)
    for count, larger in pairwise(counts):
        if average_iou[larger] - average_iou[count] < gain:
            return count
    return counts[-1]


def lay_boxes(
    height_px: int, width_px: int, strides: Sequence[int], shapes_wh_px: Sequence[Floats]
) -> NDArray[np.float32]:
    """Boxes of given shapes around the centre of every cell.

    Args:
        height_px: picture height.
        width_px: picture width.
        strides: of the feature maps, finest first.
        shapes_wh_px: for each map (n, 2) widths and heights.

    Returns:
        (A, 4) centre x, centre y, width, height in px: maps in order, cells row by row, shapes within a cell.
    """
    parts = []
    for stride, shapes in zip(strides, shapes_wh_px, strict=True):
        centres, _ = grid_points(height_px, width_px, [stride])
        around = np.repeat(centres, len(shapes), axis=0)
        parts.append(np.concatenate([around, np.tile(shapes, (len(centres), 1))], axis=1))
    return np.concatenate(parts).astype(np.float32)


def shape_default_boxes(scales: Sequence[float], aspect_ratios: Sequence[float]) -> list[Floats]:
    """Shapes of SSD's default boxes for each feature map (Liu et al., arXiv:1512.02325, section 2.2).

    A map of scale s has a square of side s, one of side sqrt(s * s'), with s' the next map's scale (after the
    last: 1), and for each aspect ratio r two boxes of sides s * sqrt(r) and s / sqrt(r).

    Args:
        scales: rising, of each map, share of the picture's side.
        aspect_ratios: above 1.

    Returns:
        For each map (2 + 2 * ratios, 2) widths and heights, in the unit of the scales.
    """
    shapes = []
    for scale, following in zip(scales, [*scales[1:], 1.0], strict=True):
        between = float(np.sqrt(scale * following))
        tall = [[scale / np.sqrt(r), scale * np.sqrt(r)] for r in aspect_ratios]
        wide = [[height, width] for width, height in tall]
        shapes.append(np.array([[scale, scale], [between, between], *wide, *tall]))
    return shapes
