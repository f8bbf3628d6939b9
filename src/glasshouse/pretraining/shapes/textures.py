"""Surfaces of the shapes and of what lies behind them, drawn without knowing the shape.

A texture is RGB (side_px, side_px). Patterns are made on grids of fixed size and enlarged, so they look the
same at every picture size.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from glasshouse.sources.drawing.colours import Rgb, from_hsv
from glasshouse.sources.drawing.fields import (
    SOFT_SIDE,
    blur,
    colour_between,
    draw_discs,
    draw_gradient,
    draw_noise,
)

Texture = Callable[[np.random.Generator, int, Rgb, Rgb], Image.Image]


def pick_colour(rng: np.random.Generator) -> Rgb:
    """Any colour, rarely near black."""
    return from_hsv(rng.random(), rng.uniform(0.0, 1.0), rng.uniform(0.2, 1.0))


def texture_plain(rng: np.random.Generator, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    """One colour."""
    return Image.new("RGB", (side_px, side_px), first)


def texture_gradient(rng: np.random.Generator, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    """From one colour to the other across the square."""
    return colour_between(draw_gradient(rng.uniform(0.0, 6.28), side_px), first, second)


def texture_noise(rng: np.random.Generator, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    """Clouds to grain."""
    return colour_between(
        draw_noise(rng, int(rng.integers(2, 12)), int(rng.integers(1, 4)), side_px), first, second
    )


def _pattern(values: np.ndarray, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    grey = Image.fromarray(np.clip(np.rint(values * 255.0), 0, 255).astype(np.uint8))
    return colour_between(grey.resize((side_px, side_px), Image.Resampling.BILINEAR), first, second)


def _rotated_grid(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    angle = rng.uniform(0.0, math.pi)
    steps = np.arange(SOFT_SIDE) / SOFT_SIDE
    across, down = steps[None, :] * math.cos(angle), steps[:, None] * math.sin(angle)
    return across + down + 2.0, steps[:, None] * math.cos(angle) - steps[None, :] * math.sin(angle) + 2.0


def _square_wave(phase: np.ndarray) -> np.ndarray:
    """0 and 1 in turns of period 1, with short slopes between."""
    return np.clip((np.abs((phase % 1.0) - 0.5) - 0.25) * 8.0 + 0.5, 0.0, 1.0)


def texture_stripes(rng: np.random.Generator, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    """Straight stripes in any direction."""
    along, _ = _rotated_grid(rng)
    return _pattern(_square_wave(along * rng.uniform(2.0, 8.0)), side_px, first, second)


def texture_checks(rng: np.random.Generator, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    """A checkerboard in any direction."""
    along, across = _rotated_grid(rng)
    pitch = rng.uniform(2.0, 6.0)
    odd = _square_wave(along * pitch)
    return _pattern(np.abs(odd - _square_wave(across * pitch)), side_px, first, second)


def texture_dots(rng: np.random.Generator, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    """Dots on a square grid in any direction."""
    along, across = _rotated_grid(rng)
    pitch = rng.uniform(3.0, 7.0)
    x, y = along * pitch % 1.0 - 0.5, across * pitch % 1.0 - 0.5
    return _pattern(
        np.clip((rng.uniform(0.06, 0.14) - x * x - y * y) * 25.0 + 0.5, 0.0, 1.0), side_px, first, second
    )


def texture_rings(rng: np.random.Generator, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    """Circles around a point in or near the square."""
    steps = np.arange(SOFT_SIDE) / SOFT_SIDE
    x, y = steps[None, :] - rng.uniform(-0.2, 1.2), steps[:, None] - rng.uniform(-0.2, 1.2)
    return _pattern(_square_wave(np.sqrt(x * x + y * y) * rng.uniform(3.0, 9.0)), side_px, first, second)


def texture_discs(rng: np.random.Generator, side_px: int, first: Rgb, second: Rgb) -> Image.Image:
    """Clear coloured discs, out of focus, over a gradient."""
    ground = texture_gradient(rng, SOFT_SIDE, first, second)
    discs = draw_discs(rng, ground, int(rng.integers(4, 16)), (0.03, 0.18), (0.0, 1.0))
    soft = blur(discs, SOFT_SIDE * rng.uniform(0.015, 0.05))
    return soft.resize((side_px, side_px), Image.Resampling.BICUBIC)


TEXTURES: tuple[Texture, ...] = (
    texture_plain,
    texture_gradient,
    texture_noise,
    texture_stripes,
    texture_checks,
    texture_dots,
    texture_rings,
    texture_discs,
)


def draw_texture(rng: np.random.Generator, side_px: int) -> Image.Image:
    """One of the textures in two colours of its own."""
    texture = TEXTURES[int(rng.integers(len(TEXTURES)))]
    return texture(rng, side_px, pick_colour(rng), pick_colour(rng))


def draw_ground(rng: np.random.Generator, side_px: int) -> Image.Image:
    """What lies behind: three times in four without a sharp pattern, as most real grounds are."""
    if rng.random() < 0.25:
        return draw_texture(rng, side_px)
    texture = (texture_gradient, texture_noise, texture_discs)[int(rng.integers(3))]
    return texture(rng, side_px, pick_colour(rng), pick_colour(rng))
