"""Colours of drawn things: from hue, saturation and value, varied in brightness, and as tone tables.

Arithmetic that decides pixels is rounded to whole levels at once, so a last-bit difference between two
machines' floating point cannot show in a picture.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]


def from_hsv(hue: float, saturation: float, value: float) -> Rgb:
    """RGB levels 0..255 of a hue (turns, any real), saturation and value (both clipped to 0..1)."""
    red, green, blue = colorsys.hsv_to_rgb(
        hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0)
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """The colour `share` (0..1) of the way from the first to the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def brighten(colour: Rgb, factor: float) -> Rgb:
    """A colour times a factor (1 = as it is), clipped to 0..255."""
    red, green, blue = (min(max(round(level * factor), 0), 255) for level in colour)
    return red, green, blue


def spread(colour: Rgb, factors: NDArray[np.float64], alpha: int = 255) -> NDArray[np.uint8]:
    """One RGBA row (n, 4) per brightness factor (n,), all of one colour; alpha 0 (clear) .. 255 (opaque)."""
    levels = np.empty((len(factors), 4), np.uint8)
    levels[:, :3] = np.clip(np.rint(np.asarray(colour, np.float64) * factors[:, None]), 0, 255)
    levels[:, 3] = alpha
    return levels


def tone_table(gains: tuple[float, float, float], contrast: float, gamma: float, lift: float) -> list[int]:
    """Table of 3 x 256 levels for `Image.point`.

    out = (255 * (gain * in / 255) ** gamma - 128) * contrast + 128 + lift, clipped to 0..255.
    """
    levels = np.arange(256, dtype=np.float64) / 255.0
    table: list[int] = []
    for gain in gains:
        curve = 255.0 * np.clip(levels * gain, 0.0, 1.0) ** gamma
        table += [int(v) for v in np.clip(np.rint((curve - 128.0) * contrast + 128.0 + lift), 0, 255)]
    return table
