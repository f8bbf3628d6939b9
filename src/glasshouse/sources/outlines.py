"""Outlines that people draw, polygons and ellipses, as boxes and as masks of the pixels inside.

Coordinates are pixels, x right, y down, the corner of the first pixel at (0, 0): a pixel is inside where its
centre is. So a rectangle with whole corners gives exactly its width x height pixels.

Masks are made as intervals of positions, which count the pixels down the columns: position = column * height
+ row. Intervals (N, 2) are [start, end) of positions inside, rising, neither touching nor empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Intervals = NDArray[np.int64]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]


def box_polygon(points_xy_px: ArrayLike) -> Box:
    """Smallest box x min, y min, x max, y max around points (N, 2)."""
    points = np.asarray(points_xy_px, float)
    (x_min, y_min), (x_max, y_max) = points.min(0).tolist(), points.max(0).tolist()
    return x_min, y_min, x_max, y_max


@dataclass(frozen=True, slots=True)
class Outline:
    """The polygons (N, 2) of x, y in pixels whose union is one mask of (height, width)."""

    polygons: Sequence[NDArray[np.float64]]
    height: int
    width: int


def rasterise_outlines(outlines: Sequence[Outline]) -> list[Intervals]:
    """The pixels whose centres lie inside each outline; a polygon that crosses itself counts by parity.

    What lies beyond the picture is cut off. Coordinates are finite, and small enough to be multiplied.
    """
    owners = np.array([place for place, one in enumerate(outlines) for _ in one.polygons], np.int64)
    polygons = [polygon for one in outlines for polygon in one.polygons]
    heights = np.array([one.height for one in outlines], np.int64)
    widths = np.array([one.width for one in outlines], np.int64)
    bases = np.concatenate(([0], np.cumsum(heights * widths + 1)))  # + 1: masks never touch
    if not polygons:
        return [np.empty((0, 2), np.int64) for _ in outlines]
    polygon, column, row = _cross_columns(polygons, heights[owners], widths[owners])
    owner = owners[polygon[::2]]
    start = bases[owner] + column[::2] * heights[owner]
    merged = merge_intervals(np.stack([start + row[::2], start + row[1::2]], axis=1))
    cuts = np.searchsorted(merged[:, 0], bases)
    return [merged[low:high] - base for low, high, base in zip(cuts, cuts[1:], bases, strict=False)]


def _cross_columns(
    polygons: Sequence[NDArray[np.float64]], heights: NDArray[np.int64], widths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Where outlines cross the middle lines of pixel columns: (polygon, column, first row below), sorted.

    Within one column of a polygon the crossings come in pairs: in, out.
    """
    corners = np.array([len(polygon) for polygon in polygons])
    number = np.repeat(np.arange(len(polygons)), corners)
    points = np.concatenate(polygons)
    following = np.arange(1, len(points) + 1)
    following[np.cumsum(corners) - 1] = np.cumsum(corners) - corners  # the last corner leads to the first
    back = points[:, 0] > points[following, 0]  # an edge is crossed there as back, to the bit
    x_from, y_from = np.where(back[:, None], points[following], points).T
    x_to, y_to = np.where(back[:, None], points, points[following]).T
    limits = widths[number]
    first, last = (np.clip(np.ceil(x - 0.5), 0, limits).astype(np.int64) for x in (x_from, x_to))
    edge = np.repeat(np.arange(len(points)), last - first)
    column = np.arange(len(edge)) - np.repeat(np.cumsum(last - first) - last, last - first)
    slope = (y_to - y_from)[edge] / (x_to - x_from)[edge]
    y = y_from[edge] + (column + 0.5 - x_from[edge]) * slope
    row = np.clip(np.ceil(y - 0.5), 0, heights[number[edge]]).astype(np.int64)
    columns, rows = widths.max() + 1, heights.max() + 1
    key = np.sort((number[edge] * columns + column) * rows + row)  # one sort of one number each
    return key // (columns * rows), key // rows % columns, key % rows


def merge_intervals(intervals: Intervals) -> Intervals:
    """The union of intervals in any order, empty ones among them."""
    kept = intervals[intervals[:, 0] < intervals[:, 1]]
    if not len(kept):
        return kept
    start, end = kept[np.argsort(kept[:, 0], kind="stable")].T
    reach = np.maximum.accumulate(end)
    fresh = np.flatnonzero(np.concatenate(([True], start[1:] > reach[:-1])))
    return np.stack([start[fresh], np.maximum.reduceat(end, fresh)], axis=1)


def fill_polygon(points_xy_px: ArrayLike, height_px: int, width_px: int) -> Mask:
    """Mask (height, width) of a polygon (N, 2), closed by itself; where it crosses itself, even-odd."""
    outline = Outline([np.asarray(points_xy_px, float)], height_px, width_px)
    (intervals,) = rasterise_outlines([outline])
    turns = np.zeros(height_px * width_px + 1, np.int8)
    turns[intervals[:, 0]], turns[intervals[:, 1]] = 1, -1  # they never touch
    down: Mask = turns[:-1].cumsum(dtype=np.int8).astype(bool)
    return np.ascontiguousarray(down.reshape(width_px, height_px).T)


def box_ellipse(centre_xy_px: tuple[float, float], radii_px: tuple[float, float], angle_rad: float) -> Box:
    """Smallest box around an ellipse whose first radius points `angle_rad` clockwise from the x axis."""
    (x, y), (first, second) = centre_xy_px, radii_px
    cosine, sine = float(np.cos(angle_rad)), float(np.sin(angle_rad))
    half_width, half_height = np.hypot(first * cosine, second * sine), np.hypot(first * sine, second * cosine)
    return float(x - half_width), float(y - half_height), float(x + half_width), float(y + half_height)


def fill_ellipse(
    centre_xy_px: tuple[float, float],
    radii_px: tuple[float, float],
    angle_rad: float,
    height_px: int,
    width_px: int,
) -> Mask:
    """Mask (height, width) of an ellipse, as box_ellipse takes it; radii above zero."""
    across, down = np.arange(width_px) + 0.5 - centre_xy_px[0], np.arange(height_px) + 0.5 - centre_xy_px[1]
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    first = (across * cosine + (down * sine)[:, None]) / radii_px[0]
    second = ((down * cosine)[:, None] - across * sine) / radii_px[1]
    inside: Mask = first**2 + second**2 <= 1
    return inside
