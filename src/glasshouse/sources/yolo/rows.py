"""Rows of YOLO label files: `class cx cy width height`, or `class x1 y1 x2 y2 x3 y3 ...`, all relative.

Relative to the upright picture's width and height, as Ultralytics reads them. A rounded sixth digit may take
an edge over the picture's: up to 1e-6 of the side that is put back, more is left for `tables.settle` to clip.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from glasshouse.sources.example import ObjectLabel
from glasshouse.sources.headers import Header
from glasshouse.sources.outlines import Box, box_polygon, fill_polygon

TOLERANCE = 1e-6  # of the side: the last of the six digits that most tools write
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
BOX_NUMBERS = 5
POLYGON_NUMBERS = 7  # class and three points


class BadRow(ValueError):
    """A row that is left out; `kind` is the short name of the fault, the message a sentence."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class YoloRow:
    """One sound row.

    Attributes:
        class_id: number of the class, from 0.
        box: x min, y min, x max, y max, relative to the upright picture.
        points: corners of the polygon (N, 2), relative; () for a box.
        repaired: the class id was written as a decimal number.
    """

    class_id: int
    box: Box
    points: tuple[tuple[float, float], ...]
    repaired: bool


def parse_row(line: str, keypoints: int) -> YoloRow:
    """A row of numbers; raises BadRow.

    Args:
        line: one line, not empty.
        keypoints: how many numbers follow the box in each row of a pose data set, 0 for none.
    """
    words = line.split()
    wrong = next((word for word in words if not NUMBER.fullmatch(word)), None)
    if wrong is not None:
        raise BadRow("not_a_number", f"{wrong!r} is not a number; expected `class cx cy width height`.")
    demand_count(len(words), keypoints)
    values = [float(word) for word in words]
    if not values[0].is_integer() or values[0] < 0:
        raise BadRow("class_id", f"The class must be 0, 1, 2, ... Got {words[0]} instead.")
    is_box = len(words) == BOX_NUMBERS or len(words) == BOX_NUMBERS + keypoints
    places = values[1:BOX_NUMBERS] if is_box else values[1:]
    demand_relative(places, words[1:])
    points = () if is_box else tuple(zip(places[::2], places[1::2], strict=True))
    box = snap(box_polygon(points) if points else read_box(places))
    return YoloRow(int(values[0]), box, points, not words[0].isdecimal())


def demand_count(count: int, keypoints: int) -> None:
    """Demand a number of numbers that a box or a polygon has."""
    if count in (BOX_NUMBERS, BOX_NUMBERS + keypoints) or (count >= POLYGON_NUMBERS and count % 2):
        return
    if count == BOX_NUMBERS + 1:
        reason = (
            "6 numbers; expected 5: `class cx cy width height`. A sixth is a confidence: the row is a "
            "prediction, and no label."
        )
    elif count < BOX_NUMBERS:
        reason = f"{count} numbers; expected 5: `class cx cy width height`."
    else:
        reason = f"{count} numbers; a polygon has an odd count: the class, and x and y of each corner."
    raise BadRow("number_count", reason)


def demand_relative(values: list[float], words: list[str]) -> None:
    """Demand numbers from 0 to 1."""
    for value, word in zip(values, words, strict=False):
        if not math.isfinite(value):
            raise BadRow("not_finite", f"{word} is no place in a picture.")
        if not -TOLERANCE <= value <= 1 + TOLERANCE:
            raise BadRow(
                "not_relative",
                f"{word} is not within 0..1: places and sizes must be shares of the picture's sides.",
            )


def read_box(values: list[float]) -> Box:
    """Corners from centre and size."""
    x, y, width, height = values
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def snap(box: Box) -> Box:
    """The box with edges that rounding took over the picture's put back."""
    x_min, y_min, x_max, y_max = (
        0.0 if -TOLERANCE <= edge < 0 else 1.0 if 1 < edge <= 1 + TOLERANCE else edge for edge in box
    )
    return x_min, y_min, x_max, y_max


def place_row(row: YoloRow, name: str, header: Header, origin: str) -> ObjectLabel:
    """The object of a row, on the picture's stored pixels."""
    height, width = header.upright_size
    x_min, y_min, x_max, y_max = row.box
    box = header.store_box((x_min * width, y_min * height, x_max * width, y_max * height))
    mask = None
    if row.points:
        mask = header.store_mask(fill_polygon(np.array(row.points) * [width, height], height, width))
    return ObjectLabel(name, box, mask=mask, origin=origin)
