"""Masks in records of TensorFlow Datasets: pictures of one channel whose levels say what is where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.pictures.decode import UndecodablePicture, open_image

TRIMAP = (1, 2, 3)  # the object, what is around it, and the border between, which is neither


def decode_levels(data: bytes, shape: tuple[int, int]) -> NDArray[np.integer[Any]] | str:
    """The numbers (height, width) in a picture of one channel, or why they cannot be used."""
    try:
        image = open_image(data)
        image.load()
    except (UndecodablePicture, OSError, ValueError, SyntaxError) as error:
        return f"the mask cannot be decoded ({error})"
    if (image.height, image.width) != shape:
        return f"the mask has {image.width} x {image.height} pixels, the picture {shape[1]} x {shape[0]}"
    levels = np.asarray(image if image.mode not in ("RGB", "RGBA", "LA") else image.getchannel(0))
    return levels.astype(np.int64)


def surround(inside: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """x min, y min, x max, y max in pixels of the smallest box around a mask that is not empty."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def find_inside(levels: NDArray[np.integer[Any]]) -> NDArray[np.bool_] | str:
    """Where the object of a mask is, or why that cannot be said.

    A trimap has no level but 1, 2 and 3: the object, what is around it, and the border between them, which
    belongs to neither ("not classified", as oxford_iiit_pet has it). Any other mask has 0 around the object
    and one other level inside.
    """
    found = np.unique(levels).tolist()
    if set(found) <= {*TRIMAP}:
        inside = levels == TRIMAP[0]
    elif len([level for level in found if level]) <= 1:
        inside = levels != 0
    else:
        first = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        return (
            f"the mask has the levels {first}; expected 1, 2, 3 (object, around, border) or 0 and one other"
        )
    return inside if inside.any() else "the mask shows nothing of the object"
