"""Writes pictures at the network's size, with their labels, by streaming."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from glasshouse.geometry.boxes import compute_areas, move_boxes
from glasshouse.geometry.hulls import POINTS, pack_hull, take_hull
from glasshouse.geometry.rle import decode_mask
from glasshouse.inputs.pixel_shards import PixelWriter
from glasshouse.inputs.prepared import OUTLINES
from glasshouse.inputs.resize import resize_picture
from glasshouse.pictures.decode import UndecodablePicture, decode_picture
from glasshouse.pictures.threads import map_in_order
from glasshouse.tables.folders import replace_folder
from glasshouse.tables.raw import Raw, iter_pictures, read_raw
from glasshouse.tables.schema import BOX_COLUMNS, build_frame, get_columns, write_table

if TYPE_CHECKING:
    from glasshouse.params import Preprocess

# An object of which less than this share of its box is left inside the picture is no longer labelled: what is
# seen of it is too little to be named, and would teach the network to guess.
MIN_VISIBLE_SHARE = 0.25

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What write_prepared wrote: pictures by split, objects, and objects dropped for too little was left."""

    pictures: dict[str, int]
    objects: int
    dropped_objects: int


def write_prepared(raw_folder: Path, split_table: pd.DataFrame, preprocess: Preprocess, out: Path) -> Written:
    """Write pixel shards and tables of every split that has pictures; bytes depend on the arguments' content
    alone.

    Args:
        raw_folder: what write_raw wrote.
        split_table: image_id and split of exactly its pictures.
        preprocess: height_px, width_px, resize, pad_value.
        out: appears, or is replaced, when all of it is written.

    Raises:
        ValueError: split table and raw pictures differ, or a picture is damaged.
    """
    raw = read_raw(raw_folder)
    with replace_folder(out) as place:
        write_table(raw.categories, "categories", place / "categories.parquet")
        rows = write_pixels(raw_folder, raw, split_table, preprocess, place)
        objects = dropped = 0
        for split, split_rows in rows.items():
            images = build_frame(split_rows, "prepared_images")
            moved = move_objects(raw.objects, images, (preprocess.height_px, preprocess.width_px))
            write_table(images, "prepared_images", place / split / "images.parquet")
            write_table(moved, "prepared_objects", place / split / "objects.parquet")
            np.save(place / split / OUTLINES, take_outlines(raw, moved, images))
            objects += len(moved)
            dropped += int(raw.objects["image_id"].isin(images["image_id"]).sum()) - len(moved)
    return Written({split: len(split_rows) for split, split_rows in rows.items()}, objects, dropped)


def take_outlines(raw: Raw, moved: pd.DataFrame, images: pd.DataFrame) -> NDArray[np.uint8]:
    """Packed outlines (objects, POINTS, 2) of the moved objects' masks; unknown where there is none, or where
    the box was cut and the outline is no longer the box's own."""
    masks = raw.objects.set_index("object_id")["mask"]
    sizes = images.set_index("image_id")[["height_px", "width_px"]]
    whole = moved[["object_id", "image_id"]].merge(raw.objects, on=["object_id", "image_id"])
    scale = moved[["image_id"]].merge(images, on="image_id")[["scale_x", "scale_y"]].to_numpy()
    sides, before = (
        (part[BOX_COLUMNS[2:]].to_numpy() - part[BOX_COLUMNS[:2]].to_numpy()) for part in (moved, whole)
    )
    uncut = np.isclose(sides, before * scale).all(axis=1)
    packed = np.zeros((len(moved), POINTS, 2), np.uint8)
    for place, (object_id, image_id) in enumerate(zip(moved["object_id"], moved["image_id"], strict=True)):
        counts = masks.loc[object_id]
        if uncut[place] and isinstance(counts, str):
            height, width = sizes.loc[image_id]
            packed[place] = pack_hull(take_hull(decode_mask(counts, int(height), int(width))))
    return packed


