"""The tables and shards of all prepared splits together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glasshouse.inputs import pixel_shards
from glasshouse.inputs.manifest import read_manifest, read_shards
from glasshouse.inputs.pixel_shards import PixelWriter
from glasshouse.tables.schema import build_frame, check_schema, write_table

IMAGES = {  # split -> image ids; of every split the first picture has an object
    "test": [4],
    "train": [1, 3, 6],
    "valid": [2, 5],
}


def write_split(folder: Path, split: str, image_ids: list[int], objects: bool = True) -> None:
    writer = PixelWriter(folder / split, len(image_ids), (4, 6, 3))
    for image_id in image_ids:
        writer.append(np.full((4, 6, 3), image_id, np.uint8))
    writer.close()
    images = [(image_id, row, None, 1.0, 12, 8, 0.5, 0.5, 0.0, 0.0) for row, image_id in enumerate(image_ids)]
    boxes = [(10 + image_ids[0], image_ids[0], 1, 1.0, 0.0, 3.0, 2.0, False)] if objects else []
    for table, rows in (("prepared_images", images), ("prepared_objects", boxes)):
        path = folder / split / f"{table.removeprefix('prepared_')}.parquet"
        write_table(build_frame(rows, table), table, path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pixel_shards, "SHARD_BYTES", 2 * 4 * 6 * 3)  # two pictures a shard
    categories = build_frame([(1, "rose")], "categories")
    write_table(categories, "categories", tmp_path / "categories.parquet")
    for split, image_ids in IMAGES.items():
        write_split(tmp_path, split, image_ids)
    return tmp_path


def test_all_splits_stand_in_one_table(folder: Path) -> None:
    tables = read_manifest(folder)
    assert set(tables) == {"prepared_images", "prepared_objects"}
    for name, table in tables.items():
        check_schema(table.drop(columns="split"), name)
        assert table.index.tolist() == list(range(len(table)))
    images, objects = tables["prepared_images"], tables["prepared_objects"]
    assert images.groupby("split")["image_id"].apply(list).to_dict() == IMAGES
    assert images["split"].unique().tolist() == ["train", "valid", "test"]
    assert dict(zip(objects["object_id"], objects["split"], strict=True)) == {
        11: "train",
        12: "valid",
        14: "test",
    }


def test_pixels_are_mapped_in_the_order_of_their_rows(folder: Path) -> None:
    shards = read_shards(folder)
    assert {name: [len(shard) for shard in arrays] for name, arrays in shards.items()} == {
        "train": [2, 1],
        "valid": [2],
        "test": [1],
    }
    assert all(isinstance(shard, np.memmap) for arrays in shards.values() for shard in arrays)
    found = {name: np.concatenate(arrays)[:, 0, 0, 0].tolist() for name, arrays in shards.items()}
    assert found == IMAGES


def test_a_split_may_be_missing_or_hold_no_objects(tmp_path: Path) -> None:
    write_table(build_frame([(1, "rose")], "categories"), "categories", tmp_path / "categories.parquet")
    write_split(tmp_path, "train", [1, 2], objects=False)
    tables = read_manifest(tmp_path)
    assert tables["prepared_images"]["split"].tolist() == ["train", "train"]
    assert len(tables["prepared_objects"]) == 0
    assert tables["prepared_objects"]["object_id"].dtype == np.int64
    assert pd.api.types.is_bool_dtype(tables["prepared_objects"]["is_crowd"])
    assert list(read_shards(tmp_path)) == ["train"]


def test_a_folder_without_splits_is_named(tmp_path: Path) -> None:
    for read in (read_manifest, read_shards):
        with pytest.raises(FileNotFoundError, match=r"holds no split; run `dvc repro preprocess`"):
            read(tmp_path)
