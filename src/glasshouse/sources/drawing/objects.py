"""Objects of a drawn picture, read off its id buffer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DrawnObject:
    """A visible object: its id in the id buffer, its category, the box tight around it, and its area.

    box_xyxy_px: x_min, y_min, x_max, y_max; x right, y down, max exclusive.
    """

    object_id: int
    label: str
    box_xyxy_px: tuple[int, int, int, int]
    area_px: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn picture.

    pixels: (H, W, 3) uint8 RGB; ids: (H, W) uint8, 0 = no object; objects: in the order of their ids.
    """

    pixels: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    objects: tuple[DrawnObject, ...]


def find_objects(ids: NDArray[np.uint8], labels: list[str]) -> tuple[DrawnObject, ...]:
    """The objects 1, 2, ... of an id buffer with their labels; one without a visible pixel is left out."""
    found = []
    for object_id, label in enumerate(labels, 1):
        mask = ids == object_id
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        if columns.size == 0:
            continue
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        found.append(DrawnObject(object_id, label, box, int(np.count_nonzero(mask))))
    return tuple(found)
