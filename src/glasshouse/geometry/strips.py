"""Objects as stacks of level strips, so that boxes stay tight where pictures are turned or cut.

A turned box's own bounding box is too large (by 16 % a side for a square turned by 10 degrees), and a box cut
at the edge of the picture says nothing of how the object narrows there, nor how much of it is left to see. So
the rows of a mask are kept as rectangles, one for each run of pixels, in units of the box: (0, 0) its upper
left, (1, 1) its lower right corner. They move with the picture, and what is seen of them spans the box,
whatever the shape, hollow ones too. Without a mask a box can be taken for its own rectangle, or for the
ellipse in it, which is right on average where pictures are turned (Kalra et al., "Towards Rotation Invariance
in Object Detection", ICCV 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 128  # of strips; rows of a higher mask are joined
SQUARE_ROWS, ELLIPSE_ROWS = 16, 64  # where no mask tells
LEVELS = 255  # of a stored coordinate

Strips = NDArray[np.float32]  # (S, 4) x_min, y_min, x_max, y_max, 0..1


def take_strips(mask: NDArray[np.bool_]) -> Strips:
    """The strips (S, 4) of a mask (height, width), in units of the box around it.

    Pixel i covers i .. i + 1.

    Raises:
        ValueError: nothing is inside.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("The mask parameter of take_strips must have a pixel inside. Got none.")
    inside = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = inside.shape
    joined = -(-height // MOST_ROWS)
    starts = np.arange(0, height, joined)
    steps = np.diff(np.logical_or.reduceat(inside, starts).astype(np.int8), axis=1, prepend=0, append=0)
    row, left = np.nonzero(steps == 1)
    right = np.nonzero(steps == -1)[1]
    top, bottom = starts[row], np.minimum(starts[row] + joined, height)
    return (np.stack([left, top, right, bottom], axis=1) / [width, height, width, height]).astype(np.float32)


def square_strips(rows: int = SQUARE_ROWS) -> Strips:
    """Those of a box itself."""
    y = np.arange(rows + 1) / rows
    return np.stack([np.zeros(rows), y[:-1], np.ones(rows), y[1:]], axis=1).astype(np.float32)


def ellipse_strips() -> Strips:
    """Those of the ellipse in a box; each as wide as the ellipse is where it is widest."""
    strips = square_strips(ELLIPSE_ROWS).astype(np.float64)
    off_middle = np.abs(2 * strips[:, [1, 3]] - 1).min(axis=1)
    half = np.sqrt(1 - off_middle**2) / 2
    strips[:, 0], strips[:, 2] = 0.5 - half, 0.5 + half
    return strips.astype(np.float32)


def pack_strips(strips: Strips) -> NDArray[np.uint8]:
    """Strips in whole numbers (S, 4); the sides of the box are met exactly."""
    return np.round(strips * LEVELS).astype(np.uint8)


def read_strips(packed: NDArray[np.uint8]) -> Strips:
    """Strips that `pack_strips` made, to 1 / 510 of the box's side."""
    strips: Strips = packed.astype(np.float32) / np.float32(LEVELS)
    return strips


def move_strips(
    strips: Strips,
    boxes_xyxy_px: NDArray[np.floating],
    matrix: NDArray[np.floating],
    shift_xy_px: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where strips come to lie under new point = matrix @ old point + shift.

    Args:
        strips: (S, 4).
        boxes_xyxy_px: (S, 4) of the object of each.
        matrix: (S, 2, 2).
        shift_xy_px: (S, 2).

    Returns:
        The parallelograms: corner (S, 2) that was the left upper one, sides across and down (S, 2) from it.
    """
    boxes, turn = boxes_xyxy_px.astype(np.float64), matrix.astype(np.float64)
    side = boxes[:, 2:] - boxes[:, :2]
    corner, size = boxes[:, :2] + strips[:, :2] * side, (strips[:, 2:] - strips[:, :2]) * side
    moved = turn[:, :, 0] * corner[:, :1] + turn[:, :, 1] * corner[:, 1:] + shift_xy_px
    return moved, turn[:, :, 0] * size[:, :1], turn[:, :, 1] * size[:, 1:]


def bound_groups(
    corner: NDArray[np.float64],
    across: NDArray[np.float64],
    down: NDArray[np.float64],
    region_xyxy: NDArray[np.float64],
    starts: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes of what groups of parallelograms and their regions share, and how much of each group that is.

    Args:
        corner, across, down: (S, 2) as from `move_strips`, group by group.
        region_xyxy: (S, 4).
        starts: (G,) the first of each group, rising; each has one at least.

    Returns:
        xyxy (G, 4), low above high (infinite) where nothing is shared; shares (G,) of the area, 0..1, to what
        the middle line of each parallelogram, from side to side, tells.
    """
    if not len(starts):
        return np.zeros((0, 4)), np.zeros(0)
    low = corner + np.minimum(across, 0) + np.minimum(down, 0)
    high = corner + np.maximum(across, 0) + np.maximum(down, 0)
    beside = ((low > region_xyxy[:, 2:]) | (high < region_xyxy[:, :2])).any(axis=1)
    within = ((low >= region_xyxy[:, :2]) & (high <= region_xyxy[:, 2:])).all(axis=1)
    low[beside], high[beside] = np.inf, -np.inf
    seen = np.where(within, 1.0, 0.0)
    at_edge = np.flatnonzero(~within & ~beside)  # few: only these have to be cut
    cut, region = [each[at_edge] for each in (corner, across, down)], region_xyxy[at_edge]
    outline = np.stack([cut[0], cut[0] + cut[1], cut[0] + cut[1] + cut[2], cut[0] + cut[2]], axis=1)
    low[at_edge], high[at_edge] = np.split(bound_inside(outline, region), 2, axis=1)
    enter, leave = cut_lines(cut[0] + cut[2] / 2, cut[1], region)
    seen[at_edge] = np.maximum(leave - enter, 0.0)
    area = np.abs(across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0])
    whole = np.maximum(np.add.reduceat(area, starts), np.finfo(np.float64).tiny)
    ends = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
    return np.concatenate(ends, axis=1), np.add.reduceat(area * seen, starts) / whole


def cut_lines(
    start: NDArray[np.float64], along: NDArray[np.float64], region_xyxy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From where to where, as shares of their length, lines lie in a rectangle (Liang and Barsky, 1984).

    Args:
        start: (..., 2).
        along: (..., 2) from start to end; a line without length lies in it or not.
        region_xyxy: (..., 4), broadcast against the lines.

    Returns:
        enter (...) from 0, leave (...) up to 1; enter above leave where a line passes by.
    """
    low, high = region_xyxy[..., :2], region_xyxy[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        at_low, at_high = (low - start) / along, (high - start) / along
    still, within = along == 0, (start >= low) & (start <= high)
    enter = np.where(still, np.where(within, -np.inf, np.inf), np.minimum(at_low, at_high)).max(axis=-1)
    leave = np.where(still, np.where(within, np.inf, -np.inf), np.maximum(at_low, at_high)).min(axis=-1)
    return np.clip(enter, 0.0, None), np.clip(leave, None, 1.0)


def bound_inside(points: NDArray[np.float64], region_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bounding boxes of what convex outlines and rectangles share.

    What the rectangle leaves of every edge, and its corners that lie inside the outline, span the box.

    Args:
        points: (..., S, 2) convex outlines, in order; repeated points are fine.
        region_xyxy: (..., 4), broadcast against the outlines.

    Returns:
        xyxy (..., 4); low above high (infinite) where nothing is shared.
    """
    start, along = points, np.roll(points, -1, axis=-2) - points
    enter, leave = cut_lines(start, along, region_xyxy[..., None, :])
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
