"""The present test pictures, at whatever size a network wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from glasshouse.inputs.pixel_shards import PixelShards, PixelWriter
from glasshouse.inputs.prepare import decode_again
from glasshouse.inputs.prepared import Prepared, open_prepared
from glasshouse.inputs.resize import resize_picture
from glasshouse.metrics.overlap import Bools
from glasshouse.params import Preprocess
from glasshouse.tables.raw import iter_pictures, read_raw
from glasshouse.tables.schema import build_frame, read_table
from glasshouse.tracking.facts import KEY_DIGITS, SPLIT_TABLE

RAW, PREPARED = "data/raw", "data/prepared"


@dataclass(frozen=True, slots=True)
class TestSet:
    """The test split: raw rows of its pictures by rising image_id, boxes in pixels of the original pictures.

    Args:
        images, objects: rows of the raw tables; categories: all.
        keys: (P,) the first digits of each picture's SHA-256.
    """

    __test__ = False  # no class of tests, whatever pytest thinks of its name

    images: pd.DataFrame
    objects: pd.DataFrame
    categories: pd.DataFrame
    keys: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Classes by rising category_id."""
        return [str(name) for name in self.categories.sort_values("category_id")["name"]]

    def take(self, kept: Bools) -> TestSet:
        """Some of the pictures with their objects."""
        images = self.images[kept].reset_index(drop=True)
        objects = self.objects[self.objects["image_id"].isin(images["image_id"])].reset_index(drop=True)
        return TestSet(images, objects, self.categories, tuple(np.array(self.keys)[kept].tolist()))


def read_test(root: Path) -> TestSet:
    """The test pictures as the present split has them."""
    raw, split = read_raw(root / RAW), read_table("split", root / SPLIT_TABLE)
    ids = split.loc[split["split"] == "test", "image_id"]
    images = raw.images[raw.images["image_id"].isin(ids)].sort_values("image_id", ignore_index=True)
    objects = raw.objects[raw.objects["image_id"].isin(ids)].sort_values("object_id", ignore_index=True)
    keys = tuple(str(digest)[:KEY_DIGITS] for digest in images["sha256"])
    return TestSet(images, objects, raw.categories, keys)


def prepare_test(
    root: Path, test: TestSet, wanted: Mapping[str, Any], present: Preprocess, folder: Path
) -> Prepared:
    """The test pictures as a network was trained to see them.

    Args:
        root: the project.
        test: its test pictures.
        wanted: the block `preprocess` that the network was trained with.
        present: that of the project now. Where the two are equal, data/prepared holds the pictures already;
            else they are brought to size from the encoded originals, by the code of the stage `preprocess`.
        folder: for their pixels, new or empty.

    Raises:
        ParamsError, ValueError: a picture is damaged, or `wanted` is no such block.
    """
    if dict(wanted) == present.model_dump(mode="json"):
        return open_prepared(root / PREPARED, "test")
    preprocess = Preprocess.model_validate(dict(wanted))
    shape = (preprocess.height_px, preprocess.width_px, 3)
    writer = PixelWriter(folder / "test", len(test.images), shape)
    rows: list[tuple[object, ...]] = []
    labels = dict(zip(test.images["image_id"], test.images["label"].astype(object), strict=True))
    bar = tqdm(total=len(labels), desc=f"test pictures at {shape[1]} x {shape[0]} px", disable=None)
    with writer:
        for image_id, file_name, data in iter_pictures(root / RAW):
            if image_id not in labels:
                continue
            pixels = decode_again(file_name, data)
            resized, went = resize_picture(pixels, preprocess)
            label: object = None if pd.isna(labels[image_id]) else labels[image_id]
            size = (pixels.shape[1], pixels.shape[0])
            geometry = (*size, went.scale_x, went.scale_y, went.offset_x_px, went.offset_y_px)
            rows.append((image_id, writer.append(resized), label, 1, *geometry))
            bar.update()
    bar.close()
    pixels_of = PixelShards(writer.paths)
    no_objects = build_frame([], "prepared_objects")  # the truth is the raw table's: the same for every size
    return Prepared(pixels_of, build_frame(rows, "prepared_images"), no_objects, test.categories)
