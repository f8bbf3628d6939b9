"""Pictures inside an array of any of the shapes that people save them in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glasshouse.sources.example import SourceError
from glasshouse.sources.npy.files import StoredArray

BLOCK_BYTES = 64 * 2**20
WANTED = (
    "columns (height * width * channels, N), (N, height, width) or (N, height, width, channels), "
    "with square flat pictures and 1 or 3 channels"
)


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of an array.

    Attributes:
        array: where they are stored.
        axis: which axis of `array.shape` counts them.
        picture_shape: (height, width) or (height, width, channels) of each.
    """

    array: StoredArray
    axis: int
    picture_shape: tuple[int, ...]

    def __len__(self) -> int:
        """Number of pictures."""
        return self.array.shape[self.axis]

    def __iter__(self) -> Iterator[NDArray[np.generic]]:
        """The pictures one by one, of their own dtype."""
        for block in self.iter_blocks():
            yield from block

    def iter_blocks(self) -> Iterator[NDArray[np.generic]]:
        """Blocks (n, height, width[, channels]) of about BLOCK_BYTES, in the order of the pictures.

        Where the axis of the pictures varies slowest in the file they are read as they come; where it varies
        fastest, a block's part of every row of the file is gathered.
        """
        size = math.prod(self.picture_shape) * self.array.dtype.itemsize
        most = max(1, BLOCK_BYTES // size)
        stored = self.array.stored_shape
        axis = len(stored) - 1 - self.axis if self.array.fortran else self.axis
        if axis == 0:
            for rows in self.array.iter_rows(most):
                yield self.arrange(rows)
            return
        lines = max(1, BLOCK_BYTES // (math.prod(stored[1:]) * self.array.dtype.itemsize))
        for start in range(0, len(self), most):
            columns = np.empty((*stored[:-1], min(most, len(self) - start)), self.array.dtype)
            row = 0
            for rows in self.array.iter_rows(lines):
                columns[row : row + len(rows)] = rows[..., start : start + most]
                row += len(rows)
            yield self.arrange(np.moveaxis(columns, -1, 0))

    def arrange(self, block: NDArray[np.generic]) -> NDArray[np.generic]:
        """A block (n, ...) of stored order as (n, height, width[, channels])."""
        if self.array.fortran and len(self.array.shape) > 2:
            block = block.transpose(0, *range(block.ndim - 1, 0, -1))
        return block.reshape(len(block), *self.picture_shape)


def shape_pictures(array: StoredArray, labels: int) -> Pictures:
    """How so many pictures lie in an array.

    Raises:
        SourceError: in no way that is known, they are too large, or their number is another.
    """
    shape = array.shape
    if 0 in shape:
        raise SourceError(f"{array.name} is empty: its shape is {shape}.")
    if len(shape) == 2:
        axis = 0 if shape[0] == labels != shape[1] else 1
        demand_number(array, shape[axis], labels)
        inner = square(array, shape[1 - axis])
        demand_decodable(array, inner)
        return Pictures(array, axis, inner)
    if len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3, 4)):
        demand_number(array, shape[0], labels)
        inner = shape[1:3] if len(shape) == 3 or shape[3] == 1 else shape[1:]
        demand_decodable(array, inner)
        return Pictures(array, 0, inner)
    raise SourceError(f"{array.name} has the shape {shape}; expected {WANTED}. Transpose it before saving.")


def demand_number(array: StoredArray, pictures: int, labels: int) -> None:
    """Demand as many labels as pictures."""
    if pictures != labels:
        raise SourceError(
            f"{array.name} has the shape {array.shape}, which is {pictures} pictures, and there are {labels} "
            f"labels; expected {WANTED}, and one label for each of the N."
        )


def demand_decodable(array: StoredArray, picture_shape: tuple[int, ...]) -> None:
    """Demand pictures that will be decoded: one of the others alone may fill the memory."""
    height, width, *_ = picture_shape
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and height * width > limit:
        raise SourceError(
            f"{array.name} has the shape {array.shape}: pictures of {width} x {height} pixels are too large, "
            f"the limit is {limit:,} in all. Save smaller ones."
        )


def square(array: StoredArray, pixels: int) -> tuple[int, ...]:
    """The shape of a flat picture; raises SourceError where it is not square."""
    for channels in (1, 3):
        side = math.isqrt(pixels // channels)
        if side * side * channels == pixels:
            return (side, side) if channels == 1 else (side, side, 3)
    raise SourceError(
        f"{array.name} has the shape {array.shape}: {pixels} is neither side * side nor side * side * 3, so "
        "the sides of its pictures cannot be told. Save them as (N, height, width[, channels])."
    )
