"""Masks of prepared objects: bits on disk, of which a training reads those that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.masks import Mask, count_bytes, pack_mask, unpack_mask

MASKS, MASK_BOXES = "masks.npy", "mask_boxes.npy"

PlacedMask = tuple[Mask, tuple[int, int]]  # a mask, and its left upper pixel (x, y)


@dataclass(frozen=True)
class Masks:
    """Masks of the objects of P pictures, N places each, in prepared pixels.

    bits (bytes,) uint8: all masks one after another (`geometry.masks.pack_mask`), mapped from a file.
    boxes_xyxy_px (P, N, 4) int32: whole pixels that a mask fills, all 0 for none.  starts (P, N) int64: its
    first byte.
    """

    bits: NDArray[np.uint8]
    boxes_xyxy_px: NDArray[np.int32]
    starts: NDArray[np.int64]

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(P, N): whether there is a mask."""
        return np.asarray((self.boxes_xyxy_px[..., 2:] > self.boxes_xyxy_px[..., :2]).all(axis=-1))

    @cached_property
    def holders(self) -> NDArray[np.int64]:
        """Pictures with a mask, rising."""
        return np.flatnonzero(self.known.any(axis=1))

    def read(self, row: int, slot: int) -> PlacedMask:
        """The mask of one object, and where it lies."""
        left, top, right, bottom = self.boxes_xyxy_px[row, slot].tolist()
        return unpack_mask(self._packed(row, slot), bottom - top, right - left), (left, top)

    def count(self, row: int, slot: int) -> int:
        """Pixels inside the mask of one object."""
        return int(np.bitwise_count(self._packed(row, slot)).sum())

    def _packed(self, row: int, slot: int) -> NDArray[np.uint8]:
        start, box = int(self.starts[row, slot]), self.boxes_xyxy_px[row, slot]
        return np.asarray(self.bits[start : start + int(count_bytes(box[None])[0])])


def write_masks(folder: Path, masks: Sequence[PlacedMask | None]) -> None:
    """Write the masks of a split's objects, each with its left upper pixel; no file where none has one."""
    if not any(masks):
        return
    boxes = np.zeros((len(masks), 4), np.int32)
    for row, found in enumerate(masks):
        if found is not None:
            mask, (left, top) = found
            boxes[row] = (left, top, left + mask.shape[1], top + mask.shape[0])
    packed = [pack_mask(found[0]) for found in masks if found is not None]
    np.save(folder / MASK_BOXES, boxes)
    np.save(folder / MASKS, np.concatenate(packed))


def open_masks(folder: Path, objects: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]] | None:
    """Bits, mapped, and boxes (objects, 4) of a split's masks; None where there are none.

    Raises:
        ValueError: the files do not belong together, or not to so many objects.
    """
    if not (folder / MASKS).is_file():
        return None
    bits, boxes = np.load(folder / MASKS, mmap_mode="r"), np.load(folder / MASK_BOXES)
    if len(boxes) != objects or len(bits) != count_bytes(boxes).sum():
        raise ValueError(
            f"{folder / MASKS}: {len(bits)} bytes and {len(boxes)} boxes for {objects} objects; "
            "run `dvc repro preprocess` again."
        )
    return bits, boxes