def match_splits(raw: Raw, split_table: pd.DataFrame) -> dict[int, str]:
    """image_id to split; raises ValueError where the tables hold different pictures."""
    splits = dict(zip(split_table["image_id"].tolist(), split_table["split"].tolist(), strict=True))
    differing = sorted(set(raw.images["image_id"].tolist()) ^ set(splits))
    if differing or len(splits) != len(split_table):
        raise ValueError(
            f"Split table and raw pictures differ in {len(differing)} image ids, first {differing[:3]}: "
            "the table belongs to another data set; run `dvc repro split`."
        )
    return splits


def write_pixels(
    raw_folder: Path, raw: Raw, split_table: pd.DataFrame, preprocess: Preprocess, place: Path
) -> dict[str, list[Row]]:
    """Resize every picture into its split's shards; returns the rows of each split's `prepared_images`."""
    splits = match_splits(raw, split_table)
    counts = pd.Series(splits).value_counts()
    shape = (preprocess.height_px, preprocess.width_px, 3)
    names = sorted(counts.index)
    writers = {split: PixelWriter(place / split, int(counts[split]), shape) for split in names}
    rows: dict[str, list[Row]] = {split: [] for split in names}
    labels = dict(zip(raw.images["image_id"], raw.images["label"].astype(object), strict=True))
    weights = dict(zip(split_table["image_id"], split_table["weight"], strict=True))

    def prepare(item: tuple[int, str, bytes]) -> tuple[NDArray[np.uint8], Row]:
        pixels = decode_again(item[1], item[2])
        resized, went = resize_picture(pixels, preprocess)
        return resized, (
            pixels.shape[1],
            pixels.shape[0],
            went.scale_x,
            went.scale_y,
            went.offset_x_px,
            went.offset_y_px,
        )

    bar = tqdm(iter_pictures(raw_folder), "resize", len(splits), file=sys.stderr, disable=None)
    for (image_id, _, _), (resized, geometry) in map_in_order(prepare, bar):
        split, label = splits[image_id], labels[image_id]
        row = writers[split].append(resized)
        rows[split].append((image_id, row, None if pd.isna(label) else label, weights[image_id], *geometry))
    for writer in writers.values():
        writer.close()
    return rows


def decode_again(file_name: str, data: bytes) -> NDArray[np.uint8]:
    """Pixels of a picture that was decoded once before; raises ValueError naming the file."""
    try:
        return decode_picture(data).pixels_rgb
    except UndecodablePicture as error:
        raise ValueError(f"{file_name}: {error.reason}; run `dvc repro download` again.") from error


def move_objects(objects: pd.DataFrame, images: pd.DataFrame, size: tuple[int, int]) -> pd.DataFrame:
    """Objects of a split in prepared pixels, cut at the edges of what is seen of their picture.

    Those with less than MIN_VISIBLE_SHARE of their box left, or without area, are left out; a crowd stays
    while any of it is left, since it says where not to count.

    Args:
        objects: raw table, of any pictures.
        images: `prepared_images` of the split.
        size: (height, width) of the prepared pictures.
    """
    joined = objects.merge(images.drop(columns="label"), on="image_id").sort_values(
        "object_id", ignore_index=True
    )
    scale = joined[["scale_x", "scale_y"]].to_numpy()
    offset = joined[["offset_x_px", "offset_y_px"]].to_numpy()
    moved = move_boxes(joined[BOX_COLUMNS].to_numpy(), scale, offset)
    low = np.maximum(offset, 0.0)
    high = np.minimum(offset + scale * joined[["width_px", "height_px"]].to_numpy(), size[::-1])
    cut = np.clip(moved, np.tile(low, 2), np.tile(high, 2))
    visible, whole = compute_areas(cut), compute_areas(moved)
    share = np.where(joined["is_crowd"], 0.0, MIN_VISIBLE_SHARE)
    kept = (visible > 0) & (visible >= share * whole)
    joined[BOX_COLUMNS] = cut
    return joined.loc[kept, list(get_columns("prepared_objects"))].reset_index(drop=True)
