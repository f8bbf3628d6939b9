"""Outlines that drawn things are made of, in units of the thing itself, many at a time.

x points right, y down, z towards the viewer; angles are in radians, clockwise from the right as seen.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from glasshouse.sources.drawing.canvas import Block

Floats = NDArray[np.float64]
GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))


def blades(
    angles: Floats,
    starts: Floats | float,
    lengths: Floats,
    half_widths: Floats,
    profile: Floats,
    lifts: Floats,
    curl: float,
) -> Floats:
    """Petal-like outlines (p, 2 m, 3) that point outwards from the origin, one per angle (p,).

    The half width along a blade is half_width * profile (m,), from its start to its tip; it rises by
    lift * t + curl * t**2 over its length, t = 0..1.
    """
    t = np.linspace(0.0, 1.0, len(profile))
    along = np.reshape(starts, (-1, 1)) + lengths[:, None] * t
    across = half_widths[:, None] * profile
    along = np.concatenate((along, along[:, ::-1]), 1)
    across = np.concatenate((across, -across[:, ::-1]), 1)
    rise = np.broadcast_to(lifts[:, None] * t + curl * t * t, (len(angles), len(t)))
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    z = np.concatenate((rise, rise[:, ::-1]), 1)
    return np.stack((along * cos - across * sin, along * sin + across * cos, z), 2)


def ring(radius: float, corners: int, z: float = 0.0) -> Floats:
    """A circle as one outline (1, corners, 3) around the origin."""
    angles = np.linspace(0.0, 2 * math.pi, corners, endpoint=False)
    return np.stack((radius * np.cos(angles), radius * np.sin(angles), np.full(corners, z)), 1)[None]


def seed_dots(radius: float, count: int, size: float, dome: float) -> tuple[Floats, Floats]:
    """Diamonds (count, 4, 3) in Vogel's spiral (1979) on a dome, and their distances (0..1) from it."""
    order = np.arange(count)
    share = np.sqrt((order + 0.5) / count)
    x, y = radius * share * np.cos(order * GOLDEN_ANGLE), radius * share * np.sin(order * GOLDEN_ANGLE)
    z = dome * (1.0 - share * share)
    shifts = size * np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    dots = np.empty((count, 4, 3))
    dots[:, :, 0] = x[:, None] + shifts[:, 0]
    dots[:, :, 1] = y[:, None] + shifts[:, 1]
    dots[:, :, 2] = z[:, None]
    return dots, share


def ribbon(points: Floats, half_widths: Floats) -> Floats:
    """An outline (1, 2 n, 2) that follows a plane line (n, 2), half_widths (n,) to each side of it."""
    steps = np.gradient(points, axis=0)
    norms = np.sqrt(steps[:, 0] ** 2 + steps[:, 1] ** 2)[:, None] + 1e-12
    across = np.stack((-steps[:, 1], steps[:, 0]), 1) / norms * half_widths[:, None]
    return np.concatenate((points + across, (points - across)[::-1]), 0)[None]


def curve(
    start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float], points: int
) -> Floats:
    """Points (points, 2) on the quadratic Bezier curve from start to end that leans towards `bend`."""
    t = np.linspace(0.0, 1.0, points)[:, None]
    ends: Floats = (1 - t) ** 2 * np.array(start) + t * t * np.array(end)
    line: Floats = ends + 2 * t * (1 - t) * np.array(bend)
    return line


def interleave(parts: list[Block]) -> Block:
    """Blocks of the same things (say edge, face and vein of each petal) as one, painted thing by thing."""
    corners = np.stack([part.corners for part in parts], 1)
    colours = np.stack([part.colours for part in parts], 1)
    return Block(corners.reshape(-1, *corners.shape[2:]), colours.reshape(-1, 4))
