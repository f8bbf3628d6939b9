"""The five species: flower heads as polygons in their own space.

A head faces the viewer (+z) around the origin, where its stem joins it (a tulip's cup stands on it), with a size
of about 1; scene.py tilts, turns, scales and places it. Each function draws its own variety from the generator: colour, count, shape and openness of the petals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from glasshouse.sources.drawing.canvas import Block
from glasshouse.sources.drawing.colours import Rgb, brighten, from_hsv, mix, spread
from glasshouse.sources.drawing.polygons import Floats, blades, curve, interleave, ribbon, ring, seed_dots

Head = list[Block]
Choice = TypeVar("Choice")

# Half widths along a petal, from its base to its tip.
STRAP = np.array([0.4, 0.62, 0.8, 0.92, 0.99, 1.0, 0.97, 0.86, 0.5])
LANCE = np.array([0.35, 0.72, 0.94, 1.0, 0.95, 0.8, 0.57, 0.3, 0.0])
LIGULE = np.array([0.5, 0.8, 0.95, 1.0, 0.8])
ROUND = np.array([0.3, 0.55, 0.77, 0.92, 0.99, 1.0, 0.97, 0.88, 0.72, 0.5, 0.2])
CUP = np.array([0.12, 0.52, 0.78, 0.93, 1.0, 1.0, 0.96, 0.88, 0.76, 0.6, 0.42, 0.22, 0.0])
STAR = np.array([0.4, 0.75, 0.93, 1.0, 0.97, 0.85, 0.66, 0.4, 0.1])


def _jitter(rng: np.random.Generator, count: int, spread_by: float) -> Floats:
    return rng.uniform(1.0 - spread_by, 1.0 + spread_by, count)


def _circle_of_angles(rng: np.random.Generator, count: int, disorder: float) -> Floats:
    turn = rng.uniform(0.0, 2 * math.pi)
    steps = np.arange(count) + rng.uniform(-disorder, disorder, count)
    return turn + steps * (2 * math.pi / count)


def _rays(
    rng: np.random.Generator, count: int, reach: float, width: float, profile: Floats, colour: Rgb, lift: float
) -> Block:
    """A circle of petals: a darker edge, the face, and a lighter streak for each."""
    angles = _circle_of_angles(rng, count, 0.3)
    lengths = reach * _jitter(rng, count, 0.1)
    widths = width * _jitter(rng, count, 0.15)
    lifts = lift + rng.uniform(-0.08, 0.08, count)
    light = _jitter(rng, count, 0.09)
    parts = [
        Block(blades(angles, 0.12, (lengths - 0.12) * scale, widths * wide, profile, lifts, -0.5 * lift), spread(colour, light * tone))
        for scale, wide, tone in ((1.0, 1.0, 0.72), (0.97, 0.8, 1.0), (0.85, 0.28, 1.1))
    ]
    return interleave(parts)


def _disc(rng: np.random.Generator, radius: float, dots: int, rim: Rgb, core: Rgb, dome: float) -> Head:
    """A domed disc of florets in a spiral, `core` colour inside, `rim` colour outside."""
    corners, share = seed_dots(radius * 0.97, dots, radius * 1.25 / math.sqrt(dots), dome)
    light = _jitter(rng, dots, 0.25)
    inner = share < rng.uniform(0.35, 0.65)
    colours = np.where(inner[:, None], spread(core, light), spread(rim, light))
    base = Block(ring(radius, 28), spread(brighten(rim, 0.55), np.ones(1)))
    order = np.arange(dots)[::-1]
    return [base, Block(corners[order], colours[order])]


def draw_daisy(rng: np.random.Generator) -> Head:
    """White (or faintly pink) strap petals around a yellow disc."""
    pink = rng.uniform(0.0, 0.22) if rng.random() < 0.3 else rng.uniform(0.0, 0.04)
    colour = from_hsv(rng.uniform(0.88, 0.95), pink, rng.uniform(0.93, 1.0))
    count = int(rng.integers(13, 25))
    width = rng.uniform(1.5, 2.3) / count
    lift = rng.uniform(-0.25, 0.35)
    radius = rng.uniform(0.25, 0.38)
    back = _rays(rng, count, 1.0, width, STRAP, brighten(colour, 0.86), lift - 0.08)
    front = _rays(rng, count, rng.uniform(0.88, 0.98), width, STRAP, colour, lift)
    yellow = from_hsv(rng.uniform(0.115, 0.15), rng.uniform(0.8, 1.0), rng.uniform(0.85, 1.0))
    core = mix(yellow, from_hsv(rng.uniform(0.1, 0.2), 0.9, 0.7), rng.uniform(0.2, 0.9))
    return [back, front, *_disc(rng, radius, 46, yellow, core, 0.18)]


def draw_sunflower(rng: np.random.Generator) -> Head:
    """Golden pointed rays around a large dark disc."""
    colour = from_hsv(rng.uniform(0.1, 0.145), rng.uniform(0.85, 1.0), rng.uniform(0.9, 1.0))
    count = int(rng.integers(15, 24))
    width = rng.uniform(2.0, 2.7) / count
    lift = rng.uniform(-0.1, 0.4)
    radius = rng.uniform(0.42, 0.56)
    back = _rays(rng, count, 1.0, width, LANCE, mix(brighten(colour, 0.85), (200, 100, 0), 0.2), lift - 0.1)
    front = _rays(rng, count, rng.uniform(0.86, 0.98), width, LANCE, colour, lift)
    brown = from_hsv(rng.uniform(0.04, 0.09), rng.uniform(0.6, 0.9), rng.uniform(0.2, 0.42))
    green = from_hsv(rng.uniform(0.1, 0.25), rng.uniform(0.5, 0.8), rng.uniform(0.25, 0.5))
    core = green if rng.random() < 0.4 else brighten(brown, rng.uniform(0.45, 0.8))
    return [back, front, *_disc(rng, radius, 90, brown, core, 0.12)]


def draw_dandelion(rng: np.random.Generator) -> Head:
    """A yellow tuft of many narrow, square-tipped florets, or (one in three) the seed head."""
    if rng.random() < 0.33:
        return _draw_seed_head(rng)
    colour = from_hsv(rng.uniform(0.135, 0.16), rng.uniform(0.88, 1.0), rng.uniform(0.93, 1.0))
    openness = rng.uniform(0.0, 1.0)
    head = []
    for reach, count, tone in ((1.0, 34, 0.8), (0.87, 32, 0.9), (0.72, 28, 0.97), (0.55, 22, 1.0), (0.38, 18, 0.95)):
        shade = mix(brighten(colour, tone), (225, 130, 0), (1.0 - reach) * 0.45)
        lift = (1.0 - reach) * 0.9 + (1.0 - openness) * 0.35
        angles = _circle_of_angles(rng, count, 0.45)
        lengths = reach * _jitter(rng, count, 0.13)
        widths = 0.06 * _jitter(rng, count, 0.25)
        lifts = np.full(count, lift)
        light = _jitter(rng, count, 0.12)
        edge = Block(blades(angles, 0.03, lengths, widths, LIGULE, lifts, -0.1), spread(shade, light * 0.66))
        face = Block(blades(angles, 0.03, lengths * 0.97, widths * 0.68, LIGULE, lifts, -0.1), spread(shade, light))
        head.append(interleave([edge, face]))
    return head


def _draw_seed_head(rng: np.random.Generator) -> Head:
    """The clock: a pale, half clear ball of parachutes around a dark core."""
    white = from_hsv(rng.uniform(0.08, 0.6), rng.uniform(0.0, 0.08), rng.uniform(0.88, 1.0))
    count = 64
    order = np.arange(count)
    z = 1.0 - 2.0 * (order + 0.5) / count
    flat = np.sqrt(1.0 - z * z) * _jitter(rng, count, 0.04)
    angles = order * 2.399963 + rng.uniform(0.0, 6.28)
    stalks = blades(angles, 0.1, flat * 0.84 - 0.1, np.full(count, 0.011), np.ones(2), z * 0.84, 0.0)
    tufts = _tufts(rng, flat, angles, z, white)
    core = from_hsv(rng.uniform(0.06, 0.2), rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.55))
    seeds, _ = seed_dots(0.2, 24, 0.05, 0.1)
    return [
        Block(ring(0.97, 36), spread(white, np.ones(1) * 0.92, alpha=int(rng.integers(70, 130)))),
        Block(stalks, spread(white, _jitter(rng, count, 0.1), alpha=170)),
        Block(ring(0.2, 16), spread(core, np.ones(1))),
        Block(seeds, spread(brighten(core, 0.75), _jitter(rng, 24, 0.3))),
        *tufts,
    ]


def _tufts(rng: np.random.Generator, flat: Floats, angles: Floats, z: Floats, white: Rgb) -> Head:
    """Two crossed three-pointed hairs at the end of each stalk."""
    centre = np.stack((flat * 0.86 * np.cos(angles), flat * 0.86 * np.sin(angles), z * 0.86), 1)
    size = 0.14
    hairs = []
    for turn in (0.0, 1.05, 2.09):
        tilt = angles + turn + rng.uniform(-0.3, 0.3, len(angles))
        hair = blades(tilt, -size, np.full(len(angles), 2 * size), np.full(len(angles), 0.016), np.ones(2), np.zeros(len(angles)), 0.0)
        hairs.append(Block(hair + centre[:, None, :], spread(white, _jitter(rng, len(angles), 0.06), alpha=215)))
    return hairs


def draw_rose(rng: np.random.Generator) -> Head:
    """Broad overlapping petals in rings that close towards a dark, coiled heart."""
    hue, saturation, value = _pick(rng, ((0.97, 0.9, 0.75), (0.94, 0.55, 0.95), (0.98, 0.35, 0.98), (0.12, 0.55, 0.98), (0.05, 0.7, 0.95), (0.125, 0.17, 1.0)))
    colour = from_hsv(hue + rng.uniform(-0.02, 0.02), saturation * rng.uniform(0.85, 1.1), value * rng.uniform(0.88, 1.03))
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


def _rose_ring(rng: np.random.Generator, count: int, reach: float, turn: float, height: float, colour: Rgb, deep: Rgb) -> Block:
    angles = turn + np.arange(count) * (2 * math.pi / count) + rng.uniform(-0.25, 0.25, count)
    lengths = reach * _jitter(rng, count, 0.1)
    widths = reach * rng.uniform(0.6, 0.84, count)
    light = _jitter(rng, count, 0.08)
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


def draw_tulip(rng: np.random.Generator) -> Head:
    """A cup of six pointed petals seen from the side, or (one in five) an open one seen from above."""
    hue, saturation, value = _pick(rng, ((0.99, 0.92, 0.85), (0.92, 0.6, 0.92), (0.14, 0.9, 0.97), (0.78, 0.55, 0.62), (0.06, 0.88, 0.95), (0.12, 0.08, 0.96), (0.95, 0.3, 0.97)))
    colour = from_hsv(hue + rng.uniform(-0.02, 0.02), saturation * rng.uniform(0.85, 1.08), value * rng.uniform(0.9, 1.03))
    tip = mix(colour, _pick(rng, ((255, 245, 220), (255, 220, 60), colour)), rng.uniform(0.2, 0.7))
    if rng.random() < 0.2:
        return _draw_open_tulip(rng, colour, tip)
    openness = rng.uniform(0.0, 1.0)
    width = rng.uniform(0.3, 0.4)
    petals: list[Head] = []
    for side, out, wide, tone in ((-1, 0.12, 0.9, 0.66), (1, 0.12, 0.9, 0.7), (-1, 0.3, 1.0, 0.84), (1, 0.3, 1.0, 0.9)):
        tip_x = side * out * (0.3 + 1.6 * openness) + rng.uniform(-0.04, 0.04)
        bulge_x = side * (0.5 * out + 0.3 + 0.2 * openness) * (out + 0.7)
        petals.append(_cup_petal(rng, bulge_x, (tip_x, rng.uniform(-1.5, -1.3)), width * wide, brighten(colour, tone), tip))
    front_tip = (rng.uniform(-0.08, 0.08), rng.uniform(-1.4, -1.1))
    petals.append(_cup_petal(rng, rng.uniform(-0.1, 0.1), front_tip, width * rng.uniform(1.0, 1.25), colour, tip))
    return [block for petal in petals for block in petal]


def _cup_petal(rng: np.random.Generator, bulge_x: float, tip: tuple[float, float], width: float, colour: Rgb, pale: Rgb) -> Head:
    """One petal of the cup, from the base at the origin, bulging to the side, up to its tip."""
    axis = curve((0.1 * bulge_x, 0.0), (bulge_x, 0.35 * tip[1]), tip, len(CUP))
    profile = CUP * width
    petal = [
        _flat(ribbon(axis, profile), brighten(colour, 0.62)),
        _flat(ribbon(axis * 0.975, profile * 0.93), mix(colour, pale, 0.4)),
        _flat(ribbon(axis * 0.93, profile * 0.76), colour),
        _flat(ribbon(axis[1:9], profile[1:9] * 0.42), mix(colour, pale, 0.25)),
    ]
    for shift in rng.uniform(-0.55, 0.55, 4):
        vein = axis[2:11] + np.stack((profile[2:11] * shift, np.zeros(9)), 1)
        petal.append(_flat(ribbon(vein, np.linspace(0.012, 0.006, 9)), brighten(colour, rng.uniform(0.75, 0.92))))
    return petal


def _flat(outline: Floats, colour: Rgb) -> Block:
    """A plane outline (1, n, 2) as a block at z = 0."""
    return Block(np.concatenate((outline, np.zeros((*outline.shape[:2], 1))), 2), spread(colour, np.ones(1)))


def _draw_open_tulip(rng: np.random.Generator, colour: Rgb, tip: Rgb) -> Head:
    """Six broad petals around a dark star with stamens."""
    heart = _pick(rng, ((30, 20, 40), (235, 200, 40), (50, 40, 10)))
    head: Head = []
    turn = rng.uniform(0.0, 6.28)
    for start, tone in ((0.0, 0.8), (math.pi / 3, 1.0)):
        angles = turn + start + np.arange(3) * (2 * math.pi / 3) + rng.uniform(-0.1, 0.1, 3)
        lengths = _jitter(rng, 3, 0.06)
        widths = rng.uniform(0.42, 0.52, 3)
        parts = [
            Block(blades(angles, 0.0, lengths * long, widths * wide, STAR, np.full(3, 0.35), 0.1), spread(tint, np.full(3, tone)))
            for long, wide, tint in ((1.0, 1.0, brighten(colour, 0.6)), (0.98, 0.93, mix(colour, tip, 0.4)), (0.9, 0.75, colour), (0.42, 0.35, heart))
        ]
        head.append(interleave(parts))
    stamens = _rays(rng, 6, 0.34, 0.035, STRAP, mix(heart, (240, 200, 60), 0.5), 0.3)
    return [*head, stamens, Block(ring(0.09, 10, 0.15), spread((150, 170, 70), np.ones(1)))]


def _pick(rng: np.random.Generator, choices: tuple[Choice, ...]) -> Choice:
    return choices[int(rng.integers(len(choices)))]


SPECIES: dict[str, Callable[[np.random.Generator], Head]] = {
    "dandelion": draw_dandelion,
    "daisy": draw_daisy,
    "tulips": draw_tulip,
    "sunflowers": draw_sunflower,
    "roses": draw_rose,
}
