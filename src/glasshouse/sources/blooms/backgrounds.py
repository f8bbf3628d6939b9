"""What lies behind the flowers: light out of focus, leaves, soil, sky, a painted wall, grass."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops

from glasshouse.sources.blooms.foliage import LEAF_PROFILES, draw_grass, draw_leaf, pick_green
from glasshouse.sources.drawing.canvas import Block, Canvas, Layer, paint, scaled
from glasshouse.sources.drawing.colours import Rgb, brighten, from_hsv, mix, spread
from glasshouse.sources.drawing.fields import (
    SOFT_SIDE,
    blur,
    colour_between,
    draw_discs,
    draw_gradient,
    draw_noise,
)

Painter = Callable[[np.random.Generator, int], Image.Image]


def _enlarged(ground: Image.Image, side_px: int, blur_share: float) -> Image.Image:
    soft = blur(ground, blur_share * ground.width)
    return soft.resize((side_px, side_px), Image.Resampling.BICUBIC)


def paint_bokeh(rng: np.random.Generator, side_px: int) -> Image.Image:
    """Discs of light over a dim gradient."""
    dark = from_hsv(rng.uniform(0.15, 0.55), rng.uniform(0.3, 0.8), rng.uniform(0.05, 0.35))
    light = from_hsv(rng.uniform(0.12, 0.45), rng.uniform(0.2, 0.7), rng.uniform(0.35, 0.8))
    ground = colour_between(draw_gradient(rng.uniform(0.0, 6.28), SOFT_SIDE), dark, light)
    hues = (0.1, 0.45) if rng.random() < 0.7 else (0.0, 1.0)
    discs = draw_discs(rng, ground, int(rng.integers(6, 26)), (0.03, 0.16), hues)
    return _enlarged(discs, side_px, rng.uniform(0.005, 0.05))


def paint_leaves(rng: np.random.Generator, side_px: int) -> Image.Image:
    """Leaves in layers over dark green, from sharp to well out of focus."""
    green = pick_green(rng)
    noise = draw_noise(rng, 4, 2, side_px)
    canvas = Canvas(colour_between(noise, brighten(green, 0.2), brighten(green, 0.6)))
    kinds = list(LEAF_PROFILES)
    kind = kinds[int(rng.integers(len(kinds)))]
    blocks: list[Block] = []
    for step in range(int(rng.integers(14, 30))):
        x, y, angle = rng.uniform(-0.1, 1.1), rng.uniform(-0.1, 1.1), rng.uniform(0.0, 6.28)
        tint = brighten(mix(green, pick_green(rng), 0.35), 0.55 + 0.02 * step)
        blocks += draw_leaf(rng, kind, (x, y), angle, rng.uniform(0.18, 0.5), tint)
    canvas.place(paint(scaled(blocks, side_px)))
    sharpness = rng.random()
    return blur(canvas.picture, side_px * 0.02 * sharpness * sharpness)


def paint_soil(rng: np.random.Generator, side_px: int) -> Image.Image:
    """Brown ground with crumbs and pebbles."""
    brown = from_hsv(rng.uniform(0.04, 0.11), rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.5))
    noise = draw_noise(rng, 7, 4, side_px)
    canvas = Canvas(colour_between(noise, brighten(brown, 0.3), brighten(brown, 1.5)))
    canvas.place(_pebbles(rng, int(rng.integers(15, 70)), brown, side_px))
    return blur(canvas.picture, side_px * rng.uniform(0.0, 0.006))


def _pebbles(rng: np.random.Generator, count: int, colour: Rgb, side_px: int) -> Layer:
    angles = np.linspace(0.0, 2 * math.pi, 9, endpoint=False)
    radii = rng.uniform(0.006, 0.03, (count, 1)) * rng.uniform(0.7, 1.2, (count, 9))
    centres = rng.uniform(-0.02, 1.02, (count, 2))
    corners = np.stack((radii * np.cos(angles), 0.8 * radii * np.sin(angles)), 2) + centres[:, None]
    shade = Block(corners + 0.004, spread(brighten(colour, 0.3), np.ones(count)))
    stones = Block(corners, spread(mix(colour, (150, 145, 140), 0.5), rng.uniform(0.5, 1.4, count)))
    return paint(scaled([shade, stones], side_px))


def paint_sky(rng: np.random.Generator, side_px: int) -> Image.Image:
    """A sky with soft clouds, sometimes above a blurred hedge."""
    zenith = from_hsv(rng.uniform(0.52, 0.64), rng.uniform(0.2, 0.75), rng.uniform(0.5, 0.98))
    haze = from_hsv(rng.uniform(0.05, 0.6), rng.uniform(0.0, 0.25), rng.uniform(0.75, 1.0))
    ground = colour_between(draw_gradient(math.pi / 2, SOFT_SIDE), zenith, haze)
    clouds = draw_noise(rng, 3, 3, SOFT_SIDE).point(
        [max(0, min(255, (level - 120) * 3)) for level in range(256)]
    )
    ground.paste((250, 250, 252), (0, 0), clouds.point([round(level * 0.6) for level in range(256)]))
    if rng.random() < 0.5:
        hedge = colour_between(
            draw_noise(rng, 6, 2, SOFT_SIDE), brighten(pick_green(rng), 0.5), pick_green(rng)
        )
        ground.paste(hedge, (0, int(SOFT_SIDE * rng.uniform(0.5, 0.9))))
    return _enlarged(ground, side_px, rng.uniform(0.004, 0.02))


def paint_wall(rng: np.random.Generator, side_px: int) -> Image.Image:
    """A surface of one colour, cloudy or grained, lit from one side."""
    colour = from_hsv(rng.random(), rng.uniform(0.0, 0.5), rng.uniform(0.15, 0.95))
    noise = draw_noise(rng, int(rng.integers(2, 9)), 4, side_px)
    wall = colour_between(noise, brighten(colour, rng.uniform(0.6, 0.9)), brighten(colour, 1.12))
    light = colour_between(draw_gradient(rng.uniform(0.0, 6.28), side_px), (150, 150, 155), (255, 255, 255))
    return ImageChops.multiply(wall, light)


def paint_grass(rng: np.random.Generator, side_px: int) -> Image.Image:
    """A meadow: blades of grass over dark ground, a lighter distance behind."""
    green = pick_green(rng)
    far = mix(green, from_hsv(rng.uniform(0.1, 0.6), 0.2, 0.9), rng.uniform(0.0, 0.6))
    ground = colour_between(draw_gradient(math.pi / 2, SOFT_SIDE), far, brighten(green, 0.35))
    canvas = Canvas(_enlarged(draw_discs(rng, ground, 10, (0.04, 0.14), (0.15, 0.4)), side_px, 0.03))
    rows = [
        draw_grass(rng, 45, y, (0.15, 0.45), brighten(green, 0.7 + 0.3 * y)) for y in (0.45, 0.7, 0.95, 1.1)
    ]
    canvas.place(paint(scaled(rows, side_px)))
    return blur(canvas.picture, side_px * rng.uniform(0.0, 0.012))


BACKGROUNDS: tuple[Painter, ...] = (paint_bokeh, paint_leaves, paint_soil, paint_sky, paint_wall, paint_grass)


def paint_background(rng: np.random.Generator, side_px: int) -> Image.Image:
    """One of the backgrounds, each equally likely, as RGB (side_px, side_px)."""
    return BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))](rng, side_px)
