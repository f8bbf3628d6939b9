"""Pictures to one size, and boxes there and back.

Coordinates are of pixel edges: the left edge of the first pixel is 0, the right edge of the last is the
width. So a resize by s maps x to x * s, without the half pixels that coordinates of pixel centres need.

Pixels are interpolated with Pillow's BILINEAR, a triangle filter that widens with the reduction: it does not
alias as point sampling does, blurs less than an area average (BOX) at factors like 1.25, where BOX mixes one
or two pixels by turns, does not ring at edges as LANCZOS does, and is what tf.image.resize(method="bilinear",
antialias=True) computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from glasshouse.geometry.boxes import Boxes, as_boxes, move_boxes

Pixels = NDArray[np.uint8]
FILTER = Image.Resampling.BILINEAR


class Preparation(Protocol):
    """The settings that `params.Preprocess` and `inputs.recipe.Recipe` have in common."""

    @property
    def height_px(self) -> int: ...  # noqa: D102
    @property
    def width_px(self) -> int: ...  # noqa: D102
    @property
    def resize(self) -> str: ...  # noqa: D102
    @property
    def pad_value(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Transform:
    """Where a picture went: prepared = original * scale + offset.

    Attributes:
        scale_x, scale_y: prepared pixels per original pixel, above 0.
        offset_x_px, offset_y_px: prepared pixels; positive where padding comes first, negative where edges
            are cropped.
    """

    scale_x: float
    scale_y: float
    offset_x_px: float
    offset_y_px: float

    def forward(self, boxes_xyxy_px: ArrayLike) -> Boxes:
        """Boxes (..., 4) in the original to boxes in the prepared picture, not clipped."""
        return move_boxes(boxes_xyxy_px, (self.scale_x, self.scale_y), (self.offset_x_px, self.offset_y_px))

    def inverse(self, boxes_xyxy_px: ArrayLike) -> Boxes:
        """Boxes (..., 4) in the prepared picture to boxes in the original, not clipped."""
        boxes = as_boxes(boxes_xyxy_px)
        offset = np.array([self.offset_x_px, self.offset_y_px] * 2, boxes.dtype)
        return (boxes - offset) / np.array([self.scale_x, self.scale_y] * 2, boxes.dtype)


def resize_picture(pixels: Pixels, preprocess: Preparation) -> tuple[Pixels, Transform]:
    """A picture at the size that a network takes, and where its pixels went.

    Args:
        pixels: uint8 (height, width, 3).
        preprocess: height_px and width_px of the result; resize: letterbox | crop | stretch; pad_value
            0..255.

    Returns:
        uint8 (height_px, width_px, 3), and the transform.

    Raises:
        ValueError: an unknown method.
    """
    size = (preprocess.height_px, preprocess.width_px)
    if preprocess.resize == "letterbox":
        return letterbox(pixels, size, preprocess.pad_value)
    if preprocess.resize == "crop":
        return crop_to_aspect(pixels, size)
    if preprocess.resize == "stretch":
        return stretch(pixels, size)
    raise ValueError(
        f"preprocess.resize must be letterbox, crop or stretch. Got {preprocess.resize!r} instead."
    )


def stretch(pixels: Pixels, size: tuple[int, int]) -> tuple[Pixels, Transform]:
    """The whole picture at (height, width), its aspect not kept."""
    height, width = pixels.shape[:2]
    return interpolate(pixels, size), Transform(size[1] / width, size[0] / height, 0.0, 0.0)


def letterbox(pixels: Pixels, size: tuple[int, int], pad_value: int) -> tuple[Pixels, Transform]:
    """The whole picture, its aspect kept to the nearest pixel, in the middle of (height, width); the rest is
    pad_value.

    Scales are those of the rounded inner size, so that boxes fit the pixels exactly.
    """
    height, width = pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    padded = np.full((*size, 3), pad_value, np.uint8)
    padded[top : top + inner[0], left : left + inner[1]] = interpolate(pixels, inner)
    return padded, Transform(inner[1] / width, inner[0] / height, float(left), float(top))


def crop_to_aspect(pixels: Pixels, size: tuple[int, int]) -> tuple[Pixels, Transform]:
    """The largest middle part of the picture that has the aspect of (height, width), at that size.

    The part's edges may lie between pixels; the filter weighs what it cuts.
    """
    height, width = pixels.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    part = (min(height, size[0] / scale), min(width, size[1] / scale))
    top, left = (height - part[0]) / 2, (width - part[1]) / 2
    scale_x, scale_y = size[1] / part[1], size[0] / part[0]
    cropped = interpolate(pixels, size, (left, top, left + part[1], top + part[0]))
    return cropped, Transform(scale_x, scale_y, -left * scale_x, -top * scale_y)


def interpolate(
    pixels: Pixels, size: tuple[int, int], part_xyxy_px: tuple[float, float, float, float] | None = None
) -> Pixels:
    """Pixels, or the part of them inside a box, at (height, width)."""
    if part_xyxy_px is None and size == pixels.shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), FILTER, part_xyxy_px))
