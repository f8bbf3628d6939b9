"""Masks of single objects: brought to another size, packed into bits, moved by an affine map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Window = tuple[int, int, int, int]  # left, top, right, bottom of whole pixels, right and bottom exclusive


def resize_mask(
    mask: Mask, scale_xy: tuple[float, float], offset_xy: tuple[float, float], to: Window
) -> Mask:
    """A window of a mask under x -> x * scale + offset: the pixels of which half or more lies inside.

    The share of a pixel that lies inside comes from the mask's integral, which is linear between the edges of
    the mask's own pixels, and so is exact at any scale.

    Args:
        mask: (h, w).
        scale_xy: new pixels per old pixel, above 0.
        offset_xy: in new pixels.
        to: the window, in new pixels; what lies outside of the mask is not inside.
    """
    left, top, right, bottom = to
    x = np.clip((np.arange(left, right + 1) - offset_xy[0]) / scale_xy[0], 0, mask.shape[1])
    y = np.clip((np.arange(top, bottom + 1) - offset_xy[1]) / scale_xy[1], 0, mask.shape[0])
    first, last = (int(x[0]), int(y[0])), (int(np.ceil(x[-1])), int(np.ceil(y[-1])))
    part = mask[first[1] : last[1], first[0] : last[0]]
    integral = np.zeros((part.shape[0] + 1, part.shape[1] + 1))
    integral[1:, 1:] = part.cumsum(axis=0).cumsum(axis=1)
    at_edges = _read_between(_read_between(integral, y - first[1]).T, x - first[0]).T
    inside = np.diff(np.diff(at_edges, axis=0), axis=1)
    resized: Mask = inside * (scale_xy[0] * scale_xy[1]) >= 0.5 - 1e-9
    return resized


def _read_between(rows: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (n, ...) at places (m,) in 0..n - 1, linear between them."""
    below = np.minimum(places.astype(np.int64), max(len(rows) - 2, 0))
    above = np.minimum(below + 1, len(rows) - 1)
    share = (places - below)[:, None]
    between: NDArray[np.float64] = rows[below] * (1 - share) + rows[above] * share
    return between


def pack_mask(mask: Mask) -> NDArray[np.uint8]:
    """One bit a pixel, row by row, in whole bytes."""
    return np.packbits(mask)


def count_bytes(boxes_xyxy_px: NDArray[np.integer]) -> NDArray[np.int64]:
    """How many bytes `pack_mask` makes of masks that fill boxes (n, 4) of whole pixels, (n,)."""
    boxes = boxes_xyxy_px.astype(np.int64)
    pixels = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    count: NDArray[np.int64] = -(-pixels // 8)
    return count


def unpack_mask(packed: NDArray[np.uint8], height: int, width: int) -> Mask:
    """The mask (height, width) that `pack_mask` packed."""
    return np.unpackbits(packed, count=height * width).reshape(height, width).astype(bool)


@dataclass(frozen=True)
class Stamp:
    """Where a mask came to lie: `inside` (h, w) of a window, and the window's left upper pixel."""

    left_px: int
    top_px: int
    inside: Mask

    @property
    def place(self) -> tuple[slice, slice]:
        """Of the window in a picture: rows, columns."""
        height, width = self.inside.shape
        return slice(self.top_px, self.top_px + height), slice(self.left_px, self.left_px + width)

    def bound(self) -> NDArray[np.int64]:
        """The box xyxy (4,) px round what is inside.

        Raises:
            ValueError: nothing is.
        """
        rows, columns = np.flatnonzero(self.inside.any(axis=1)), np.flatnonzero(self.inside.any(axis=0))
        if not len(rows):
            raise ValueError("A stamp with nothing inside has no box.")
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        return np.asarray(box + np.tile([self.left_px, self.top_px], 2))


def move_mask(
    mask: Mask,
    left_top_px: tuple[int, int],
    matrix: NDArray[np.floating],
    shift_xy_px: NDArray[np.floating],
    region_xyxy_px: NDArray[np.floating],
) -> Stamp:
    """A mask under new point = matrix @ old point + shift, within a region of whole pixels.

    A pixel lies inside where its centre comes from a pixel that does.

    Args:
        mask: (h, w).
        left_top_px: of the mask in the old picture.
        matrix: (2, 2).
        shift_xy_px: (2,).
        region_xyxy_px: (4,), what lies outside of it is cut off.
    """
    low = np.asarray(left_top_px, np.float64)
    high = low + mask.shape[::-1]
    corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]]) @ matrix.T + shift_xy_px
    start = np.maximum(np.floor(corners.min(axis=0)), region_xyxy_px[:2]).astype(np.int64)
    end = np.minimum(np.ceil(corners.max(axis=0)), region_xyxy_px[2:]).astype(np.int64)
    columns, rows = (np.arange(a, max(a, b)) + 0.5 for a, b in zip(start, end, strict=True))
    points = np.stack(np.meshgrid(columns, rows), axis=-1)  # (h', w', 2)
    came_from = (points - shift_xy_px) @ np.linalg.inv(matrix.astype(np.float64)).T - low
    x, y = np.floor(came_from).astype(np.int64).transpose(2, 0, 1)
    within = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    inside = mask[np.where(within, y, 0), np.where(within, x, 0)] & within
    return Stamp(int(start[0]), int(start[1]), inside)
