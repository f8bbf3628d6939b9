"""What the numbers in an array of pictures mean as levels of 8 bits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glasshouse.sources.example import SourceError
from glasshouse.sources.npy.shapes import Pictures


@dataclass(frozen=True, slots=True)
class Levels:
    """How to read the levels of an array.

    Attributes:
        scale: what a number is multiplied with to be 0..255.
        not_finite: {number of a picture: how many of its levels are NaN or infinite}.
    """

    scale: float = 1.0
    not_finite: dict[int, int] = field(default_factory=dict)

    def convert(self, pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
        """A picture in 8 bits: the nearest level to each number."""
        if pixels.dtype == np.uint8:
            return np.ascontiguousarray(pixels).astype(np.uint8)
        scaled = np.asarray(pixels, np.float64) * self.scale
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def measure_levels(pictures: Pictures) -> Levels:
    """Go once through all pictures (uint8 need it not) for the range of their levels.

    Raises:
        SourceError: they are no numbers, below 0 or above 255, or none is finite.
    """
    array = pictures.array
    if array.dtype == np.uint8:
        return Levels()
    if array.dtype.kind not in "biuf":
        raise SourceError(f"{array.name} has the dtype {array.dtype}; levels must be integers or floats.")
    low, high, not_finite, start = np.inf, -np.inf, dict[int, int](), 0
    for block in pictures.iter_blocks():
        values = block.reshape(len(block), -1)
        finite = np.isfinite(values)
        not_finite |= {
            start + int(place): int((~finite[place]).sum()) for place in np.flatnonzero(~finite.all(1))
        }
        sound = values[finite]
        if sound.size:
            low, high = min(low, float(sound.min())), max(high, float(sound.max()))
        start += len(block)
    if low > high:
        raise SourceError(f"{array.name}: none of its levels is finite.")
    if low < 0 or high > 255:
        raise SourceError(
            f"{array.name}: its levels run from {low:g} to {high:g}; expected 0..255, or 0..1 as floats. "
            "Undo whatever normalised them before saving."
        )
    unit = array.dtype.kind == "b" or (array.dtype.kind == "f" and high <= 1)
    return Levels(255.0 if unit else 1.0, not_finite)
