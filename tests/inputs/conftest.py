"""Things of simple shape, for tests that compare boxes with the pixels of what they stand for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

LARGE = (240, 320)  # half a pixel of rounding must be little beside a twentieth of an object


def draw_shape(rng: np.random.Generator, shape: str) -> np.ndarray:
    """A mask (height, width) of one convex thing, some 100 px wide."""
    from PIL import Image, ImageDraw

    low = rng.integers(10, 100, 2)
    high = low + rng.integers(85, 130, 2)
    image = Image.new("1", LARGE[::-1])
    pen = ImageDraw.Draw(image)
    if shape == "triangle":
        pen.polygon([(low[0], high[1]), tuple(high), (rng.integers(low[0], high[0]), low[1])], fill=1)
    else:
        getattr(pen, shape)([*low.tolist(), *(high - 1).tolist()], fill=1)
    return np.asarray(image)


def box_around(mask: np.ndarray) -> np.ndarray:
    y, x = np.nonzero(mask)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32)


def compute_iou(one: np.ndarray, other: np.ndarray) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.maximum(sides, 0).prod())
    return shared / float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared)


@pytest.fixture(scope="session")
def shapes() -> Any:
    """`size` (height, width), `draw(rng, "ellipse" | ...)` a mask, `bound(mask)` its box, `iou(a, b)`."""
    return SimpleNamespace(size=LARGE, draw=draw_shape, bound=box_around, iou=compute_iou)
