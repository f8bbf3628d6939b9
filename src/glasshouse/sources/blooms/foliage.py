"""Green things around the flowers: stems, leaves, buds and blades of grass. None of them is an object.

Coordinates are shares of the picture's side, x right, y down; a result is plane blocks ready to be scaled.
"""

from __future__ import annotations

import math

import numpy as np

from glasshouse.sources.drawing.canvas import Block
from glasshouse.sources.drawing.colours import Rgb, brighten, from_hsv, mix, spread
from glasshouse.sources.drawing.polygons import Floats, curve, ribbon

Point = tuple[float, float]

# Half widths along a leaf, from its stalk to its tip.
LEAF_PROFILES = {
    "oval": np.array([0.05, 0.45, 0.8, 0.98, 1.0, 0.9, 0.72, 0.5, 0.27, 0.0]),
    "blade": np.array([0.5, 0.7, 0.85, 0.95, 1.0, 0.95, 0.8, 0.58, 0.3, 0.0]),
    "heart": np.array([0.3, 0.9, 1.0, 0.95, 0.85, 0.7, 0.52, 0.35, 0.17, 0.0]),
    "toothed": np.array([0.1, 0.45, 0.2, 0.7, 0.35, 1.0, 0.5, 1.1, 0.8, 0.0]),
}
LEAF_OF_SPECIES = {
    "dandelion": "toothed",
    "daisy": "oval",
    "tulips": "blade",
    "sunflowers": "heart",
    "roses": "oval",
}
LEAF_WIDTHS = {"oval": 0.3, "blade": 0.12, "heart": 0.42, "toothed": 0.2}


def pick_green(rng: np.random.Generator) -> Rgb:
    """A leaf's colour: yellowish to bluish green, dull to fresh."""
    return from_hsv(rng.uniform(0.2, 0.4), rng.uniform(0.35, 0.8), rng.uniform(0.25, 0.7))


def draw_leaf(
    rng: np.random.Generator, kind: str, root: Point, angle: float, length: float, colour: Rgb
) -> list[Block]:
    """A leaf from its root in a direction, bent, with a lit and a shaded half, a midrib and side veins."""
    tip = (root[0] + length * math.cos(angle), root[1] + length * math.sin(angle))
    bow = length * rng.uniform(-0.25, 0.25)
    bend = ((root[0] + tip[0]) / 2 - bow * math.sin(angle), (root[1] + tip[1]) / 2 + bow * math.cos(angle))
    profile = LEAF_PROFILES[kind] * LEAF_WIDTHS[kind] * length * rng.uniform(0.7, 1.1)
    axis = curve(root, bend, tip, len(profile))
    whole = ribbon(axis, profile)
    half = np.concatenate((whole[:, : len(profile)], axis[None, ::-1]), 1)
    rib = ribbon(axis, np.linspace(0.012, 0.002, len(axis)) * length)
    light = mix(colour, (235, 255, 200), 0.3)
    one = np.ones(1)
    return [
        Block(whole, spread(brighten(colour, 0.82), one)),
        Block(half, spread(brighten(colour, 1.05), one)),
        *_side_veins(axis, profile, light),
        Block(rib, spread(light, one)),
    ]


def _side_veins(axis: Floats, profile: Floats, colour: Rgb) -> list[Block]:
    steps = np.gradient(axis, axis=0)
    across = np.stack((-steps[:, 1], steps[:, 0]), 1) / (np.sqrt((steps**2).sum(1))[:, None] + 1e-12)
    starts = axis[1:-3:2]
    veins = []
    for side in (-1.0, 1.0):
        ends = axis[2:-2:2] + steps[2:-2:2] * 0.5 + across[2:-2:2] * (side * profile[2:-2:2, None] * 0.75)
        thin = (ends - starts)[:, ::-1] * np.array([-0.03, 0.03])
        veins.append(np.stack((starts - thin, starts + thin, ends), 1))
    corners = np.concatenate(veins)
    return [Block(corners, spread(colour, np.ones(len(corners)), alpha=150))]


def draw_stem(rng: np.random.Generator, top: Point, width: float, colour: Rgb) -> list[Block]:
    """A stem that bends from a flower down and out of the picture."""
    foot = (top[0] + rng.uniform(-0.25, 0.25), 1.08)
    bend = (top[0] + rng.uniform(-0.06, 0.06), (top[1] + foot[1]) / 2)
    axis = curve(top, bend, foot, 9)
    half_width = np.full(9, width / 2)
    one = np.ones(1)
    return [
        Block(ribbon(axis, half_width), spread(brighten(colour, 0.7), one)),
        Block(
            ribbon(axis - np.array([width * 0.14, 0.0]), half_width * 0.55),
            spread(brighten(colour, 1.1), one),
        ),
    ]


def draw_bud(rng: np.random.Generator, centre: Point, size: float, colour: Rgb, tip: Rgb) -> list[Block]:
    """A closed bud: green sepals, a little of the petals' colour at the tip."""
    lean = rng.uniform(-0.4, 0.4)
    top = (centre[0] + size * lean, centre[1] - size)
    axis = curve((centre[0], centre[1] + size), centre, top, 8)
    body = np.array([0.2, 0.62, 0.85, 0.95, 0.9, 0.72, 0.42, 0.0]) * size * 0.55
    one = np.ones(1)
    sepals = [
        Block(
            ribbon(axis[:6] + np.array([shift * size * 0.22, 0.0]), body[:6] * 0.5),
            spread(brighten(colour, tone), one),
        )
        for shift, tone in ((-1.0, 0.75), (1.0, 0.9), (0.0, 1.05))
    ]
    return [Block(ribbon(axis, body), spread(mix(brighten(colour, 0.8), tip, 0.4), one)), *sepals]


def draw_grass(rng: np.random.Generator, count: int, root_y: float, heights: Point, colour: Rgb) -> Block:
    """Bent blades of grass that stand at about root_y, all over the width."""
    x = rng.uniform(-0.05, 1.05, count)
    y = root_y + rng.uniform(-0.1, 0.25, count)
    height = rng.uniform(*heights, count)
    lean = rng.normal(0.0, 0.35, count) * height
    width = rng.uniform(0.006, 0.016, count)
    middle = np.stack((x + lean * 0.3, y - height * 0.6), 1)
    tip = np.stack((x + lean, y - height), 1)
    thick = np.stack((width, np.zeros(count)), 1)
    foot = np.stack((x, y), 1)
    corners = np.stack((foot - thick, middle - thick * 0.7, tip, middle + thick * 0.7, foot + thick), 1)
    order = np.argsort(y, kind="stable")
    return Block(corners[order], spread(colour, rng.uniform(0.55, 1.35, count)))
