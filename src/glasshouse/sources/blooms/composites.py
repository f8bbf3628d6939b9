"""Daisies, sunflowers and dandelions: many small flowers in one head (the composite family).

Each function draws its own variety from the generator: colour, count, shape and openness of the petals.
"""

from __future__ import annotations

import numpy as np

from glasshouse.sources.blooms.petals import (
    LANCE,
    LIGULE,
    STRAP,
    Head,
    draw_disc,
    draw_rays,
    spread_angles,
    vary,
)
from glasshouse.sources.drawing.canvas import Block
from glasshouse.sources.drawing.colours import Rgb, brighten, from_hsv, mix, spread
from glasshouse.sources.drawing.polygons import GOLDEN_ANGLE, Floats, blades, interleave, ring, seed_dots

# The dandelion's circles of florets from the outside: reach, number, brightness.
TUFT = ((1.0, 34, 0.8), (0.87, 32, 0.9), (0.72, 28, 0.97), (0.55, 22, 1.0), (0.38, 18, 0.95))


def draw_daisy(rng: np.random.Generator) -> Head:
    """White (or faintly pink) strap petals around a yellow disc."""
    pink = rng.uniform(0.0, 0.22) if rng.random() < 0.3 else rng.uniform(0.0, 0.04)
    colour = from_hsv(rng.uniform(0.88, 0.95), pink, rng.uniform(0.93, 1.0))
    count = int(rng.integers(13, 25))
    width = rng.uniform(1.5, 2.3) / count
    lift = rng.uniform(-0.25, 0.35)
    radius = rng.uniform(0.25, 0.38)
    back = draw_rays(rng, count, 1.0, width, STRAP, brighten(colour, 0.86), lift - 0.08)
    front = draw_rays(rng, count, rng.uniform(0.88, 0.98), width, STRAP, colour, lift)
    yellow = from_hsv(rng.uniform(0.115, 0.15), rng.uniform(0.8, 1.0), rng.uniform(0.85, 1.0))
    core = mix(yellow, from_hsv(rng.uniform(0.1, 0.2), 0.9, 0.7), rng.uniform(0.2, 0.9))
    return [back, front, *draw_disc(rng, radius, 46, yellow, core, 0.18)]


def draw_sunflower(rng: np.random.Generator) -> Head:
    """Golden pointed rays around a large dark disc."""
    colour = from_hsv(rng.uniform(0.1, 0.145), rng.uniform(0.85, 1.0), rng.uniform(0.9, 1.0))
    count = int(rng.integers(15, 24))
    width = rng.uniform(2.0, 2.7) / count
    lift = rng.uniform(-0.1, 0.4)
    radius = rng.uniform(0.42, 0.56)
    amber = mix(brighten(colour, 0.85), (200, 100, 0), 0.2)
    back = draw_rays(rng, count, 1.0, width, LANCE, amber, lift - 0.1)
    front = draw_rays(rng, count, rng.uniform(0.86, 0.98), width, LANCE, colour, lift)
    brown = from_hsv(rng.uniform(0.04, 0.09), rng.uniform(0.6, 0.9), rng.uniform(0.2, 0.42))
    green = from_hsv(rng.uniform(0.1, 0.25), rng.uniform(0.5, 0.8), rng.uniform(0.25, 0.5))
    core = green if rng.random() < 0.4 else brighten(brown, rng.uniform(0.45, 0.8))
    return [back, front, *draw_disc(rng, radius, 90, brown, core, 0.12)]


def draw_dandelion(rng: np.random.Generator) -> Head:
    """A yellow tuft of many narrow, square-tipped florets, or (one in three) the seed head."""
    if rng.random() < 0.33:
        return _draw_seed_head(rng)
    colour = from_hsv(rng.uniform(0.135, 0.16), rng.uniform(0.88, 1.0), rng.uniform(0.93, 1.0))
    openness = rng.uniform(0.0, 1.0)
    head = []
    for reach, count, tone in TUFT:
        shade = mix(brighten(colour, tone), (225, 130, 0), (1.0 - reach) * 0.45)
        lift = (1.0 - reach) * 0.9 + (1.0 - openness) * 0.35
        angles = spread_angles(rng, count, 0.45)
        lengths = reach * vary(rng, count, 0.13)
        widths = 0.06 * vary(rng, count, 0.25)
        lifts = np.full(count, lift)
        light = vary(rng, count, 0.12)
        edge = Block(blades(angles, 0.03, lengths, widths, LIGULE, lifts, -0.1), spread(shade, light * 0.66))
        face = Block(
            blades(angles, 0.03, lengths * 0.97, widths * 0.68, LIGULE, lifts, -0.1), spread(shade, light)
        )
        head.append(interleave([edge, face]))
    return head


def _draw_seed_head(rng: np.random.Generator) -> Head:
    """The clock: a pale, half clear ball of parachutes around a dark core."""
    white = from_hsv(rng.uniform(0.08, 0.6), rng.uniform(0.0, 0.08), rng.uniform(0.88, 1.0))
    count = 64
    order = np.arange(count, dtype=np.float64)
    z: Floats = 1.0 - 2.0 * (order + 0.5) / count
    flat: Floats = np.sqrt(1.0 - z * z) * vary(rng, count, 0.04)
    angles: Floats = order * GOLDEN_ANGLE + rng.uniform(0.0, 6.28)
    stalks = blades(angles, 0.1, flat * 0.84 - 0.1, np.full(count, 0.011), np.ones(2), z * 0.84, 0.0)
    tufts = _tufts(rng, flat, angles, z, white)
    core = from_hsv(rng.uniform(0.06, 0.2), rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.55))
    seeds, _ = seed_dots(0.2, 24, 0.05, 0.1)
    return [
        Block(ring(0.97, 36), spread(white, np.ones(1) * 0.92, alpha=int(rng.integers(70, 130)))),
        Block(stalks, spread(white, vary(rng, count, 0.1), alpha=170)),
        Block(ring(0.2, 16), spread(core, np.ones(1))),
        Block(seeds, spread(brighten(core, 0.75), vary(rng, 24, 0.3))),
        *tufts,
    ]


def _tufts(rng: np.random.Generator, flat: Floats, angles: Floats, z: Floats, white: Rgb) -> Head:
    """Three crossed hairs at the end of each stalk."""
    count = len(angles)
    centre = np.stack((flat * 0.86 * np.cos(angles), flat * 0.86 * np.sin(angles), z * 0.86), 1)
    size, wide = np.full(count, 0.28), np.full(count, 0.016)
    hairs = []
    for turn in (0.0, 1.05, 2.09):
        tilt = angles + turn + rng.uniform(-0.3, 0.3, count)
        hair = blades(tilt, -0.14, size, wide, np.ones(2), np.zeros(count), 0.0)
        hairs.append(Block(hair + centre[:, None, :], spread(white, vary(rng, count, 0.06), alpha=215)))
    return hairs
