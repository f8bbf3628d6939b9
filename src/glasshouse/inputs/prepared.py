"""Prepared pictures with their labels, read at random by memory maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from glasshouse.geometry.boxes import Boxes, as_boxes
from glasshouse.inputs.pixel_shards import PixelShards, list_pixel_shards
from glasshouse.tables.schema import BOX_COLUMNS, read_table


@dataclass(frozen=True, slots=True)
class Prepared:
    """One split. `images` are sorted by row: row i of every array is images.iloc[i] and pixels row i."""

    pixels: PixelShards
    images: pd.DataFrame
    objects: pd.DataFrame
    categories: pd.DataFrame

    def labels(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Padded objects of every picture: boxes_xyxy_px (N, M, 4) float32, labels (N, M) int32.

        M is the largest number of objects in a picture of this split, at least 1. A label is category_id - 1;
        padding is -1 with a box of zeros. Crowds are left out. Objects stand in the order of their object_id.
        """
        objects = self.objects[~self.objects["is_crowd"]].sort_values("object_id")
        rows = objects["image_id"].map(self.images.set_index("image_id")["row"]).to_numpy(np.int64)
        slots = objects.groupby("image_id").cumcount().to_numpy(np.int64)
        shape = (len(self.images), max(1, int(slots.max(initial=-1)) + 1))
        boxes, labels = np.zeros((*shape, 4), np.float32), np.full(shape, -1, np.int32)
        boxes[rows, slots] = objects[BOX_COLUMNS].to_numpy(np.float32)
        labels[rows, slots] = objects["category_id"].to_numpy(np.int32) - 1
        return boxes, labels

    def class_labels(self) -> NDArray[np.int32]:
        """Class index (category_id - 1) of every picture, (N,) int32; ValueError where one has none."""
        numbers = self.images["label"].map(self.categories.set_index("name")["category_id"])
        missing = self.images.loc[numbers.isna(), "image_id"].tolist()
        if missing:
            raise ValueError(
                f"{len(missing)} pictures have no class label (image_id {missing[:5]}): model.task: classify "
                "needs one for every picture; take model.task: detect or a data set with labels."
            )
        return numbers.to_numpy(np.int32) - np.int32(1)

    def to_original(self, image_rows: ArrayLike, boxes_xyxy_px: ArrayLike) -> Boxes:
        """Boxes in prepared pixels to boxes in the original pictures, cut at their edges.

        Args:
            image_rows: (n,) rows of the pictures.
            boxes_xyxy_px: (n, 4), one box for each row, or (n, K, 4).

        Returns:
            float64 boxes of the same shape.
        """
        boxes = as_boxes(boxes_xyxy_px).astype(np.float64)
        images = self.images.iloc[np.asarray(image_rows, np.int64)]
        spread = (len(images), *[1] * (boxes.ndim - 2), 4)
        scale, offset, limit = (
            np.tile(images[columns].to_numpy(np.float64), 2).reshape(spread)
            for columns in (["scale_x", "scale_y"], ["offset_x_px", "offset_y_px"], ["width_px", "height_px"])
        )
        original: Boxes = np.clip((boxes - offset) / scale, 0.0, limit)
        return original


def open_prepared(folder: Path, split: str) -> Prepared:
    """Open one split of what write_prepared wrote.

    Raises:
        FileNotFoundError: the split or one of its shards is missing.
    """
    tables = {
        name: read_table(f"prepared_{name}", folder / split / f"{name}.parquet")
        for name in ("images", "objects")
    }
    pixels = PixelShards(list(list_pixel_shards(folder / split)))
    if len(pixels) != len(tables["images"]):
        raise ValueError(f"{folder / split}: {len(pixels)} pictures for {len(tables['images'])} table rows.")
    categories = read_table("categories", folder / "categories.parquet")
    return Prepared(pixels, tables["images"], tables["objects"], categories)
