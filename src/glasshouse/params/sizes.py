"""Sizes of pictures (height, width) in px, as networks take them."""

from __future__ import annotations

from collections.abc import Sequence

STRIDE = 32  # of the coarsest level, on which necks and detectors stand: sides are multiples of it

Size = tuple[int, int]  # (height, width) px


def fit_sizes(heights_px: Sequence[int], size: Size) -> list[Size]:
    """Sizes of these heights, each once, of the shape of `size` as nearly as whole strides allow."""
    height, width = size
    return [
        (each, max(round(each * width / height / STRIDE), 1) * STRIDE) for each in dict.fromkeys(heights_px)
    ]
