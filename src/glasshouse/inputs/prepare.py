"""Writes pictures at the network's size, with their labels, by streaming."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from glasshouse.geometry.boxes import compute_areas, move_boxes
from glasshouse.geometry.masks import Mask, resize_mask
from glasshouse.geometry.rle import decode_mask
from glasshouse.geometry.strips import Strips, take_strips
from glasshouse.inputs.masks import PlacedMask, write_masks
from glasshouse.inputs.pixel_shards import PixelWriter
from glasshouse.inputs.resize import resize_picture
from glasshouse.inputs.shapes import write_strips
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
            write_shapes(raw, moved, images, place / split)
            objects += len(moved)
            dropped += int(raw.objects["image_id"].isin(images["image_id"]).sum()) - len(moved)
    return Written({split: len(split_rows) for split, split_rows in rows.items()}, objects, dropped)


def write_shapes(raw: Raw, moved: pd.DataFrame, images: pd.DataFrame, folder: Path) -> None:
    """Write what the masks of the moved objects tell, where there are any: strips in units of the boxes, and
    the masks in prepared pixels."""
    counts = raw.objects.set_index("object_id")["mask"].reindex(moved["object_id"]).tolist()
    of_picture = moved[["image_id"]].merge(images, on="image_id")
    sizes = of_picture[["height_px", "width_px"]].to_numpy()
    went = of_picture[["scale_x", "scale_y", "offset_x_px", "offset_y_px"]].to_numpy()
    boxes, uncut = moved[BOX_COLUMNS].to_numpy(), are_uncut(raw, moved, went[:, :2])
    shapes: list[Strips | None] = [None] * len(moved)
    cut_outs: list[PlacedMask | None] = [None] * len(moved)
    for row, text in enumerate(counts):
        if isinstance(text, str):
            mask = decode_mask(text, int(sizes[row, 0]), int(sizes[row, 1]))
            cut_outs[row] = placed = take_mask(mask, boxes[row], went[row])
            if uncut[row]:
                shapes[row] = take_strips(mask)
            elif placed is not None:
                shapes[row] = fit_strips(placed, boxes[row])
    write_strips(folder, shapes)
    write_masks(folder, cut_outs)


def fit_strips(placed: PlacedMask, box_xyxy_px: NDArray[np.float64]) -> Strips:
    """The strips of a mask that was cut, in units of the box that was cut with it."""
    mask, left_top = placed
    rows, columns = np.nonzero(mask)
    low = np.array([columns.min(), rows.min()])
    sides = np.array([columns.max(), rows.max()]) + 1 - low
    filled_px = take_strips(mask).reshape(-1, 2, 2) * sides + low + left_top
    units = (filled_px - box_xyxy_px[:2]) / (box_xyxy_px[2:] - box_xyxy_px[:2])
    strips: Strips = np.clip(units, 0, 1).reshape(-1, 4).astype(np.float32)
    return strips


def are_uncut(raw: Raw, moved: pd.DataFrame, scale_xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each moved object's box is whole: the outline of the mask is then the box's own."""
    whole = moved[["object_id", "image_id"]].merge(raw.objects, on=["object_id", "image_id"])
    sides, before = (
        (part[BOX_COLUMNS[2:]].to_numpy() - part[BOX_COLUMNS[:2]].to_numpy()) for part in (moved, whole)
    )
    return np.asarray(np.isclose(sides, before * scale_xy).all(axis=1))


def take_mask(mask: Mask, box_xyxy_px: NDArray[np.float64], went: NDArray[np.float64]) -> PlacedMask | None:
    """An object's mask in prepared pixels, and where it lies; None for one so thin that it fills half of no
    pixel.

    Args:
        mask: of the original picture.
        box_xyxy_px: of the object in the prepared picture, cut at its edges.
        went: scale x, y and offset x, y of the picture.
    """
    # Rounding alone must not open a further row of pixels.
    left, top = np.floor(box_xyxy_px[:2] + 1e-6).astype(int).tolist()
    right, bottom = np.ceil(box_xyxy_px[2:] - 1e-6).astype(int).tolist()
    resized = resize_mask(mask, (went[0], went[1]), (went[2], went[3]), (left, top, right, bottom))
    return (resized, (left, top)) if resized.any() else None


def match_splits(raw: Raw, split_table: pd.DataFrame) -> dict[int, str]:
    """image_id to split, of pictures that are not left out; raises ValueError where the tables hold different
    ones."""
    splits = dict(zip(split_table["image_id"].tolist(), split_table["split"].tolist(), strict=True))
    differing = sorted(set(raw.images["image_id"].tolist()) ^ set(splits))
    if differing or len(splits) != len(split_table):
        raise ValueError(
            f"Split table and raw pictures differ in {len(differing)} image ids, first {differing[:3]}: "
            "the table belongs to another data set; run `dvc repro split`."
        )
    return {image_id: split for image_id, split in splits.items() if isinstance(split, str)}


def write_pixels(
    raw_folder: Path, raw: Raw, split_table: pd.DataFrame, preprocess: Preprocess, place: Path
) -> dict[str, list[Row]]:
    """Resize every picture into its split's shards; returns the rows of each split's `prepared_images`."""
    splits = match_splits(raw, split_table)
    counts = pd.Series(splits).value_counts()
    shape = (preprocess.height_px, preprocess.width_px, 3)
    names = sorted(counts.index)
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

    pictures = (item for item in iter_pictures(raw_folder) if item[0] in splits)
    bar = tqdm(pictures, "resize", len(splits), file=sys.stderr, disable=None)
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(PixelWriter(place / split, int(counts[split]), shape))
            for split in names
        }
        for (image_id, _, _), (resized, geometry) in map_in_order(prepare, bar):
            split, label = splits[image_id], labels[image_id]
            row = writers[split].append(resized)
            known: object = None if pd.isna(label) else label
            rows[split].append((image_id, row, known, weights[image_id], *geometry))
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
