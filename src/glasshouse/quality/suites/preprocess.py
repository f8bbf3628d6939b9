"""Prepared pictures: as many as the split says, of one size and range, the boxes moved with the pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.quality.boxes import BOX, CORNERS, box_checks, measure_boxes
from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, equal, filled, greater, one_of, true, unique

MOVED_PX = (
    0.05  # how far a box may lie from where the picture's own transform puts it: rounding, never a pixel
)
_CHUNK = 64  # pictures looked at together

TABLES = (
    Table(
        "images", (*columns("integer", "image_id", "width_px", "height_px"), *columns("text", "file_name"))
    ),
    Table("objects", (*columns("integer", "object_id", "image_id", "category_id"), *BOX), min_rows=0),
    Table("split", (*columns("integer", "image_id"), *columns("text", "split", nullable=True))),
    Table(
        "prepared_images",
        (
            *columns("integer", "image_id", "row", "width_px", "height_px"),
            *columns("text", "split"),
            *columns("number", "scale_x", "scale_y", "offset_x_px", "offset_y_px"),
        ),
    ),
    Table(
        "prepared_objects",
        (*columns("integer", "object_id", "image_id", "category_id"), *columns("text", "split"), *BOX),
        min_rows=0,
        remedy="A box was lost on the way: run preprocess again; if it stays, the resize is at fault.",
    ),
    Table(
        "pixels",
        (
            *columns("text", "split", "dtype"),
            *columns("integer", "count", "height_px", "width_px"),
            *columns("number", "min", "max", "mean"),
        ),
    ),
    Table(
        "crops",
        (
            *columns("integer", "image_id"),
            *columns("text", "file_name", "split", "what"),
            *columns("integer", "object_id", nullable=True),
            *columns("number", "crop_difference"),
        ),
        min_rows=0,
        optional=True,
    ),
)


def summarize_pixels(shards: Mapping[str, Iterable[NDArray[Any]]]) -> pd.DataFrame:
    """The table `pixels`: one row a split of arrays (n, height, width, 3), which may be mapped from files."""
    return pd.DataFrame([{"split": split, **_summarize(list(arrays))} for split, arrays in shards.items()])


def _summarize(arrays: list[NDArray[Any]]) -> dict[str, Any]:
    parts = [array[start : start + _CHUNK] for array in arrays for start in range(0, len(array), _CHUNK)]
    values = sum(part.size for part in parts)
    shapes = {array.shape[1:3] for array in arrays}
    height, width = shapes.pop() if len(shapes) == 1 else (0, 0)  # 0, which a check refuses: several sizes
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
    """Splits counted three ways; pictures beside the raw ones; boxes measured, and moved a second time."""
    images, split, prepared = tables["images"], tables["split"], tables["prepared_images"]
    objects, pixels = tables["objects"], tables["pixels"]
    shown = _with_prepared_size(prepared, images, pixels)
    categories = objects[["category_id"]].drop_duplicates().assign(name="of a raw object")
    return {
        "sizes": _sizes(pixels),
        "splits": _splits(split, prepared, pixels),
        "pictures": _pictures(images, split, prepared),
        "boxes": measure_boxes(tables["prepared_objects"], shown, categories),
        "moved": _moved(objects, tables["prepared_objects"], shown),
    }


def _with_prepared_size(prepared: pd.DataFrame, images: pd.DataFrame, pixels: pd.DataFrame) -> pd.DataFrame:
    """The prepared pictures with their file name; width_px and height_px are those of the prepared pixels."""
    names = images[["image_id", "file_name"]].drop_duplicates("image_id")
    sizes = pixels[["split", "width_px", "height_px"]].drop_duplicates("split")
    named = prepared.drop(columns=["width_px", "height_px"]).merge(names, on="image_id", how="left")
    return named.merge(sizes, on="split", how="left")


def _sizes(pixels: pd.DataFrame) -> pd.DataFrame:
    size = pixels["height_px"].astype("str") + " x " + pixels["width_px"].astype("str")
    return pd.DataFrame({"split": pixels["split"], "size": size, "size_of_first": size.iloc[0]})


def _splits(split: pd.DataFrame, prepared: pd.DataFrame, pixels: pd.DataFrame) -> pd.DataFrame:
    """One row a split: pictures in manifest, table and shards, and whether the rows run 0, 1, 2."""
    counts = {
        "manifest": split.groupby("split").size(),
        "table": prepared.groupby("split").size(),
        "shards": pixels.groupby("split")["count"].sum(),
    }
    splits = pd.DataFrame(counts).fillna(0).astype("int64").rename_axis("split").reset_index()
    rows = prepared.groupby("split")["row"].agg(["min", "max", "nunique"])
    in_order = (
        (rows["min"] == 0) & (rows["max"] + 1 == rows["nunique"]) & (rows["nunique"] == counts["table"])
    )
    # Null for a split without a row: that its pictures are missing is another check's business.
    return splits.assign(rows_in_order=splits["split"].map(in_order).astype("object"))


def _pictures(images: pd.DataFrame, split: pd.DataFrame, prepared: pd.DataFrame) -> pd.DataFrame:
    """One row a picture of manifest or table: its split in both ("none": not there), its size in both."""
    raw = split.merge(images, on="image_id", how="left").rename(columns={"split": "wanted_split"})
    both = raw.merge(prepared, on="image_id", how="outer", suffixes=("_raw", ""))
    same = (both["width_px"] == both["width_px_raw"]) & (both["height_px"] == both["height_px_raw"])
    both["same_size"] = same.astype("object").where(both[["width_px", "width_px_raw"]].notna().all(axis=1))
    return both.fillna({"split": "none", "wanted_split": "none"})


def _moved(objects: pd.DataFrame, prepared: pd.DataFrame, pictures: pd.DataFrame) -> pd.DataFrame:
    """Raw objects of prepared pictures: how far a corner lies from where the picture's transform puts it."""
    moved = objects.merge(pictures, on="image_id")
    kept = prepared[["object_id", *CORNERS]].drop_duplicates("object_id").set_index("object_id")
    moved["kept"] = moved["object_id"].where(moved["object_id"].isin(kept.index))
    errors = []
    for corner in CORNERS:
        axis, side = ("x", "width_px") if corner.startswith("x") else ("y", "height_px")
        should = (moved[corner] * moved[f"scale_{axis}"] + moved[f"offset_{axis}_px"]).clip(0, moved[side])
        errors.append((should - moved["object_id"].map(kept[corner])).abs())
    return moved.assign(moved_by_px=pd.concat(errors, axis=1).max(axis=1, skipna=False))


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of prepared pictures, with the limits of `quality.preprocess`."""
    remedy = "Run preprocess again; if it stays, the resize is at fault."
    return (
        *_count_checks(),
        *_pixel_checks(),
        *_object_checks(thresholds),
        *box_checks("boxes", thresholds.min_box_px, remedy, ("object_id", "image_id", "split", "file_name")),
    )


def _count_checks() -> tuple[Check, ...]:
    again = "Run preprocess again."
    return (
        Check(
            "table_counts_as_manifest",
            "splits",
            equal("table", "manifest"),
            f"Pictures were lost or added on the way. {again}",
            rows=("split",),
        ),
        Check(
            "shard_counts_as_manifest",
            "splits",
            equal("shards", "manifest"),
            f"The shards hold other pictures than the table. {again}",
            rows=("split",),
        ),
        Check(
            "rows_in_order",
            "splits",
            true("rows_in_order"),
            f"Rows must run from 0 without gaps: else a picture gets another one's labels. {again}",
            rows=("split", "table", "manifest"),
        ),
        Check(
            "prepared_once",
            "prepared_images",
            unique("image_id"),
            f"A picture was prepared twice. {again}",
            rows=("image_id", "split"),
        ),
        Check(
            "split_as_manifest",
            "pictures",
            equal("split", "wanted_split"),
            f"The picture is in another split than data/split.parquet says. {again}",
            rows=("image_id", "file_name"),
        ),
        Check(
            "original_size_kept",
            "pictures",
            true("same_size"),
            f"The size of the original is needed to bring boxes back. {again}",
            rows=("image_id", "file_name", "width_px_raw", "height_px_raw", "width_px", "height_px"),
        ),
    )


def _pixel_checks() -> tuple[Check, ...]:
    again = "The network takes one size for all pictures: run preprocess again."
    return (
        Check(
            "split_once", "pixels", unique("split"), "A split is told twice: which counts?", rows=("split",)
        ),
        Check("one_size", "sizes", equal("size", "size_of_first"), again, rows=("split",)),
        Check("pixels_high", "pixels", between("height_px", low=1), again, rows=("split",)),
        Check("pixels_wide", "pixels", between("width_px", low=1), again, rows=("split",)),
        Check(
            "pixels_uint8",
            "pixels",
            one_of("dtype", ["uint8"]),
            "Pixels are whole levels 0..255: run preprocess again.",
            rows=("split", "dtype"),
        ),
        Check(
            "pixels_not_scaled",
            "pixels",
            between("max", low=2, high=255),
            "Levels run to 255: something has scaled them to 0..1 or cut them off.",
            rows=("split", "max"),
        ),
        Check(
            "pixels_not_negative",
            "pixels",
            between("min", low=0),
            "Levels run from 0: something has shifted them.",
            rows=("split", "min"),
        ),
        Check(
            "pixels_not_blank",
            "pixels",
            greater("max", "min"),
            "All pixels of the split are alike: the pictures were not written.",
            rows=("split", "min", "max"),
        ),
        Check(
            "pixels_mean_inside",
            "pixels",
            between("mean", low=0, high=255, strict=True),
            "The mean level lies at an end of the range: the pictures were not written.",
            rows=("split", "mean"),
        ),
    )


def _object_checks(thresholds: Any) -> tuple[Check, ...]:
    named = ("object_id", "image_id", "file_name", "split")
    return (
        Check(
            "object_prepared_once",
            "prepared_objects",
            unique("object_id"),
            "An object stands twice: run preprocess again.",
            rows=("object_id", "image_id", "split"),
        ),
        Check(
            "boxes_moved_with_pictures",
            "moved",
            between("moved_by_px", high=MOVED_PX),
            "The box does not lie where the picture's scale and offset put it: the resize and its "
            "boxes disagree.",
            rows=(*named, *CORNERS),
        ),
        Check(
            "crops_show_the_same",
            "crops",
            between("crop_difference", high=thresholds.max_crop_difference),
            "The prepared box shows something else than the raw one: swapped axes, a forgotten offset, "
            "mirrored pixels or another picture's row. Mend the resize before anything is trained on this.",
            rows=("object_id", "image_id", "file_name", "split", "what"),
        ),
        Check(
            "objects_not_cropped_away",
            "moved",
            filled("kept"),
            "The object is not in the prepared picture: cropping cut it off. Take preprocess.resize: "
            "letterbox.",
            "warning",
            rows=named,
        ),
    )
