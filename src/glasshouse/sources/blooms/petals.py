"""What the flower heads are made of: petals around a middle.

A head faces the viewer (+z) around the origin, where its stem joins it (a tulip's cup stands on it), with a
radius of about 1; scene.py tilts, turns, scales and places it.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from glasshouse.sources.drawing.canvas import Block
from glasshouse.sources.drawing.colours import Rgb, brighten, spread
from glasshouse.sources.drawing.polygons import Floats, blades, interleave, ring, seed_dots

Head = list[Block]
Choice = TypeVar("Choice")

# Half widths along a petal, from its base to its tip.
STRAP = np.array([0.4, 0.62, 0.8, 0.92, 0.99, 1.0, 0.97, 0.86, 0.5])
LANCE = np.array([0.35, 0.72, 0.94, 1.0, 0.95, 0.8, 0.57, 0.3, 0.0])
LIGULE = np.array([0.5, 0.8, 0.95, 1.0, 0.8])
ROUND = np.array([0.3, 0.55, 0.77, 0.92, 0.99, 1.0, 0.97, 0.88, 0.72, 0.5, 0.2])
CUP = np.array([0.12, 0.52, 0.78, 0.93, 1.0, 1.0, 0.96, 0.88, 0.76, 0.6, 0.42, 0.22, 0.0])
STAR = np.array([0.4, 0.75, 0.93, 1.0, 0.97, 0.85, 0.66, 0.4, 0.1])


def vary(rng: np.random.Generator, count: int, share: float) -> Floats:
    """Factors (count,) around 1, at most `share` off."""
    return rng.uniform(1.0 - share, 1.0 + share, count)


def spread_angles(rng: np.random.Generator, count: int, disorder: float) -> Floats:
    """Directions (count,) all around from a random start, each off by up to `disorder` steps."""
    turn = rng.uniform(0.0, 2 * math.pi)
    steps = np.arange(count) + rng.uniform(-disorder, disorder, count)
    return turn + steps * (2 * math.pi / count)


def pick(rng: np.random.Generator, choices: tuple[Choice, ...]) -> Choice:
    """One of the choices, each equally likely."""
    return choices[int(rng.integers(len(choices)))]


def flat(outline: Floats, colour: Rgb) -> Block:
    """A plane outline (1, n, 2) as a block at z = 0."""
    return Block(np.concatenate((outline, np.zeros((*outline.shape[:2], 1))), 2), spread(colour, np.ones(1)))


def draw_rays(
    rng: np.random.Generator,
    count: int,
    reach: float,
    width: float,
    profile: Floats,
    colour: Rgb,
    lift: float,
) -> Block:
    """A circle of petals: a darker edge, the face, and a lighter streak for each."""
    angles = spread_angles(rng, count, 0.3)
    lengths = reach * vary(rng, count, 0.1)
    widths = width * vary(rng, count, 0.15)
    lifts = lift + rng.uniform(-0.08, 0.08, count)
    light = vary(rng, count, 0.09)
    parts = [
        Block(
            blades(angles, 0.12, (lengths - 0.12) * scale, widths * wide, profile, lifts, -0.5 * lift),
            spread(colour, light * tone),
        )
        for scale, wide, tone in ((1.0, 1.0, 0.72), (0.97, 0.8, 1.0), (0.85, 0.28, 1.1))
    ]
    return interleave(parts)


def draw_disc(rng: np.random.Generator, radius: float, dots: int, rim: Rgb, core: Rgb, dome: float) -> Head:
    """A domed disc of florets in a spiral, `core` colour inside, `rim` colour outside."""
    corners, share = seed_dots(radius * 0.97, dots, radius * 1.25 / math.sqrt(dots), dome)
    light = vary(rng, dots, 0.25)
    inner = share < rng.uniform(0.35, 0.65)
    colours = np.where(inner[:, None], spread(core, light), spread(rim, light))
    base = Block(ring(radius, 28), spread(brighten(rim, 0.55), np.ones(1)))
    order = np.arange(dots)[::-1]
    return [base, Block(corners[order], colours[order])]
