"""Prepared pictures with their labels, read at random by memory maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from glasshouse.geometry.boxes import Boxes, as_boxes
from glasshouse.geometry.masks import count_bytes
from glasshouse.inputs.masks import Masks, open_masks
from glasshouse.inputs.pixel_shards import PixelShards, list_pixel_shards
from glasshouse.inputs.shapes import Shapes, open_strips
from glasshouse.tables.schema import BOX_COLUMNS, read_table


@dataclass(frozen=True, slots=True)
class Prepared:
    """One split. `images` are sorted by row: row i of every array is images.iloc[i] and pixels row i.

    `strips` are those of all masks, and beside the rows of `objects` how many each has (`inputs.shapes`);
    `cut_outs` the bits of all masks, and beside the rows of `objects` the pixels that each fills.
    """

    pixels: PixelShards
    images: pd.DataFrame
    objects: pd.DataFrame
    categories: pd.DataFrame
    strips: tuple[NDArray[np.uint8], NDArray[np.int64]] | None = None
    cut_outs: tuple[NDArray[np.uint8], NDArray[np.int32]] | None = None

    def labels(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Padded objects of every picture: boxes_xyxy_px (N, M, 4) float32, labels (N, M) int32.

        M is the largest number of objects in a picture of this split, at least 1. A label is category_id - 1;
        padding is -1 with a box of zeros. Crowds are left out. Objects stand in the order of their object_id.
        """
        rows, slots, shape, chosen = self._places()
        objects = self.objects.iloc[chosen]
        boxes, labels = np.zeros((*shape, 4), np.float32), np.full(shape, -1, np.int32)
        boxes[rows, slots] = objects[BOX_COLUMNS].to_numpy(np.float32)
        labels[rows, slots] = objects["category_id"].to_numpy(np.int32) - 1
        return boxes, labels

    def shapes(self) -> Shapes | None:
        """Shapes of the objects of `labels`; None where no mask tells any."""
        if self.strips is None:
            return None
        packed, count = self.strips
        rows, slots, shape, chosen = self._places()
        starts, counts = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        starts[rows, slots], counts[rows, slots] = (count.cumsum() - count)[chosen], count[chosen]
        return Shapes(packed, starts, counts)

    def masks(self) -> Masks | None:
        """Masks of the objects of `labels`; None where no object has one."""
        if self.cut_outs is None:
            return None
        bits, filled = self.cut_outs
        rows, slots, shape, chosen = self._places()
        ends = np.cumsum(count_bytes(filled))
        boxes, starts = np.zeros((*shape, 4), np.int32), np.zeros(shape, np.int64)
        boxes[rows, slots] = filled[chosen]
        starts[rows, slots] = (ends - count_bytes(filled))[chosen]
        return Masks(bits, boxes, starts)

    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, int], NDArray[np.int64]]:
        """Row and slot of each object in `labels`, the shape (N, M), and its place in `objects`."""
        order = np.argsort(self.objects["object_id"].to_numpy(), kind="stable")
        chosen = order[~self.objects["is_crowd"].to_numpy()[order]]
        ids = self.objects["image_id"].iloc[chosen]
        rows = ids.map(self.images.set_index("image_id")["row"]).to_numpy(np.int64)
        slots = ids.groupby(ids).cumcount().to_numpy(np.int64)
        return rows, slots, (len(self.images), max(1, int(slots.max(initial=-1)) + 1)), chosen

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

    def demand_objects(self, split: str, task: str) -> None:
        """Raise ValueError where the split has no object to learn or to score by; crowds are none."""
        if self.objects["is_crowd"].all():  # so it is of no row at all
            raise ValueError(
                f"No picture of the split {split} has an object with a box (crowds do not count): "
                f"model.task: {task} needs some in train and in valid. Take data with boxes, or model.task: "
                "classify; where only this split has none, change split.method or its share."
            )

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
    strips = open_strips(folder / split, len(tables["objects"]))
    cut_outs = open_masks(folder / split, len(tables["objects"]))
    return Prepared(pixels, tables["images"], tables["objects"], categories, strips, cut_outs)
