"""Outlines that people draw, polygons and ellipses, as boxes and as masks of the pixels inside.

Coordinates are pixels, x right, y down, the corner of the first pixel at (0, 0): a pixel is inside where its
centre is. So a rectangle with whole corners gives exactly its width x height pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]


def box_polygon(points_xy_px: ArrayLike) -> Box:
    """Smallest box x min, y min, x max, y max around points (N, 2)."""
    points = np.asarray(points_xy_px, float)
    (x_min, y_min), (x_max, y_max) = points.min(0).tolist(), points.max(0).tolist()
    return x_min, y_min, x_max, y_max


def fill_polygon(points_xy_px: ArrayLike, height_px: int, width_px: int) -> Mask:
    """Mask (height, width) of a polygon (N, 2), closed by itself; where it crosses itself, even-odd.

    Every edge that crosses the line of a row's centres turns inside to outside from there on to the right.
    """
    starts = np.asarray(points_xy_px, float)
    ends = np.roll(starts, -1, axis=0)
    turns = np.zeros((height_px, width_px + 1), np.int64)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        (x0, y0), (x1, y1) = sorted((start, end), key=lambda point: point[::-1])  # there as back, to the bit
        first, last = (int(np.ceil(np.clip(y, -1, height_px + 1) - 0.5)) for y in (y0, y1))
        rows = np.arange(max(first, 0), min(last, height_px))
        if rows.size:
            x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            columns = np.clip(np.ceil(x - 0.5), 0, width_px).astype(int)
            turns[rows, columns] += 1
    inside: Mask = turns.cumsum(axis=1)[:, :width_px] % 2 == 1
    return inside


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
