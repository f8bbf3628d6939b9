from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glasshouse.sources.example import Example, LabelFault, ObjectLabel
from glasshouse.tables.gather import write_raw

SIZES = ((90, 120), (120, 90), (64, 64))


def paint(number, brightness=0):
    """A PNG of smooth blotches, unlike in every corner."""
    height, width = SIZES[number % len(SIZES)]
    blotches = np.random.default_rng(number).integers(0, 226, (5, 6, 3)).astype(np.uint8)
    picture = Image.fromarray(blotches).resize((width, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(picture, int) + brightness, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


class Shelf:
    """Pictures with two boxes each, the first of them tiny; the second file is no picture."""

    categories = ("rose", "tulip")
    faults = (
        LabelFault("labels.csv", "line 7", "box_without_area", "set_aside",
                   "the box (30, 20, 30, 20) has no area", "03.png"),
    )  # fmt: skip

    def __init__(self, pictures=24, brightness=0):
        self.pictures, self.brightness = pictures, brightness

    def __len__(self):
        return self.pictures

    def __iter__(self):
        for number in range(self.pictures):
            name, label = f"{number:02d}.png", self.categories[number % 2]
            boxes = ((5.0, 6.0, 7.0, 8.0), (10.0 + number % 7, 12.0, 50.0, 60.0 - number % 5))
            objects = tuple(ObjectLabel(label, box, origin="labels.csv") for box in boxes)
            content = b"no picture" if number == 1 else paint(number, self.brightness)
            yield Example(name, content, label, objects)


@pytest.fixture(scope="session")
def shelf():
    """Makes a data/raw of a `Shelf` at a path."""

    def make(folder: Path, **about) -> Path:
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_raw(Shelf(**about), folder)
        return folder

    return make


@pytest.fixture(scope="session")
def raw(shelf, tmp_path_factory):
    """A data/raw that no test may change."""
    return shelf(tmp_path_factory.mktemp("shelf") / "data" / "raw")
