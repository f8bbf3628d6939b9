"""Random fields that cover a picture: noise, gradients and discs of light.

Every field is made on a grid of fixed size and then enlarged, so that a picture's content does not depend
on how many pixels it has, and it costs little.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from glasshouse.sources.drawing.colours import Rgb, brighten, from_hsv

SOFT_SIDE = 96  # grid of the soft fields; enlarged they look out of focus


def enlarge(levels: NDArray[np.uint8], side_px: int) -> Image.Image:
    """A grid of levels (rows, columns) as a grey picture of side_px x side_px, bicubically enlarged."""
    return Image.fromarray(levels).resize((side_px, side_px), Image.Resampling.BICUBIC)


def draw_noise(rng: np.random.Generator, cells: int, octaves: int, side_px: int) -> Image.Image:
    """Grey noise, 0..255: octaves of random grids (cells, 2 * cells, ...), each half as strong."""
    grid = max(cells * 2 ** (octaves - 1), 4)
    total = np.zeros((grid, grid), np.int32)
    for octave in range(octaves):
        side = cells * 2**octave
        levels = rng.integers(0, 256, (side, side), dtype=np.uint8)
        total += np.asarray(enlarge(levels, grid), np.int32) << (octaves - 1 - octave)
    return enlarge((total // (2**octaves - 1)).astype(np.uint8), side_px)


def colour_between(weights: Image.Image, dark: Rgb, light: Rgb) -> Image.Image:
    """A grey field (0..255) as RGB: `dark` where it is 0, `light` where it is 255."""
    ramp = [
        round(a + (b - a) * level / 255.0) for a, b in zip(dark, light, strict=True) for level in range(256)
    ]
    return Image.merge("RGB", (weights, weights, weights)).point(ramp)


def draw_gradient(angle: float, side_px: int) -> Image.Image:
    """A grey ramp 0..255 across the square in the direction of an angle (radians, 0 = to the right)."""
    across = math.cos(angle)
    down = math.sin(angle)
    steps = np.linspace(-1.0, 1.0, 32)  # none is 0, where rounding to a level would be a toss-up
    ramp = (steps[None, :] * across + steps[:, None] * down) / (abs(across) + abs(down))
    return enlarge(np.rint(127.5 + 127.5 * ramp).astype(np.uint8), side_px)


def draw_discs(
    rng: np.random.Generator,
    ground: Image.Image,
    count: int,
    radii: tuple[float, float],
    hues: tuple[float, float],
) -> Image.Image:
    """Clear discs in colours of a hue range (turns) over a SOFT_SIDE ground; radii are shares of the side."""
    draw = ImageDraw.Draw(ground, "RGBA")
    for _ in range(count):
        x, y = (float(v) for v in rng.integers(-5, SOFT_SIDE + 5, 2))
        radius = SOFT_SIDE * rng.uniform(*radii)
        colour = from_hsv(rng.uniform(*hues), rng.uniform(0.15, 0.8), rng.uniform(0.3, 0.95))
        box = tuple(round(v * 8) / 8 for v in (x - radius, y - radius, x + radius, y + radius))
        draw.ellipse(box, fill=(*colour, int(rng.integers(60, 170))), outline=(*brighten(colour, 1.15), 120))
    return ground


def blur(picture: Image.Image, radius_px: float) -> Image.Image:
    """Gaussian blur (Pillow's, three box passes); nothing under 0.05 px."""
    radius = float(radius_px)
    return picture.filter(ImageFilter.GaussianBlur(radius)) if radius > 0.05 else picture
