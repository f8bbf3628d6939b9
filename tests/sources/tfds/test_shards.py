"""Shards of prepared sets, beside TensorFlow's own reading, and damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glasshouse.sources.example import SourceError
from glasshouse.sources.tfds import open_tfds
from glasshouse.sources.tfrecords import crc32c, read_tfrecords

tfds = pytest.importorskip("tensorflow_datasets")


def test_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4: 32 bytes of zeros


def damage_shard(farm: Path, tmp_path: Path, change: Callable[[bytes], bytes | None]) -> tuple[Path, Path]:
    """A copy of the set with the shard of `train` changed, or removed."""
    place = tmp_path / "farm" / "1.2.0"
    place.mkdir(parents=True)
    for file in (farm / "farm" / "1.2.0").iterdir():
        content = change(file.read_bytes()) if "train.tfrecord" in file.name else file.read_bytes()
        if content is not None:
            (place / file.name).write_bytes(content)
    return tmp_path, place / "farm-train.tfrecord-00000-of-00001"


@pytest.mark.parametrize(
    "change, wanted",
    [
        (lambda content: content[:-3], "record 1 is cut off"),
        (lambda content: content[: record_end(content)], "1 records instead of 2"),
        (lambda content: content[: record_end(content) + 5], "record 1 is cut off"),
        (lambda content: b"\x01" + content[1:], "record 0 is damaged"),
        (lambda content: None, "the shard is missing"),
    ],
)
def test_damaged_shards_are_named(farm: Path, tmp_path: Path, change: Any, wanted: str) -> None:
    folder, shard = damage_shard(farm, tmp_path, change)
    with pytest.raises(SourceError, match=wanted) as caught:
        list(open_tfds("farm", "all", str(folder)))
    assert str(caught.value).startswith(str(shard))


def record_end(content: bytes) -> int:
    return 12 + int(struct.unpack("<Q", content[:8])[0]) + 4


def test_records_equal_those_that_tensorflow_reads(flowers: Path) -> None:
    import tensorflow as tf

    for path in sorted(flowers.glob("*/1.2.0/*tfrecord*")):
        assert list(read_tfrecords(path)) == list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def test_unknown_file_format_is_refused() -> None:
    from glasshouse.sources.tfds import open_shards

    info = SimpleNamespace(file_format=SimpleNamespace(value="riegeli"), full_name="x/1.0.0")
    with pytest.raises(SourceError, match="prepared as riegeli; prepare it as tfrecord"):
        open_shards(SimpleNamespace(info=info), "train")
