"""Prepared pictures: as many as the split says, of one size and range, the boxes moved with the pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.quality.boxes import BOX, CORNERS, box_checks, measure_boxes
from glasshouse.quality.checks import Check, Column, Table

MOVED_PX = (
    0.05  # how far a box may lie from where the picture's own transform puts it: rounding, never a pixel
)
_CHUNK = 64  # pictures looked at together

TABLES = (
    Table(
        "images",
        (
            Column("image_id", "integer"),
            Column("file_name", "text"),
            Column("width_px", "integer"),
            Column("height_px", "integer"),
        ),
    ),
    Table(
        "objects",
        (
            Column("object_id", "integer"),
            Column("image_id", "integer"),
            Column("category_id", "integer"),
            *BOX,
        ),
        min_rows=0,
    ),
    Table("split", (Column("image_id", "integer"), Column("split", "text"))),
    Table(
        "prepared_images",
        (
            Column("image_id", "integer"),
            Column("split", "text"),
            Column("row", "integer"),
            Column("width_px", "integer"),
            Column("height_px", "integer"),
            Column("scale_x", "number"),
            Column("scale_y", "number"),
            Column("offset_x_px", "number"),
            Column("offset_y_px", "number"),
        ),
    ),
    Table(
        "prepared_objects",
        (
            Column("object_id", "integer"),
            Column("image_id", "integer"),
            Column("split", "text"),
            Column("category_id", "integer"),
            *BOX,
        ),
        min_rows=0,
        remedy="A box was lost on the way: run preprocess again; if it stays, the resize is at fault.",
    ),
    Table(
        "pixels",
        (
            Column("split", "text"),
            Column("count", "integer"),
            Column("height_px", "integer"),
            Column("width_px", "integer"),
            Column("dtype", "text"),
            Column("min", "number"),
            Column("max", "number"),
            Column("mean", "number"),
        ),
    ),
)


def summarize_pixels(shards: Mapping[str, Iterable[NDArray[Any]]]) -> pd.DataFrame:
    """The table `pixels`: one row a split of arrays (n, height, width, 3), which may be mapped from files."""
    return pd.DataFrame([{"split": split, **_summarize(list(arrays))} for split, arrays in shards.items()])


def _summarize(arrays: list[NDArray[Any]]) -> dict[str, Any]:
    parts = [array[start : start + _CHUNK] for array in arrays for start in range(0, len(array), _CHUNK)]
    values = sum(part.size for part in parts)
    shapes = {array.shape[1:3] for array in arrays}
    height, width = (
        shapes.pop() if len(shapes) == 1 else (0, 0)
    )  # 0: shards of several sizes, which a check refuses
    return {
        "count": sum(len(array) for array in arrays),
        "height_px": height,
        "width_px": width,
        "dtype": "/".join(sorted({str(array.dtype) for array in arrays})),
        "min": float(min((part.min() for part in parts), default=np.nan)),
        "max": float(max((part.max() for part in parts), default=np.nan)),
        "mean": float(sum(part.sum(dtype=np.float64) for part in parts) / values) if values else float("nan"),
    }


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Splits counted three ways; pictures matched with the raw ones; boxes measured and moved a second time."""
    images, prepared = tables["images"], tables["prepared_images"]
    names = images[["image_id", "file_name"]].drop_duplicates("image_id")
    shown = prepared.drop(columns=["width_px", "height_px"]).merge(names, on="image_id", how="left")
    shown = shown.merge(
        tables["pixels"].drop_duplicates("split")[["split", "width_px", "height_px"]], on="split", how="left"
    )
    return {
        "sizes": _sizes(tables["pixels"]),
        "splits": _splits(tables["split"], prepared, tables["pixels"]),
        "pictures": _pictures(images, tables["split"], prepared),
        "boxes": measure_boxes(tables["prepared_objects"], shown, _classes(tables["objects"])),
        "moved": _moved(tables["objects"], tables["prepared_objects"], shown),
    }


