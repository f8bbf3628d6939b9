"""The kinds of shapes: outlines in their own space, within about radius 1 around the origin.

A kind is one polygon, or several painted together (a lattice, a letter's strokes), and may have holes. Each
function varies its own proportions; rotation, size and looks come from scene.py and know nothing of the kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from glasshouse.sources.drawing.polygons import curve, ribbon

Floats = NDArray[np.float64]
Outlines = tuple[
    list[Floats], list[Floats]
]  # polygons (n, 2) that are painted, then polygons that are cut out

TURN = 2 * math.pi


def _polar(radii: Floats, start: float = 0.0) -> Floats:
    angles = start + np.linspace(0.0, TURN, len(radii), endpoint=False)
    return np.stack((radii * np.cos(angles), radii * np.sin(angles)), 1)


def _regular(corners: int) -> Callable[[np.random.Generator], Outlines]:
    def draw(rng: np.random.Generator) -> Outlines:
        return [_polar(np.ones(corners), -math.pi / 2)], []

    return draw


def _box(left: float, top: float, right: float, bottom: float) -> Floats:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def draw_ellipse(rng: np.random.Generator) -> Outlines:
    """A disc to a long ellipse."""
    return [_polar(np.ones(40)) * (1.0, rng.uniform(0.5, 1.0))], []


def draw_rectangle(rng: np.random.Generator) -> Outlines:
    """A square to a plank."""
    half = rng.uniform(0.35, 1.0)
    return [_box(-1.0, -half, 1.0, half)], []


def draw_star(rng: np.random.Generator) -> Outlines:
    """Five points."""
    radii = np.where(np.arange(10) % 2 == 0, 1.0, rng.uniform(0.35, 0.5))
    return [_polar(radii, -math.pi / 2)], []


def draw_burst(rng: np.random.Generator) -> Outlines:
    """A flash of nine to fourteen straight spikes of uneven length."""
    points = int(rng.integers(9, 15))
    radii = np.where(np.arange(2 * points) % 2 == 0, rng.uniform(0.8, 1.0, 2 * points), rng.uniform(0.6, 0.7))
    return [_polar(radii)], []


def draw_ring(rng: np.random.Generator) -> Outlines:
    """A disc with a round hole."""
    return [_polar(np.ones(40))], [_polar(np.ones(32)) * rng.uniform(0.4, 0.75)]


def draw_frame(rng: np.random.Generator) -> Outlines:
    """A rectangle with a rectangular hole."""
    half, inner = rng.uniform(0.6, 1.0), rng.uniform(0.45, 0.75)
    return [_box(-1.0, -half, 1.0, half)], [_box(-1.0, -half, 1.0, half) * inner]


def draw_cross(rng: np.random.Generator) -> Outlines:
    """Two bars across each other."""
    arm = rng.uniform(0.18, 0.36)
    return [_box(-1.0, -arm, 1.0, arm), _box(-arm, -1.0, arm, 1.0)], []


def draw_crescent(rng: np.random.Generator) -> Outlines:
    """A disc with a disc bitten out of its side."""
    bite = _polar(np.ones(32)) * rng.uniform(0.75, 0.9) + (rng.uniform(0.4, 0.6), 0.0)
    return [_polar(np.ones(40))], [bite]


def draw_half_disc(rng: np.random.Generator) -> Outlines:
    """A disc cut straight."""
    angles = np.linspace(0.0, math.pi, 22)
    return [np.stack((np.cos(angles), np.sin(angles) - 0.45), 1)], []


def draw_arrow(rng: np.random.Generator) -> Outlines:
    """A shaft with a head."""
    shaft, neck, barb = rng.uniform(0.14, 0.3), rng.uniform(-0.1, 0.35), rng.uniform(0.5, 0.8)
    half = np.array([[-1.0, shaft], [neck, shaft], [neck, barb], [1.0, 0.0]])
    return [np.concatenate((half, half[-2::-1] * (1.0, -1.0)))], []


def draw_chevron(rng: np.random.Generator) -> Outlines:
    """A bent bar."""
    thick, bend = rng.uniform(0.45, 0.75), rng.uniform(0.5, 0.9)
    return [
        np.array(
            [
                [-0.6, -0.9],
                [bend, 0.0],
                [-0.6, 0.9],
                [-0.6 - thick * 0.6, 0.9],
                [bend - thick, 0.0],
                [-0.6 - thick * 0.6, -0.9],
            ]
        )
    ], []


def draw_heart(rng: np.random.Generator) -> Outlines:
    """A heart: x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t."""
    t = np.linspace(0.0, TURN, 40, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [np.stack((16 * np.sin(t) ** 3, -y * rng.uniform(0.85, 1.1)), 1) / 16.5], []


def draw_gear(rng: np.random.Generator) -> Outlines:
    """A wheel with square teeth and a hole."""
    teeth = int(rng.integers(7, 12))
    radii = np.where(np.arange(4 * teeth) % 4 < 2, 1.0, rng.uniform(0.72, 0.8))
    return [_polar(radii)], [_polar(np.ones(20)) * rng.uniform(0.2, 0.4)]


def draw_drop(rng: np.random.Generator) -> Outlines:
    """A drop that falls: round below, pointed above."""
    t = np.linspace(0.0, TURN, 40, endpoint=False)
    width = rng.uniform(0.6, 0.8)
    return [np.stack((width * np.sin(t) * np.sin(t / 2) ** 1.5, -np.cos(t)), 1)], []


def draw_blob(rng: np.random.Generator) -> Outlines:
    """An uneven round lump."""
    t = np.linspace(0.0, TURN, 48, endpoint=False)
    radii = np.full(48, 0.72)
    for waves in (2, 3, 5):
        radii = radii + rng.uniform(0.05, 0.22) / math.sqrt(waves) * np.cos(
            waves * t + rng.uniform(0.0, TURN)
        )
    return [_polar(radii)], []


def draw_cloud(rng: np.random.Generator) -> Outlines:
    """Overlapping discs in a row on a flat base."""
    discs = [
        _polar(np.ones(24)) * rng.uniform(0.3, 0.5) + (x, rng.uniform(-0.25, 0.0)) for x in (-0.5, 0.0, 0.5)
    ]
    return [
        *discs,
        _polar(np.ones(24)) * 0.3 + (-0.72, 0.12),
        _polar(np.ones(24)) * 0.3 + (0.72, 0.12),
        _box(-0.72, 0.0, 0.72, 0.42),
    ], []


def draw_spiral(rng: np.random.Generator) -> Outlines:
    """A band that winds outwards."""
    t = np.linspace(0.0, 1.0, 56)
    angles = t * TURN * rng.uniform(1.9, 2.6)
    line = np.stack((np.cos(angles), np.sin(angles)), 1) * (0.08 + 0.84 * t[:, None])
    band = ribbon(line, np.full(56, rng.uniform(0.075, 0.11)))[0]
    quads = np.stack((band[:55], band[1:56], band[-2:-57:-1], band[-1:-56:-1]), 1)
    return list(quads), []


def draw_lattice(rng: np.random.Generator) -> Outlines:
    """Crossed bars."""
    count, half = int(rng.integers(3, 5)), rng.uniform(0.07, 0.11)
    places = np.linspace(-0.85, 0.85, count)
    bars = [_box(-1.0, y - half, 1.0, y + half) for y in places] + [
        _box(x - half, -1.0, x + half, 1.0) for x in places
    ]
    return bars, []


def draw_wave(rng: np.random.Generator) -> Outlines:
    """A band that swings."""
    x = np.linspace(-1.0, 1.0, 36)
    y = rng.uniform(0.3, 0.45) * np.sin(x * rng.uniform(5.0, 8.0) + rng.uniform(0.0, TURN))
    return [ribbon(np.stack((x, y), 1), np.full(36, rng.uniform(0.13, 0.2)))[0]], []


def draw_dumbbell(rng: np.random.Generator) -> Outlines:
    """Two discs on a bar."""
    disc = _polar(np.ones(24)) * rng.uniform(0.32, 0.45)
    bar = rng.uniform(0.08, 0.16)
    shift = np.array([0.6, 0.0])
    return [disc - shift, disc + shift, _box(-0.6, -bar, 0.6, bar)], []


def _letter(*strokes: tuple[float, float, float, float]) -> Callable[[np.random.Generator], Outlines]:
    def draw(rng: np.random.Generator) -> Outlines:
        half = np.full(2, rng.uniform(0.13, 0.2))
        lines = [np.array([[x0, y0], [x1, y1]]) for x0, y0, x1, y1 in strokes]
        return [ribbon(line, half)[0] for line in lines], []

    return draw


def draw_hook(rng: np.random.Generator) -> Outlines:
    """A stroke that ends in a half circle, like the letter J."""
    half = rng.uniform(0.13, 0.2)
    arc = np.concatenate(
        (curve((0.5, -0.9), (0.5, -0.4), (0.5, 0.3), 6), curve((0.5, 0.3), (0.45, 0.95), (-0.1, 0.85), 8)[1:])
    )
    arc = np.concatenate((arc, curve((-0.1, 0.85), (-0.6, 0.75), (-0.55, 0.2), 8)[1:]))
    return [ribbon(arc, np.full(len(arc), half))[0]], []


KINDS: dict[str, Callable[[np.random.Generator], Outlines]] = {
    "ellipse": draw_ellipse,
    "triangle": _regular(3),
    "rectangle": draw_rectangle,
    "pentagon": _regular(5),
    "hexagon": _regular(6),
    "star": draw_star,
    "burst": draw_burst,
    "ring": draw_ring,
    "frame": draw_frame,
    "cross": draw_cross,
    "crescent": draw_crescent,
    "half_disc": draw_half_disc,
    "arrow": draw_arrow,
    "chevron": draw_chevron,
    "heart": draw_heart,
    "gear": draw_gear,
    "drop": draw_drop,
    "blob": draw_blob,
    "cloud": draw_cloud,
    "spiral": draw_spiral,
    "lattice": draw_lattice,
    "wave": draw_wave,
    "dumbbell": draw_dumbbell,
    "hook": draw_hook,
    "letter_t": _letter((-0.8, -0.8, 0.8, -0.8), (0.0, -0.8, 0.0, 0.95)),
    "letter_z": _letter((-0.7, -0.8, 0.7, -0.8), (0.62, -0.8, -0.62, 0.8), (-0.7, 0.8, 0.7, 0.8)),
    "letter_e": _letter(
        (-0.6, -0.95, -0.6, 0.95), (-0.6, -0.8, 0.6, -0.8), (-0.6, 0.0, 0.5, 0.0), (-0.6, 0.8, 0.6, 0.8)
    ),
    "letter_y": _letter((-0.7, -0.9, 0.0, 0.0), (0.7, -0.9, 0.0, 0.0), (0.0, -0.08, 0.0, 0.95)),
}
