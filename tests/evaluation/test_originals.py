"""Original pictures, read at random out of their shards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from glasshouse.evaluation.originals import picture_reader
from glasshouse.sources.example import Example, LabelFault
from glasshouse.tables import writers
from glasshouse.tables.gather import write_raw
from glasshouse.tables.raw import list_shards

COUNT = 9


class Listed:
    """A source over a list."""

    categories = ("rose",)
    faults: tuple[LabelFault, ...] = ()

    def __init__(self, examples: list[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)


def paint(number: int) -> np.ndarray:
    """Every picture has its own size."""
    return np.random.default_rng(number).integers(0, 256, (60 + number, 20, 3), np.uint8)


def encode(number: int, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(paint(number)).save(file, "PNG", exif=exif)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nine pictures, two a row group and four a shard; the fifth stands on its side."""
    size = len(encode(0))
    monkeypatch.setattr(writers, "GROUP_BYTES", int(1.2 * size))
    monkeypatch.setattr(writers, "SHARD_BYTES", int(3.5 * size))
    examples = [Example(f"{n}.png", encode(n, 6 if n == 4 else 1), "rose") for n in range(COUNT)]
    write_raw(Listed(examples), tmp_path / "raw")
    shards = list_shards(tmp_path / "raw")
    assert [pq.ParquetFile(path).num_row_groups for path in shards] == [2, 2, 1]
    return tmp_path / "raw"


def test_any_picture_is_found_in_any_order(folder: Path) -> None:
    read = picture_reader(folder)
    for image_id in (9, 1, 4, 4, 2, 8, 3, 6, 7):
        assert np.array_equal(read(image_id), paint(image_id - 1)), image_id


def test_pictures_stand_upright(folder: Path) -> None:
    # Orientation 6: the camera was turned, and a quarter turn clockwise rights the picture.
    assert np.array_equal(picture_reader(folder)(5), np.rot90(paint(4), k=-1))


@pytest.mark.parametrize("image_id", [0, 10, -1])
def test_a_number_that_none_has_is_named(folder: Path, image_id: int) -> None:
    with pytest.raises(KeyError, match=rf"raw holds no picture with image_id {image_id}\."):
        picture_reader(folder)(image_id)


def test_a_missing_shard_is_named(folder: Path) -> None:
    list_shards(folder)[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"pictures-00001-of-00003\.parquet is missing"):
        picture_reader(folder)
