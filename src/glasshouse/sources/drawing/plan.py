"""A small map of who covers whom, to decide what may be painted where before it is painted.

The map has a fixed size whatever the picture's, so that the same decisions are made at every size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PLAN_SIDE = 96  # pixels; the picture's side
Outline = NDArray[np.float64]


class Plan:
    """Silhouettes of the objects painted so far; nothing enters that would hide one of them too much."""

    def __init__(self, least_visible: float, least_side: float) -> None:
        """An empty plan.

        least_visible: smallest visible share (0..1) of an object's area; least_side: smallest side of its
        visible box, as a share of the picture's side.
        """
        self._ids = np.zeros((PLAN_SIDE, PLAN_SIDE), np.uint8)
        self._areas: list[int] = []
        self._least_visible = least_visible
        self._least_side = least_side * PLAN_SIDE

    def add_object(self, outline: Outline) -> bool:
        """Enters an object with an outline (n, 2) in shares of the side, or returns False."""
        ids, area = self._drawn(outline, len(self._areas) + 1)
        return self._accept(ids, [*self._areas, area])

    def add_cover(self, outline: Outline, behind_last: bool = False) -> bool:
        """Enters something that is no object, in front of all or just behind the last object.

        Returns False (and changes nothing) where it would hide too much.
        """
        ids, _ = self._drawn(outline, 0)
        last = len(self._areas)
        if behind_last:
            ids = np.where(self._ids == last, self._ids, ids)
        return self._accept(ids, self._areas)

    def _drawn(self, outline: Outline, object_id: int) -> tuple[NDArray[np.uint8], int]:
        picture = Image.new("L", (PLAN_SIDE * 2, PLAN_SIDE * 2), 0)  # half a side of room on each side
        corners = np.rint((outline + 0.5) * PLAN_SIDE * 8) / 8
        ImageDraw.Draw(picture).polygon(corners.ravel().tolist(), fill=1)
        mask = np.asarray(picture, bool)
        room = PLAN_SIDE // 2
        inside = mask[room : room + PLAN_SIDE, room : room + PLAN_SIDE]
        return np.where(inside, np.uint8(object_id), self._ids), int(np.count_nonzero(mask))

    def _accept(self, ids: NDArray[np.uint8], areas: list[int]) -> bool:
        for object_id, area in enumerate(areas, 1):
            mask = ids == object_id
            visible = int(np.count_nonzero(mask))
            if visible < self._least_visible * area or visible == 0:
                return False
            width, height = int(mask.any(0).sum()), int(mask.any(1).sum())
            if min(width, height) < self._least_side:
                return False
        self._ids, self._areas = ids, areas
        return True
