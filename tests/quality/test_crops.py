"""Boxes before and after seen in pixels: what is right passes in every mode, what is wrong fails."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glasshouse.inputs.manifest import read_manifest, read_shards
from glasshouse.inputs.prepare import write_prepared
from glasshouse.quality.crops import OBJECTS_EACH, PICTURES, compare_crops, measure_difference
from glasshouse.quality.shards import read_encoded
from glasshouse.tables.raw import read_raw
from glasshouse.tables.schema import BOX_COLUMNS

LIMIT = 15.0  # quality.preprocess.max_crop_difference


@pytest.fixture
def prepare(raw, tmp_path):
    """Writes and reads the prepared pictures; gives the tables and the pixels."""

    def make(height_px, width_px, resize):
        images = read_raw(raw).images
        ids = images["image_id"]
        split = pd.DataFrame(
            {"image_id": ids, "split": ["train", "valid", "test"] * 7 + ["train"] * (len(ids) - 21)}
        )
        split = split.assign(group=ids, weight=1.0)
        about = SimpleNamespace(height_px=height_px, width_px=width_px, resize=resize, pad_value=114)
        write_prepared(raw, split, about, tmp_path / "prepared")
        tables = {"images": images, "objects": read_raw(raw).objects, **read_manifest(tmp_path / "prepared")}
        shards = {name: [np.array(part) for part in parts] for name, parts in
                  read_shards(tmp_path / "prepared").items()}  # fmt: skip
        return tables, shards

    return make


@pytest.mark.parametrize("resize", ["letterbox", "crop", "stretch"])
@pytest.mark.parametrize("size", [(64, 64), (32, 96), (160, 128)])
def test_a_right_resize_passes(raw, prepare, resize, size):
    tables, shards = prepare(*size, resize)
    crops = compare_crops(raw, tables, shards)
    assert crops["crop_difference"].max() < LIMIT / 2
    assert set(crops["what"]) == {"whole picture", "object"}
    assert crops.equals(compare_crops(raw, tables, shards))


def mirror(tables, shards):
    return tables, {name: [part[:, :, ::-1] for part in parts] for name, parts in shards.items()}


def shift_rows(tables, shards):
    return tables, {name: [np.roll(part, 1, axis=0) for part in parts] for name, parts in shards.items()}


def transpose_pixels(tables, shards):
    return tables, {name: [part.transpose(0, 2, 1, 3) for part in parts] for name, parts in shards.items()}


def swap_axes_of_boxes(tables, shards):
    swapped = tables["prepared_objects"].rename(columns=dict(zip(BOX_COLUMNS, [
        "y_min_px", "x_min_px", "y_max_px", "x_max_px"], strict=True)))  # fmt: skip
    return {**tables, "prepared_objects": swapped}, shards


def forget_offset(tables, shards):
    """Boxes and transform agree with each other: the algebra alone sees nothing."""
    images, objects = tables["prepared_images"], tables["prepared_objects"]
    offsets = objects[["image_id"]].merge(images, on="image_id")
    moved = objects.assign(**{
        corner: objects[corner] - offsets[f"offset_{corner[0]}_px"] for corner in BOX_COLUMNS
    })  # fmt: skip
    forgotten = images.assign(offset_x_px=0.0, offset_y_px=0.0)
    return {**tables, "prepared_images": forgotten, "prepared_objects": moved}, shards


@pytest.mark.parametrize("spoil", [mirror, shift_rows, transpose_pixels, swap_axes_of_boxes, forget_offset])
def test_a_wrong_resize_fails(raw, prepare, spoil):
    crops = compare_crops(raw, *spoil(*prepare(64, 64, "letterbox")))
    assert (crops["crop_difference"] > LIMIT).sum() >= 5
    assert crops.loc[crops["crop_difference"] > LIMIT, "file_name"].notna().all()


def test_the_sample_is_bounded_and_leaves_out_what_shows_nothing(raw, prepare):
    tables, shards = prepare(64, 64, "letterbox")
    crops = compare_crops(raw, tables, shards)
    pictures = len(tables["images"])
    assert len(crops) <= min(pictures, PICTURES) * (1 + OBJECTS_EACH)
    tiny = tables["objects"].loc[tables["objects"]["x_min_px"] == 5.0, "object_id"]
    assert not crops["object_id"].isin(tiny).any() and crops["object_id"].notna().sum() == pictures


def test_the_difference_is_the_mean_over_the_cells():
    dark, half = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    half[:, 20:] = 100
    box, left = np.array([0.0, 0.0, 40.0, 40.0]), np.array([0.0, 0.0, 18.0, 40.0])
    pictures = Image.fromarray(dark), Image.fromarray(half)
    assert measure_difference(pictures[0], box, pictures[1], box) == pytest.approx(
        50.0, abs=1.0
    )  # half of 100
    assert measure_difference(pictures[0], left, pictures[1], left) == 0.0
    assert measure_difference(pictures[0], box, pictures[1], np.array([5.0, 5.0, 5.0, 9.0])) == 255.0


def test_single_pictures_are_read_out_of_the_shards(raw):
    wanted = dict(read_encoded(raw, [7, 3, 999]))
    assert list(wanted) == [3, 7] and all(content.startswith(b"\x89PNG") for content in wanted.values())
    assert dict(read_encoded(raw.parent, [3])) == {}
