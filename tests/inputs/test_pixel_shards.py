"""Shards of pixels grow as they are written, and are what NumPy would have saved."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from glasshouse.inputs import pixel_shards
from glasshouse.inputs.pixel_shards import PixelWriter

HEADER_BYTES = 128
PICTURE_BYTES = 4 * 6 * 3


def test_a_shard_takes_its_room_as_it_is_written(tmp_path: Path) -> None:
    """A file of its full length from the first picture on is one with holes: a full disk kills its writer."""
    writer = PixelWriter(tmp_path / "train", 1000, (4, 6, 3))
    for _ in range(10):
        writer.append(np.ones((4, 6, 3), np.uint8))
    writer.close()
    assert writer.paths[0].stat().st_size == HEADER_BYTES + 10 * PICTURE_BYTES


def test_shards_have_the_bytes_that_numpy_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_shards, "SHARD_BYTES", 2 * PICTURE_BYTES)
    pictures = np.random.default_rng(7).integers(0, 256, (3, 4, 6, 3), np.uint8)
    with PixelWriter(tmp_path / "train", 3, (4, 6, 3)) as writer:
        assert [writer.append(picture) for picture in pictures] == [0, 1, 2]
    for path, held in zip(writer.paths, (pictures[:2], pictures[2:]), strict=True):
        saved = io.BytesIO()
        np.save(saved, held)
        assert path.read_bytes() == saved.getvalue()