def _classes(objects: pd.DataFrame) -> pd.DataFrame:
    return objects[["category_id"]].drop_duplicates().assign(name="seen")


def _sizes(pixels: pd.DataFrame) -> pd.DataFrame:
    size = pixels["height_px"].astype("str") + " x " + pixels["width_px"].astype("str")
    return pd.DataFrame({"split": pixels["split"], "size": size, "size_of_first": size.iloc[0]})


def _splits(split: pd.DataFrame, prepared: pd.DataFrame, pixels: pd.DataFrame) -> pd.DataFrame:
    """One row a split: pictures in the manifest, in the table and in the shards, and the range of rows."""
    rows = prepared.groupby("split")["row"].agg(["min", "max", "nunique"])
    splits = split.groupby("split").size().rename("manifest").to_frame()
    splits = splits.join(rows, how="outer").join(
        prepared.groupby("split").size().rename("table"), how="outer"
    )
    splits = splits.join(pixels.groupby("split")["count"].sum().rename("shards"), how="outer")
    splits[["manifest", "table", "shards"]] = (
        splits[["manifest", "table", "shards"]].fillna(0).astype("int64")
    )
    splits["rows_in_order"] = (splits["min"] == 0) & (splits["max"] + 1 == splits["nunique"])
    splits["rows_in_order"] &= splits["nunique"] == splits["table"]
    return splits.reset_index(names="split")


def _pictures(images: pd.DataFrame, split: pd.DataFrame, prepared: pd.DataFrame) -> pd.DataFrame:
    """One row a picture of the manifest or the table: its split in both, its size in both."""
    raw = split.merge(images, on="image_id", how="left").rename(columns={"split": "wanted_split"})
    both = raw.merge(prepared, on="image_id", how="outer", suffixes=("_raw", ""))
    same = (both["width_px"] == both["width_px_raw"]) & (both["height_px"] == both["height_px_raw"])
    both["same_size"] = same.where(both[["width_px", "width_px_raw"]].notna().all(axis=1))
    return both


