"""Roses: broad petals in rings that close towards a coiled heart."""

from __future__ import annotations

import math

import numpy as np

from glasshouse.sources.blooms.petals import ROUND, Head, pick, vary
from glasshouse.sources.drawing.canvas import Block
from glasshouse.sources.drawing.colours import Rgb, from_hsv, mix, spread
from glasshouse.sources.drawing.polygons import blades, interleave, ribbon, ring

# Hue (turns), saturation and value: red, deep and pale pink, yellow, apricot, cream.
COLOURS = (
    (0.97, 0.9, 0.75),
    (0.94, 0.55, 0.95),
    (0.98, 0.35, 0.98),
    (0.12, 0.55, 0.98),
    (0.05, 0.7, 0.95),
    (0.125, 0.17, 1.0),
)


def draw_rose(rng: np.random.Generator) -> Head:
    """Broad overlapping petals in rings that close towards a dark, coiled heart."""
    hue, saturation, value = pick(rng, COLOURS)
    colour = from_hsv(
        hue + rng.uniform(-0.02, 0.02), saturation * rng.uniform(0.85, 1.1), value * rng.uniform(0.88, 1.03)
    )
    deep = from_hsv(hue - 0.015, min(saturation * 1.25 + 0.15, 1.0), value * 0.45)
    rings = int(rng.integers(5, 7))
    cup = rng.uniform(0.15, 0.55)
    head: Head = []
    turn = rng.uniform(0.0, 6.28)
    for k in range(rings):
        share = k / (rings - 1)
        reach = 1.0 - 0.82 * share
        count = 5 if k < 3 else (4 if k < 5 else 3)
        turn += rng.uniform(0.4, 0.9)
        head.append(_rose_ring(rng, count, reach, turn, cup * share, mix(colour, deep, 0.45 * share), deep))
    return [*head, *_rose_heart(rng, deep, colour, cup)]


def _rose_ring(
    rng: np.random.Generator, count: int, reach: float, turn: float, height: float, colour: Rgb, deep: Rgb
) -> Block:
    """A ring of petals: dark edge, light rim, face, and two steps of shade towards the middle."""
    angles = turn + np.arange(count) * (2 * math.pi / count) + rng.uniform(-0.25, 0.25, count)
    lengths = reach * vary(rng, count, 0.1)
    widths = reach * rng.uniform(0.6, 0.84, count)
    light = vary(rng, count, 0.08)
    lifts = np.full(count, 0.12)
    parts = []
    for scale, wide, tint, tone in (
        (1.0, 1.0, mix(colour, deep, 0.6), 0.9),
        (0.98, 0.96, mix(colour, (255, 255, 255), 0.22), 1.0),
        (0.9, 0.88, colour, 1.0),
        (0.8, 0.76, mix(colour, deep, 0.35), 1.0),
        (0.69, 0.66, mix(colour, deep, 0.75), 1.0),
    ):
        corners = blades(angles, 0.0, lengths * scale, widths * wide, ROUND, lifts, 0.0)
        corners[:, :, 2] += height
        parts.append(Block(corners, spread(tint, light * tone)))
    return interleave(parts)


def _rose_heart(rng: np.random.Generator, deep: Rgb, colour: Rgb, height: float) -> Head:
    """A coil of petal rims in the middle."""
    t = np.linspace(0.0, 1.0, 22)
    turn = rng.uniform(0.0, 6.28)
    angles = turn + t * rng.uniform(8.0, 11.0)
    radii = 0.03 + 0.2 * t
    line = np.stack((radii * np.cos(angles), radii * np.sin(angles)), 1)
    coil = ribbon(line, 0.018 + 0.012 * t)
    lifted = np.concatenate((coil, np.full((*coil.shape[:2], 1), height)), 2)
    return [
        Block(ring(0.24, 18, height), spread(mix(deep, colour, 0.25), np.ones(1))),
        Block(lifted, spread(mix(colour, (255, 255, 255), 0.1), np.ones(1))),
    ]
