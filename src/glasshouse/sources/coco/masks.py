"""Masks as runs: COCO's run lengths as intervals (sources/outlines.py), and those as compressed text.

Time and memory go with the outlines, not with the pictures; `write_counts` takes many masks at once. The text
is that of geometry/rle.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.sources.coco.files import MAX_SIDE_PX, name_kind
from glasshouse.sources.outlines import Box, Intervals, Outline, box_polygon, merge_intervals

Runs = tuple[Intervals, int, int]  # with height and width
LONGEST = 12  # characters of five bits that a number of int64 takes


def read_counts(counts: str | Sequence[int], height: int, width: int) -> Intervals:
    """The intervals of COCO's run lengths, compressed (text) or not (numbers).

    Raises:
        ValueError: they are neither, or do not add up to height * width; the message is a sentence.
    """
    runs = _read_text(counts) if isinstance(counts, str) else _read_numbers(counts)
    total = height * width
    if ((runs < 0) | (runs > total)).any() or runs.sum() != total:
        raise ValueError(f"its runs do not add up to the {height} x {width} pixels of its size")
    bounds = np.cumsum(runs)
    inside = bounds[: len(bounds) // 2 * 2].reshape(-1, 2)
    return merge_intervals(inside)


def _read_numbers(counts: Sequence[int]) -> NDArray[np.int64]:
    if not all(type(count) is int and -1 <= count < 2**48 for count in counts):
        raise ValueError("its runs are not all whole numbers")
    return np.array(counts, np.int64)


def _read_text(text: str) -> NDArray[np.int64]:
    codes = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64) - 48
    if ((codes < 0) | (codes > 63)).any() or (len(codes) and codes[-1] & 32):
        raise ValueError("its counts are no compressed run lengths, or are cut off")
    ends = np.flatnonzero((codes & 32) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
    lengths = ends - starts + 1
    if (lengths > LONGEST - 2).any():
        raise ValueError("its counts hold a number that no picture has")
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    runs = np.add.reduceat((codes & 31) << shifts, starts) if len(codes) else codes
    runs -= np.where(codes[ends] & 16, 1 << 5 * lengths, 0)
    runs[1::2] = np.cumsum(runs[1::2])  # from the fourth on, the difference to the run two before
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def write_counts(masks: Sequence[Runs]) -> list[str]:
    """Compressed counts of (intervals, height, width) each."""
    runs = [_list_runs(intervals, height * width) for intervals, height, width in masks]
    lengths = np.array([len(one) for one in runs], np.int64)
    numbers = np.concatenate([*runs, np.empty(0, np.int64)])
    place = np.arange(len(numbers)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    later = np.flatnonzero(place > 2)
    numbers[later] -= np.concatenate([*runs, np.empty(0, np.int64)])[later - 2]
    codes = np.zeros((len(numbers), LONGEST), np.uint8)
    open_ = np.ones(len(numbers), bool)
    for digit in range(LONGEST):
        if not open_.any():
            break
        bits = numbers & 31
        numbers >>= 5
        more = numbers != np.where(bits & 16, -1, 0)
        codes[open_, digit] = (bits + 32 * more + 48)[open_]
        open_ &= more
    ends = np.cumsum(np.count_nonzero(codes, axis=1))
    text = codes[codes > 0].tobytes().decode("ascii")
    bounds = np.concatenate(([0], ends))[np.concatenate(([0], np.cumsum(lengths)))].tolist()
    return [text[low:high] for low, high in pairwise(bounds)]


def _list_runs(intervals: Intervals, total: int) -> NDArray[np.int64]:
    runs = np.diff(np.concatenate(([0], intervals.ravel(), [total])))
    return runs if runs[-1] or len(runs) == 1 else runs[:-1]


def bound_intervals(intervals: Intervals, height: int) -> Box:
    """The smallest box x min, y min, x max, y max (maximum exclusive) around a mask that is not empty."""
    start, last = intervals[:, 0], intervals[:, 1] - 1
    one_column = start // height == last // height
    top = np.where(one_column, start % height, 0).min()
    bottom = np.where(one_column, last % height, height - 1).max()
    return float(start[0] // height), float(top), float(last[-1] // height + 1), float(bottom + 1)


def read_rle(rle: dict[str, Any], size: tuple[int, int] | None) -> Runs:
    """Runs with the height and width that they say; raises ValueError with a sentence."""
    sides, counts = rle.get("size"), rle.get("counts")
    if not isinstance(sides, list) or len(sides) != 2 or not all(type(side) is int for side in sides):
        raise ValueError("its size is not [height, width]")
    height, width = sides
    if not (1 <= height <= MAX_SIDE_PX and 1 <= width <= MAX_SIDE_PX) or size not in (None, (height, width)):
        image = f"; its image has {size[0]} x {size[1]}" if size else ""
        raise ValueError(f"its size is {height} x {width}{image}")
    if not isinstance(counts, str | list):
        raise ValueError(f"its counts is {name_kind(counts)}, neither text nor a list of numbers")
    return read_counts(counts, height, width), height, width


def bound_shape(shape: Outline | Runs | None) -> Box | None:
    """The box around the corners of an outline or the pixels of runs; None where there are none."""
    if isinstance(shape, Outline):
        return box_polygon(np.concatenate(shape.polygons))
    return bound_intervals(shape[0], shape[1]) if shape is not None and len(shape[0]) else None
