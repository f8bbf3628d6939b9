"""COCO's compressed run-length masks: text that holds a binary mask exactly, in few bytes.

A mask is read down its columns as alternating runs of 0 and 1 (the first run is of 0 and may be empty).
From the fourth run on, a run is written as its difference to the run two before it; each number goes into
characters of six bits, '0' upward: five bits of the number, lowest first, and one that says that more follow.
Format: https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c (rleToString).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FIRST = 48  # '0'
_MORE = 0x20
_SIGN = 0x10


def encode_mask(mask: NDArray[np.bool_]) -> str:
    """Compressed counts of a mask (height, width), non-zero = inside."""
    if mask.ndim != 2:
        raise ValueError(f"The mask must be (height, width). Got shape {mask.shape} instead.")
    return _write_runs(count_runs(mask))


def decode_mask(counts: str, height: int, width: int) -> NDArray[np.bool_]:
    """The mask (height, width) of compressed counts.

    Raises: ValueError where the counts are no such text, or their runs do not add up to height * width.
    """
    runs = _read_runs(counts)
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(
            f"The runs of a mask must add up to {height} x {width} pixels. Got {sum(runs)} instead."
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T.copy()


def count_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the alternating runs of 0 and 1 down the columns, the first of 0."""
    flat = np.asarray(mask, bool).T.ravel()
    if flat.size == 0:
        return []
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs: list[int] = np.diff(np.concatenate(([0], turns, [flat.size]))).tolist()
    return [0, *runs] if flat[0] else runs


def _write_runs(runs: list[int]) -> str:
    text = bytearray()
    for place, run in enumerate(runs):
        number = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits = number & 0x1F
            number >>= 5
            more = number != (-1 if bits & _SIGN else 0)
            text.append(_FIRST + (bits | _MORE if more else bits))
    return text.decode("ascii")


def _read_runs(counts: str) -> list[int]:
    runs: list[int] = []
    number = shift = 0
    for character in counts:
        bits = ord(character) - _FIRST
        if not 0 <= bits < 64:
            raise ValueError(
                f"A compressed mask holds characters '0' to 'o' only. Got {character!r} instead."
            )
        number |= (bits & 0x1F) << shift
        shift += 5
        if bits & _MORE:
            continue
        number -= (bits & _SIGN) and 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError(
            "A compressed mask must not end inside a number. Got a text that is cut off instead."
        )
    return runs
