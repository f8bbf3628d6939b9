"""Outlines of objects in a few points, so that boxes stay tight where pictures are turned or cut.

A turned box's own bounding box is too large (by 16 % a side for a square turned by 10 degrees), and a box cut
at the edge of the picture says nothing of how much the object narrows there. So a mask's convex outline is
kept as the points that lie furthest in POINTS directions, in units of the box: (0, 0) its upper left, (1, 1)
its lower right corner. Without a mask a box can be taken for its own rectangle, or for the ellipse in it,
which is right on average where pictures are turned (Kalra et al., "Towards Rotation Invariance in Object
Detection", ICCV 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINTS = 16  # a circle's outline is met to 2 %: 1 - cos(pi / 16)
ANGLES = np.arange(POINTS) * 2 * np.pi / POINTS
DIRECTIONS = np.round(np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1), 12)  # (POINTS, 2); 0, 90 .. exact
LEVELS = 255  # of a stored coordinate

Hull = NDArray[np.float32]


def take_hull(mask: NDArray[np.bool_]) -> Hull:
    """The outline (POINTS, 2) x, y of a mask (height, width), in units of the box around it.

    Pixel i covers i .. i + 1.

    Raises:
        ValueError: nothing is inside.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        raise ValueError("The mask parameter of take_hull must have a pixel inside. Got none.")
    inside = mask[rows]
    left, right = inside.argmax(axis=1), mask.shape[1] - inside[:, ::-1].argmax(axis=1)
    corners = np.array([(x, y + down) for down in (0, 1) for side in (left, right)
                        for x, y in zip(side, rows, strict=True)], np.float64)  # fmt: skip
    furthest = corners[(corners @ DIRECTIONS.T).argmax(axis=0)]
    low, high = corners.min(axis=0), corners.max(axis=0)
    hull: Hull = ((furthest - low) / (high - low)).astype(np.float32)
    return hull


def square_hull() -> Hull:
    """The outline of a box itself."""
    quarter = POINTS // 4
    corners = np.array([[1, 1], [0, 1], [0, 0], [1, 0]], np.float32)
    return np.roll(np.repeat(corners, quarter, axis=0), -quarter // 2 + 1, axis=0)


def ellipse_hull() -> Hull:
    """The outline of the ellipse in a box."""
    return (0.5 + 0.5 * DIRECTIONS).astype(np.float32)


def pack_hull(hull: Hull | None) -> NDArray[np.uint8]:
    """The outline in whole numbers (POINTS, 2); the sides of the box are met exactly. All 0 for None."""
    return np.zeros((POINTS, 2), np.uint8) if hull is None else np.round(hull * LEVELS).astype(np.uint8)


def read_hulls(packed: NDArray[np.uint8]) -> Hull:
    """Outlines (..., POINTS, 2) that `pack_hull` made, to 1 / 510 of the box's side; NaN for None."""
    hulls: Hull = packed.astype(np.float32) / np.float32(LEVELS)
    hulls[(packed == 0).all(axis=(-1, -2))] = np.nan
    return hulls


def bound_inside(points: NDArray[np.float64], region_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bounding boxes of what convex outlines and rectangles share.

    Every edge is cut by the rectangle (Liang and Barsky, 1984); what is left of the edges, and those corners
    of the rectangle that lie inside the outline, span the box.

    Args:
        points: (..., S, 2) convex outlines, in order; repeated points are fine.
        region_xyxy: (..., 4), broadcast against the outlines.

    Returns:
        xyxy (..., 4); low above high (infinite) where nothing is shared.
    """
    start, along = points, np.roll(points, -1, axis=-2) - points
    low, high = region_xyxy[..., None, :2], region_xyxy[..., None, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        at_low, at_high = (low - start) / along, (high - start) / along
    still, within = along == 0, (start >= low) & (start <= high)
    enter = np.where(still, np.where(within, -np.inf, np.inf), np.minimum(at_low, at_high)).max(axis=-1)
    leave = np.where(still, np.where(within, np.inf, -np.inf), np.maximum(at_low, at_high)).min(axis=-1)
    enter, leave = np.clip(enter, 0.0, None), np.clip(leave, None, 1.0)
    seen = (enter <= leave)[..., None]
    ends = [start + along * np.where(seen, t[..., None], 0.0) for t in (enter, leave)]
    corners, covered = _covered_corners(points, along, region_xyxy)
    candidates = np.concatenate([*ends, corners], axis=-2)
    known = np.concatenate([seen, seen, covered[..., None]], axis=-2)
    box = [
        np.where(known, candidates, np.inf).min(axis=-2),
        np.where(known, candidates, -np.inf).max(axis=-2),
    ]
    return np.concatenate(box, axis=-1)


def _covered_corners(
    points: NDArray[np.float64], along: NDArray[np.float64], region_xyxy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The rectangles' corners (..., 4, 2), and whether each lies inside its outline (..., 4)."""
    shape = np.broadcast_shapes(points.shape[:-2], region_xyxy.shape[:-1])
    corners = np.broadcast_to(region_xyxy[..., [0, 1, 2, 1, 0, 3, 2, 3]], (*shape, 8)).reshape(*shape, 4, 2)
    to_corner = corners[..., :, None, :] - points[..., None, :, :]  # (..., 4, S, 2)
    edge = along[..., None, :, :]
    side = edge[..., 0] * to_corner[..., 1] - edge[..., 1] * to_corner[..., 0]
    inside = (side >= 0).all(axis=-1) | (side <= 0).all(axis=-1)
    # An outline without area has every point of its own line on both sides.
    return corners, np.asarray(inside & ((side > 0).any(axis=-1) | (side < 0).any(axis=-1)))
