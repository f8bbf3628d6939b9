"""Windows of one size cut from pictures, and boxes found in them put back in place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.models.lazy import ops


@dataclass(frozen=True)
class Windows:
    """The windows of (height_px, width_px) in a picture that was brought to (picture_height_px, ...).

    Args:
        height_px, width_px: of a window.
        picture_height_px, picture_width_px: of the picture that they are cut from.
        offsets_px: (n, 2) whole numbers, left and top of each window.
    """

    height_px: int
    width_px: int
    picture_height_px: int
    picture_width_px: int
    offsets_px: NDArray[np.int64]

    def cut(self, pixels: Any) -> Any:
        """Pictures (B, h, w, 3) of any size -> windows (B * n, height_px, width_px, 3), by picture."""
        size = (self.picture_height_px, self.picture_width_px)
        if tuple(pixels.shape[1:3]) != size:
            pixels = enlarge(pixels, size)
        parts = [
            pixels[:, top : top + self.height_px, left : left + self.width_px]
            for left, top in self.offsets_px.tolist()
        ]
        return ops.reshape(ops.stack(parts, axis=1), (-1, self.height_px, self.width_px, pixels.shape[-1]))

    def gather(self, values: Any) -> Any:
        """One row a window (B * n, 1, D) -> all of a picture together (B, n, D)."""
        return ops.reshape(values, (-1, len(self.offsets_px), values.shape[-1]))

    def place(self, boxes_xyxy_px: Any) -> Any:
        """Boxes (B, n, 4), each in pixels of its window -> shares of the whole picture."""
        offsets = ops.convert_to_tensor(np.tile(self.offsets_px, 2).astype(np.float32))
        side = [self.picture_width_px, self.picture_height_px] * 2
        return (boxes_xyxy_px + offsets) / ops.convert_to_tensor(side, dtype="float32")

    def are_whole(self, boxes_xyxy_px: Any, margin: float) -> Any:
        """1 for boxes (B, n, 4) that keep `margin`, a share of the window's side, away from every edge of
        their window that lies inside of the picture, else 0.

        An object that an edge cuts through is whole in a neighbouring window, or in a larger one.
        """
        left, top = self.offsets_px.T
        inner = np.stack(
            [
                left > 0,
                top > 0,
                left + self.width_px < self.picture_width_px,
                top + self.height_px < self.picture_height_px,
            ],
            axis=1,
        )
        side = np.array([self.width_px, self.height_px], np.float32)
        right_below = ops.subtract(side, boxes_xyxy_px[..., 2:])
        room = ops.concatenate([boxes_xyxy_px[..., :2], right_below], axis=-1)
        near = ops.logical_and(ops.less(room, np.tile(margin * side, 2)), inner)
        return ops.cast(ops.logical_not(ops.any(near, axis=-1)), "float32")


def enlarge(pixels: Any, size: tuple[int, int]) -> Any:
    """Pictures (B, h, w, C) at (height, width), bilinear, written as two products with constant matrices.

    The resize operator of ONNX takes factors instead of sizes, and rounds 96 * (160 / 96) down to 159.
    """
    height, width, channels = pixels.shape[1:]
    rows = ops.reshape(pixels, (-1, height, width * channels))
    rows = ops.matmul(interpolate(height, size[0]), rows)  # (B, H, w * C)
    return ops.matmul(interpolate(width, size[1]), ops.reshape(rows, (-1, size[0], width, channels)))


def interpolate(few: int, many: int) -> NDArray[np.float32]:
    """(many, few) weights of linear interpolation; positions are of pixel centres, edges repeat."""
    place = np.clip((np.arange(many) + 0.5) * few / many - 0.5, 0, few - 1)
    distance = np.abs(place[:, None] - np.arange(few))
    return np.maximum(1.0 - distance, 0.0).astype(np.float32)


def count_beside(share: float, step: float) -> int:
    """How many windows of a `share` of the side stand beside each other, `step` of their side apart at most;
    as many stand below each other."""
    return 1 + math.ceil((1 - share) / (share * step) - 1e-9)


def lay_windows(height_px: int, width_px: int, shares: Sequence[float], step: float) -> list[Windows]:
    """For each share of the picture's sides the windows that cover it evenly.

    Args:
        height_px, width_px: what the network takes: the pictures' own size and that of every window, for
            which the picture is enlarged.
        shares: sides of the windows as shares of the picture's, 0..1.
        step: largest distance of neighbouring windows, as a share of the window's side.
    """
    laid = []
    for share in shares:
        whole = round(height_px / share), round(width_px / share)
        count = count_beside(share, step)
        tops, lefts = (
            np.linspace(0, large - small, count).round().astype(np.int64)
            for large, small in zip(whole, (height_px, width_px), strict=True)
        )
        offsets = np.stack(np.meshgrid(lefts, tops), axis=-1).reshape(-1, 2)
        laid.append(Windows(height_px, width_px, *whole, offsets))
    return laid
