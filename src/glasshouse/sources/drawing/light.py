"""The light of a drawn picture: where it comes from, its colour, and what a camera makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from glasshouse.sources.drawing.colours import tone_table
from glasshouse.sources.drawing.fields import blur, colour_between, draw_noise, enlarge


@dataclass(frozen=True, slots=True)
class Light:
    """How a picture is lit and taken.

    angle: towards the light, radians; shade: how dark the side away from it is (0..1); shadow, shadow_length:
    strength (0..1) and reach (share of the side) of cast shadows; gains (of R, G, B), contrast, gamma, lift:
    the tone curve; vignette, dapple: how dark the corners and the patches of shade are (0..1); grain:
    standard deviation in levels; softness: blur radius as a share of the side.
    """

    angle: float
    shade: float
    shadow: float
    shadow_length: float
    gains: tuple[float, float, float]
    contrast: float
    gamma: float
    lift: float
    vignette: float
    dapple: float
    grain: float
    softness: float

    def cast(self, side_px: float) -> tuple[float, float]:
        """How far a shadow falls from its object, (x, y) in pixels of a picture with this side."""
        length = self.shadow_length * side_px
        return -math.cos(self.angle) * length, -math.sin(self.angle) * length

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Light:
        """Light from above on the whole; from dim to bright, from bluish to golden, from hard to hazy."""
        warmth = rng.normal(0.0, 0.09)
        exposure = math.exp(rng.normal(0.08, 0.14))
        return cls(
            angle=rng.uniform(-math.pi, 0.0),
            shade=rng.uniform(0.05, 0.45),
            shadow=rng.uniform(0.15, 0.7),
            shadow_length=rng.uniform(0.005, 0.035),
            gains=(exposure * (1 + warmth), exposure * (1 + rng.normal(0, 0.02)), exposure * (1 - warmth)),
            contrast=rng.uniform(0.78, 1.15),
            gamma=rng.uniform(0.82, 1.2),
            lift=rng.uniform(-12.0, 12.0),
            vignette=max(0.0, rng.uniform(-0.4, 0.45)),
            dapple=rng.uniform(0.2, 0.6) if rng.random() < 0.2 else 0.0,
            grain=rng.uniform(0.0, 6.0),
            softness=max(0.0, rng.uniform(-0.004, 0.005)),
        )


def expose(rng: np.random.Generator, picture: Image.Image, light: Light) -> NDArray[np.uint8]:
    """The picture as a camera sees it in this light, as (H, W, 3) uint8.

    In turn: dappled shade, vignette, tone curve, softness, grain.
    """
    side = picture.width
    if light.dapple:
        patches = draw_noise(rng, 4, 2, side).point(
            [min(255, max(0, (level - 96) * 4)) for level in range(256)]
        )
        floor = round(255 * (1 - light.dapple))
        picture = ImageChops.multiply(
            picture, colour_between(patches, (floor, floor, floor + 5), (255, 255, 255))
        )
    if light.vignette:
        picture = ImageChops.multiply(picture, _vignette(light.vignette, side))
    picture = picture.point(tone_table(light.gains, light.contrast, light.gamma, light.lift))
    pixels = np.asarray(blur(picture, light.softness * side), np.int16)
    grain = rng.integers(-128, 128, pixels.shape, dtype=np.int16) + rng.integers(
        -128, 128, pixels.shape, dtype=np.int16
    )
    strength = round(light.grain * 256 / 105)  # the sum of the two has a standard deviation of 105
    return np.clip(pixels + (grain * strength >> 8), 0, 255).astype(np.uint8)


def _vignette(depth: float, side: int) -> Image.Image:
    steps = np.linspace(-1.0, 1.0, 33)
    square = (steps[None, :] ** 2 + steps[:, None] ** 2) / 2
    grey = enlarge(np.rint(255.0 * (1.0 - depth * square)).astype(np.uint8), side)
    return Image.merge("RGB", (grey, grey, grey))
