"""Tulips: a cup of six petals, from the side or open from above."""

from __future__ import annotations

import math

import numpy as np

from glasshouse.sources.blooms.petals import CUP, STAR, STRAP, Head, draw_rays, flat, pick, vary
from glasshouse.sources.drawing.canvas import Block
from glasshouse.sources.drawing.colours import Rgb, brighten, from_hsv, mix, spread
from glasshouse.sources.drawing.polygons import blades, curve, interleave, ribbon, ring

# Hue (turns), saturation and value: red, pink, yellow, violet, orange, white, pale pink.
COLOURS = (
    (0.99, 0.92, 0.85),
    (0.92, 0.6, 0.92),
    (0.14, 0.9, 0.97),
    (0.78, 0.55, 0.62),
    (0.06, 0.88, 0.95),
    (0.12, 0.08, 0.96),
    (0.95, 0.3, 0.97),
)
# The four petals behind the front one: side, how far out, width, brightness.
BEHIND = ((-1, 0.12, 0.9, 0.66), (1, 0.12, 0.9, 0.7), (-1, 0.3, 1.0, 0.84), (1, 0.3, 1.0, 0.9))


def draw_tulip(rng: np.random.Generator) -> Head:
    """A cup of six pointed petals seen from the side, or (one in five) an open one seen from above."""
    hue, saturation, value = pick(rng, COLOURS)
    colour = from_hsv(
        hue + rng.uniform(-0.02, 0.02), saturation * rng.uniform(0.85, 1.08), value * rng.uniform(0.9, 1.03)
    )
    edge = pick(rng, ((255, 245, 220), (255, 220, 60), colour))
    tip = mix(colour, edge, rng.uniform(0.2, 0.7))
    if rng.random() < 0.2:
        return _draw_open_tulip(rng, colour, tip)
    openness = rng.uniform(0.0, 1.0)
    width = rng.uniform(0.3, 0.4)
    petals: list[Head] = []
    for side, out, wide, tone in BEHIND:
        tip_x = side * out * (0.3 + 1.6 * openness) + rng.uniform(-0.04, 0.04)
        bulge_x = side * (0.5 * out + 0.3 + 0.2 * openness) * (out + 0.7)
        top = (tip_x, rng.uniform(-1.5, -1.3))
        petals.append(_cup_petal(rng, bulge_x, top, width * wide, brighten(colour, tone), tip))
    front_tip = (rng.uniform(-0.08, 0.08), rng.uniform(-1.4, -1.1))
    front_width = width * rng.uniform(1.0, 1.25)
    petals.append(_cup_petal(rng, rng.uniform(-0.1, 0.1), front_tip, front_width, colour, tip))
    return [block for petal in petals for block in petal]


def _cup_petal(
    rng: np.random.Generator, bulge_x: float, tip: tuple[float, float], width: float, colour: Rgb, pale: Rgb
) -> Head:
    """One petal of the cup, from the base at the origin, bulging to the side, up to its tip."""
    axis = curve((0.1 * bulge_x, 0.0), (bulge_x, 0.35 * tip[1]), tip, len(CUP))
    profile = CUP * width
    petal = [
        flat(ribbon(axis, profile), brighten(colour, 0.62)),
        flat(ribbon(axis * 0.975, profile * 0.93), mix(colour, pale, 0.4)),
        flat(ribbon(axis * 0.93, profile * 0.76), colour),
        flat(ribbon(axis[1:9], profile[1:9] * 0.42), mix(colour, pale, 0.25)),
    ]
    for shift in rng.uniform(-0.55, 0.55, 4):
        vein = axis[2:11] + np.stack((profile[2:11] * shift, np.zeros(9)), 1)
        line = ribbon(vein, np.linspace(0.012, 0.006, 9))
        petal.append(flat(line, brighten(colour, rng.uniform(0.75, 0.92))))
    return petal


def _draw_open_tulip(rng: np.random.Generator, colour: Rgb, tip: Rgb) -> Head:
    """Six broad petals around a dark star with stamens."""
    heart = pick(rng, ((30, 20, 40), (235, 200, 40), (50, 40, 10)))
    head: Head = []
    turn = rng.uniform(0.0, 6.28)
    for start, tone in ((0.0, 0.8), (math.pi / 3, 1.0)):
        angles = turn + start + np.arange(3) * (2 * math.pi / 3) + rng.uniform(-0.1, 0.1, 3)
        lengths = vary(rng, 3, 0.06)
        widths = rng.uniform(0.42, 0.52, 3)
        parts = [
            Block(
                blades(angles, 0.0, lengths * long, widths * wide, STAR, np.full(3, 0.35), 0.1),
                spread(tint, np.full(3, tone)),
            )
            for long, wide, tint in (
                (1.0, 1.0, brighten(colour, 0.6)),
                (0.98, 0.93, mix(colour, tip, 0.4)),
                (0.9, 0.75, colour),
                (0.42, 0.35, heart),
            )
        ]
        head.append(interleave(parts))
    stamens = draw_rays(rng, 6, 0.34, 0.035, STRAP, mix(heart, (240, 200, 60), 0.5), 0.3)
    return [*head, stamens, Block(ring(0.09, 10, 0.15), spread((150, 170, 70), np.ones(1)))]
