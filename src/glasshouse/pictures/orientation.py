"""EXIF orientation: how the stored pixels of a picture are turned upright, and all that is drawn on them.

Orientation (tag 0x0112, 1..8): Exif 2.32 (CIPA DC-008-2019), section 4.6.4 A. Every turn is a mirroring of
the stored columns or rows or both, then, for 5 to 8, an exchange of x and y.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

# orientation: (columns mirrored, rows mirrored, then x and y exchanged)
TURNS = {
    1: (False, False, False),
    2: (True, False, False),
    3: (True, True, False),
    4: (False, True, False),
    5: (False, False, True),
    6: (False, True, True),
    7: (True, True, True),
    8: (True, False, True),
}


def turn_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(height, width) upright from stored, or stored from upright."""
    height, width = size
    return (width, height) if TURNS[orientation][2] else size


def turn_array(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Upright view of stored pixels or of a mask (height, width, ...)."""
    mirror_x, mirror_y, exchange = TURNS[orientation]
    turned = stored[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
    return np.swapaxes(turned, 0, 1) if exchange else turned


def turn_box(box_xyxy_px: Box, stored_size: tuple[int, int], orientation: int) -> Box:
    """A box (x min, y min, x max, y max) on stored pixels of size (height, width), on the upright ones."""
    x_min, y_min, x_max, y_max = box_xyxy_px
    height, width = stored_size
    mirror_x, mirror_y, exchange = TURNS[orientation]
    if mirror_x:
        x_min, x_max = width - x_max, width - x_min
    if mirror_y:
        y_min, y_max = height - y_max, height - y_min
    return (y_min, x_min, y_max, x_max) if exchange else (x_min, y_min, x_max, y_max)
