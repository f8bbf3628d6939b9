"""Grids: the points of a feature map, in pixels of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def grid_points(
    height_px: int, width_px: int, strides: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centres of the cells of several feature maps, finest map first, row by row.

    Args:
        height_px: picture height; a cell row covers `stride` of it, the last one may reach over the edge.
        width_px: picture width.
        strides: pixels between neighbouring cells, one number a map.

    Returns:
        centres_xy_px (A, 2) and stride_px (A, 1), with A the number of cells of all maps.
    """
    centres, sizes = [], []
    for stride in strides:
        rows, columns = -(-height_px // stride), -(-width_px // stride)
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        centres.append((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride)
        sizes.append(np.full((rows * columns, 1), stride))
    return np.concatenate(centres).astype(np.float32), np.concatenate(sizes).astype(np.float32)
