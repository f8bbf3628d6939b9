"""Truth and predictions of one split as COCO files, from which anyone can recompute the score.

The arrays that are scored are the very numbers that are written: rounded once, here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glasshouse.evaluation.json_files import write_rows, write_tables
from glasshouse.metrics.overlap import Detections, Floats, Ints, Objects, areas_px2

BOX_DIGITS = 3  # thousandths of a pixel
SCORE_DIGITS = 6
CORNERS = ["x_min_px", "y_min_px", "x_max_px", "y_max_px"]


@dataclass(frozen=True, slots=True)
class CocoArrays:
    """What pycocotools would read from the files of a split."""

    objects: Objects
    detections: Detections
    picture_ids: Ints
    categories: dict[int, str]


def boxes_xywh_px(table: pd.DataFrame) -> Floats:
    """The boxes of an objects or predictions table as left, top, width, height, (N, 4), rounded."""
    corners: Floats = table[CORNERS].to_numpy(dtype=np.float64)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).round(BOX_DIGITS)


def coco_arrays(
    images: pd.DataFrame, objects: pd.DataFrame, categories: pd.DataFrame, predictions: pd.DataFrame
) -> CocoArrays:
    """The tables of a split, boxes in pixels of the original pictures, as the arrays that are scored.

    Raises:
        ValueError: naming the table and row of a box that is not finite or has a negative side.
    """
    return CocoArrays(
        objects=Objects(
            image_ids=objects["image_id"].to_numpy(dtype=np.int64),
            category_ids=objects["category_id"].to_numpy(dtype=np.int64),
            boxes_xywh_px=boxes_xywh_px(objects),
            is_crowd=objects["is_crowd"].to_numpy(dtype=bool),
        ),
        detections=Detections(
            image_ids=predictions["image_id"].to_numpy(dtype=np.int64),
            category_ids=predictions["category_id"].to_numpy(dtype=np.int64),
            scores=predictions["score"].to_numpy(dtype=np.float64).round(SCORE_DIGITS),
            boxes_xywh_px=boxes_xywh_px(predictions),
        ),
        picture_ids=images["image_id"].to_numpy(dtype=np.int64),
        categories={int(row): str(name) for row, name in categories[["category_id", "name"]].to_numpy()},
    )


def write_coco_files(folder: Path, images: pd.DataFrame, arrays: CocoArrays) -> None:
    """Write `predictions.json` (COCO results) and `ground_truth.json` (COCO) under `folder`.

    Annotation ids count from 1: with an id of 0 pycocotools loses a match.
    """
    categories = [{"id": number, "name": name} for number, name in arrays.categories.items()]
    tables = {
        "images": _image_rows(images),
        "annotations": _annotations(arrays.objects),
        "categories": categories,
    }
    write_tables(folder / "ground_truth.json", tables)
    write_rows(folder / "predictions.json", _results(arrays.detections))


def _image_rows(images: pd.DataFrame) -> list[dict[str, Any]]:
    named = images[["image_id", "file_name", "width_px", "height_px"]].set_axis(
        ["id", "file_name", "width", "height"], axis=1
    )
    return [{str(key): value for key, value in row.items()} for row in named.to_dict("records")]


def _annotations(objects: Objects) -> list[dict[str, Any]]:
    columns = {
        "id": range(1, len(objects.image_ids) + 1),
        "image_id": objects.image_ids.tolist(),
        "category_id": objects.category_ids.tolist(),
        "bbox": objects.boxes_xywh_px.tolist(),
        "area": areas_px2(objects.boxes_xywh_px).tolist(),
        "iscrowd": objects.is_crowd.astype(int).tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _results(detections: Detections) -> list[dict[str, Any]]:
    columns = {
        "image_id": detections.image_ids.tolist(),
        "category_id": detections.category_ids.tolist(),
        "bbox": detections.boxes_xywh_px.tolist(),
        "score": detections.scores.tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def read_coco_files(folder: Path) -> CocoArrays:
    """Read back what `write_coco_files` wrote, equal to the last bit."""
    truth = json.loads((folder / "ground_truth.json").read_text(encoding="utf-8"))
    results = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))
    annotations = truth["annotations"]
    return CocoArrays(
        objects=Objects(
            image_ids=np.array([row["image_id"] for row in annotations], dtype=np.int64),
            category_ids=np.array([row["category_id"] for row in annotations], dtype=np.int64),
            boxes_xywh_px=np.array([row["bbox"] for row in annotations], dtype=np.float64).reshape(-1, 4),
            is_crowd=np.array([row["iscrowd"] for row in annotations], dtype=bool),
        ),
        detections=Detections(
            image_ids=np.array([row["image_id"] for row in results], dtype=np.int64),
            category_ids=np.array([row["category_id"] for row in results], dtype=np.int64),
            scores=np.array([row["score"] for row in results], dtype=np.float64),
            boxes_xywh_px=np.array([row["bbox"] for row in results], dtype=np.float64).reshape(-1, 4),
        ),
        picture_ids=np.array([row["id"] for row in truth["images"]], dtype=np.int64),
        categories={row["id"]: row["name"] for row in truth["categories"]},
    )
