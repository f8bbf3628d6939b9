"""What stands in the tables of a run, number for number."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from glasshouse.inputs.recipe import Recipe
from glasshouse.prediction.result import Prediction
from glasshouse.prediction.tables import FORMATS, choose_formats, open_tables

RECIPE = Recipe("detect", ("rose", "tulip"), 32, 32, "letterbox", 114)
BOX = np.array([[10.0, 20.0, 40.25, 60.5]])
FOUND = Prediction(BOX, np.array([0.75]), np.array([1]), ("tulip",), (100, 200))  # 200 x 100, width first
NOTHING = Prediction(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), (), (50, 70))


def write(folder: Path, *formats: str) -> None:
    tables = open_tables(formats, folder, RECIPE)
    for name, found in (("a.jpg", NOTHING), ("b.jpg", FOUND)):
        for table in tables:
            table.add(name, found, found.list_objects())
    for table in tables:
        table.close()


def test_the_rows_of_json(tmp_path: Path) -> None:
    write(tmp_path, "json")
    tulip = {"label": "tulip", "score": 0.75, "box_xyxy_px": [10.0, 20.0, 40.25, 60.5]}
    assert json.loads((tmp_path / "predictions.json").read_text()) == [
        {"file": "a.jpg", "width_px": 70, "height_px": 50, "objects": []},
        {"file": "b.jpg", "width_px": 200, "height_px": 100, "objects": [tulip]},
    ]


def test_the_rows_of_csv(tmp_path: Path) -> None:
    write(tmp_path, "csv")
    with (tmp_path / "predictions.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["file", "label", "score", "x_min_px", "y_min_px", "x_max_px", "y_max_px"],
            ["b.jpg", "tulip", "0.75", "10.0", "20.0", "40.25", "60.5"],
        ]


def test_a_classifiers_csv_has_no_columns_for_boxes(tmp_path: Path) -> None:
    found = Prediction(None, np.array([0.75, 0.25]), np.array([1, 0]), ("tulip", "rose"), (100, 200))
    classifier = Recipe("classify", ("rose", "tulip"), 32, 32, "stretch", 0)
    (table,) = open_tables(["csv"], tmp_path, classifier)
    table.add("a.jpg", found, found.list_objects())
    table.close()
    assert (tmp_path / "predictions.csv").read_text(encoding="utf-8-sig").splitlines() == [
        *("file,label,score", "a.jpg,tulip,0.75", "a.jpg,rose,0.25"),
    ]


def test_what_was_added_is_in_whole_files_after_each_flush(tmp_path: Path) -> None:
    tables = open_tables(FORMATS, tmp_path, RECIPE)

    def count() -> list[int]:
        names = ("predictions.json", "coco_results.json", "coco_images.json")
        predictions, results, images = (json.loads((tmp_path / name).read_text()) for name in names)
        rows = (tmp_path / "predictions.csv").read_text(encoding="utf-8-sig").splitlines()
        return [len(predictions), len(rows) - 1, len(results), len(images["images"])]

    assert count() == [0, 0, 0, 0]
    for pictures in (1, 2, 3):
        for table in tables:
            table.add("b.jpg", FOUND, FOUND.list_objects())
            table.flush()
        assert count() == [pictures] * 4
    for table in tables:
        table.close()


def test_the_files_of_coco_point_to_one_another(tmp_path: Path) -> None:
    write(tmp_path, "coco")
    assert json.loads((tmp_path / "coco_images.json").read_text()) == {
        "categories": [{"id": 1, "name": "rose"}, {"id": 2, "name": "tulip"}],
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 70, "height": 50},
            {"id": 2, "file_name": "b.jpg", "width": 200, "height": 100},
        ],
    }
    assert json.loads((tmp_path / "coco_results.json").read_text()) == [
        {"image_id": 2, "category_id": 2, "bbox": [10.0, 20.0, 30.25, 40.5], "score": 0.75}
    ]


def test_the_formats_of_a_task_each_once() -> None:
    classifier = Recipe("classify", ("rose", "tulip"), 32, 32, "stretch", 0)
    assert choose_formats(None, RECIPE) == ("json", "csv", "coco")
    assert choose_formats(None, classifier) == ("json", "csv")
    assert choose_formats(["csv", "json", "csv"], RECIPE) == ("csv", "json")
    with pytest.raises(ValueError, match="--format coco: COCO results are boxes"):
        choose_formats(["coco"], classifier)
