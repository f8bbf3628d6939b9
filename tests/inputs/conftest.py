"""Things of simple shape, for tests that compare boxes with the pixels of what they stand for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.geometry.strips import pack_strips, take_strips
from glasshouse.inputs.shapes import Shapes

LARGE = (240, 320)  # half a pixel of rounding must be little beside a twentieth of an object


CONVEX = ("ellipse", "rectangle", "triangle")
ODD = ("needle", "corner", "ring", "star", "pair")


def draw_shape(rng: np.random.Generator, shape: str) -> np.ndarray:
    """A mask (height, width) of one thing, some 100 px wide: convex ones, a long and thin ellipse turned
    anyhow, two bars that meet in a corner, a ring, a star, two discs apart."""
    from PIL import Image, ImageDraw

    low = rng.integers(10, 100, 2)
    high = low + rng.integers(85, 130, 2)
    image = Image.new("1", LARGE[::-1])
    pen = ImageDraw.Draw(image)
    middle, radius = (low + high) / 2, (high - low).min() / 2
    angles = np.arange(0, 2 * np.pi, np.pi / 30) + rng.uniform(0, 2 * np.pi)
    if shape == "triangle":
        pen.polygon([(low[0], high[1]), tuple(high), (rng.integers(low[0], high[0]), low[1])], fill=1)
    elif shape == "needle":
        turn, thin = rng.uniform(0, np.pi), rng.uniform(0.12, 0.4)
        along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
        outline = np.outer(np.cos(angles), along) + thin * np.outer(np.sin(angles), across)
        pen.polygon([tuple(point) for point in middle + 1.3 * radius * outline], fill=1)
    elif shape == "corner":
        thick = rng.integers(10, 25)
        pen.rectangle((*low, low[0] + thick, high[1]), fill=1)
        pen.rectangle((low[0], high[1] - thick, *high), fill=1)
    elif shape == "ring":
        pen.ellipse([*low.tolist(), *high.tolist()], outline=1, width=12)
    elif shape == "star":
        reach = np.where(np.arange(len(angles)) % 12 < 6, 1.0, 0.35)[:, None]
        outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach
        pen.polygon([tuple(point) for point in middle + radius * outline], fill=1)
    elif shape == "pair":
        pen.ellipse((*low, *(low + 35)), fill=1)
        pen.ellipse((*(high - 35), *high), fill=1)
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


def shapes_of(masks: np.ndarray) -> Shapes:
    strips = [pack_strips(take_strips(mask)) for mask in masks]
    counts = np.array([[len(each)] for each in strips])
    return Shapes(np.concatenate(strips), (counts.cumsum() - counts[:, 0])[:, None], counts)


@pytest.fixture(scope="session")
def shapes() -> Any:
    """`size` (height, width), `draw(rng, "ellipse" | ...)` a mask, `bound(mask)` its box, `iou(a, b)`,
    `of(masks)` the `Shapes` of pictures with one object each."""
    return SimpleNamespace(size=LARGE, draw=draw_shape, bound=box_around, iou=compute_iou, of=shapes_of)