def _moved(objects: pd.DataFrame, prepared: pd.DataFrame, pictures: pd.DataFrame) -> pd.DataFrame:
    """Every raw object of a prepared picture: where its box should lie by the picture's transform, and where it does."""
    moved = objects.merge(pictures, on="image_id")
    kept = prepared[["object_id", *CORNERS]].drop_duplicates("object_id").set_index("object_id")
    moved["kept"] = moved["object_id"].where(moved["object_id"].isin(kept.index))
    errors = []
    for corner in CORNERS:
        scale, offset, side = ("scale_x", "offset_x_px", "width_px") if corner[0] == "x" else (
            "scale_y", "offset_y_px", "height_px")  # fmt: skip
        should = (moved[corner] * moved[scale] + moved[offset]).clip(0, moved[side])
        errors.append((should - moved["object_id"].map(kept[corner])).abs())
    moved["moved_by_px"] = pd.concat(errors, axis=1).max(axis=1, skipna=False)
    return moved


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of prepared pictures, with the limits of `quality.preprocess`."""
    remedy = "Run preprocess again; if it stays, the resize is at fault."
    return (
        *_count_checks(),
        *_pixel_checks(),
        *_object_checks(),
        *box_checks("boxes", thresholds.min_box_px, remedy, ("object_id", "image_id", "split", "file_name")),
    )


def _count_checks() -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    equal, again = gxe.ExpectColumnPairValuesToBeEqual, "Run preprocess again."
    return (
        Check(
            "table_counts_as_manifest",
            "splits",
            equal(column_A="table", column_B="manifest"),
            f"Pictures were lost or added on the way. {again}",
            rows=("split",),
        ),
        Check(
            "shard_counts_as_manifest",
            "splits",
            equal(column_A="shards", column_B="manifest"),
            f"The shards hold other pictures than the table. {again}",
            rows=("split",),
        ),
        Check(
            "rows_in_order",
            "splits",
            gxe.ExpectColumnValuesToBeInSet(column="rows_in_order", value_set=[True]),
            f"Rows must run from 0 without gaps: else a picture gets another one's labels. {again}",
            rows=("split", "min", "max", "table"),
        ),
        Check(
            "prepared_once",
            "prepared_images",
            gxe.ExpectColumnValuesToBeUnique(column="image_id"),
            f"A picture was prepared twice. {again}",
            rows=("image_id", "split"),
        ),
        Check(
            "split_as_manifest",
            "pictures",
            equal(column_A="split", column_B="wanted_split", ignore_row_if="never"),
            f"The picture is in another split than data/split.parquet says. {again}",
            rows=("image_id", "file_name"),
        ),
        Check(
            "original_size_kept",
            "pictures",
            gxe.ExpectColumnValuesToBeInSet(column="same_size", value_set=[True]),
            f"The size of the original is needed to bring boxes back. {again}",
            rows=("image_id", "file_name", "width_px_raw", "height_px_raw", "width_px", "height_px"),
        ),
    )


def _pixel_checks() -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    between, unique = (
        gxe.ExpectColumnValuesToBeBetween,
        "The network takes one size for all: run preprocess again.",
    )
    return (
        Check(
            "split_once", "pixels", gxe.ExpectColumnValuesToBeUnique(column="split"), unique, rows=("split",)
        ),
        Check(
            "one_size",
            "sizes",
            gxe.ExpectColumnPairValuesToBeEqual(column_A="size", column_B="size_of_first"),
            unique,
            rows=("split",),
        ),
        Check(
            "pixels_uint8",
            "pixels",
            gxe.ExpectColumnValuesToBeInSet(column="dtype", value_set=["uint8"]),
            "Pixels are whole levels 0..255: run preprocess again.",
            rows=("split", "dtype"),
        ),
        Check(
            "pixels_high",
            "pixels",
            between(column="height_px", min_value=1),
            unique,
            rows=("split", "height_px"),
        ),
        Check(
            "pixels_wide",
            "pixels",
            between(column="width_px", min_value=1),
            unique,
            rows=("split", "width_px"),
        ),
        Check(
            "pixels_not_scaled",
            "pixels",
            between(column="max", min_value=2, max_value=255),
            "Levels run to 255: something has scaled them to 0..1 or cut them off.",
            rows=("split", "max"),
        ),
        Check(
            "pixels_not_negative",
            "pixels",
            between(column="min", min_value=0),
            "Levels run from 0: something has shifted them.",
            rows=("split", "min"),
        ),
        Check(
            "pixels_not_blank",
            "pixels",
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="max", column_B="min"),
            "All pixels of the split are alike: the pictures were not written.",
            rows=("split", "min", "max"),
        ),
        Check(
            "pixels_mean_inside",
            "pixels",
            between(column="mean", min_value=0, max_value=255, strict_min=True, strict_max=True),
            "The mean level lies at an end of the range: the pictures were not written.",
            rows=("split", "mean"),
        ),
    )


def _object_checks() -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    named = ("object_id", "image_id", "file_name", "split")
    return (
        Check(
            "object_prepared_once",
            "prepared_objects",
            gxe.ExpectColumnValuesToBeUnique(column="object_id"),
            "An object stands twice: run preprocess again.",
            rows=("object_id", "image_id", "split"),
        ),
        Check(
            "boxes_moved_with_pictures",
            "moved",
            gxe.ExpectColumnValuesToBeBetween(column="moved_by_px", max_value=MOVED_PX),
            "The box does not lie where the picture's scale and offset put it: the resize and its boxes disagree.",
            rows=(*named, *CORNERS),
        ),
        Check(
            "objects_not_cropped_away",
            "moved",
            gxe.ExpectColumnValuesToNotBeNull(column="kept"),
            "The object is not in the prepared picture: cropping cut it off. Take preprocess.resize: letterbox.",
            "warning",
            rows=named,
        ),
    )
