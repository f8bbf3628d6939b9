from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.evaluation.coco_files import CocoArrays, coco_arrays, read_coco_files, write_coco_files
from glasshouse.evaluation.json_files import rounded
from glasshouse.evaluation.results import SplitTables, evaluate_detection

Tables = Callable[..., SplitTables]


def arrays_of(tables: SplitTables) -> CocoArrays:
    return coco_arrays(tables.images, tables.objects, tables.categories, tables.predictions)


@pytest.mark.parametrize("seed", range(5))
def test_pycocotools_reads_the_score_of_the_metrics_from_the_files(
    tables: Tables, tmp_path: Path, seed: int
) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    split = tables(seed)
    result = evaluate_detection(split, gallery_score=0.3, bootstrap_rounds=0, seed=0)
    write_coco_files(tmp_path, split.images, result.arrays)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(tmp_path / "ground_truth.json"))
        judge = cocoeval.COCOeval(truth, truth.loadRes(str(tmp_path / "predictions.json")), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    names = ["mAP_50_95", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large"]
    names += ["AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"]
    scores = {name: -1.0 if value is None else value for name, value in rounded(result.scores).items()}
    assert [scores[name] for name in names] == pytest.approx([float(stat) for stat in judge.stats], abs=1e-8)
    assert 0.05 < scores["mAP_50_95"] < 0.95


def test_files_read_back_equal_to_the_last_bit(tables: Tables, tmp_path: Path) -> None:
    split = tables(1)
    written = arrays_of(split)
    write_coco_files(tmp_path, split.images, written)
    read = read_coco_files(tmp_path)
    for name in ("objects", "detections"):
        for column in type(getattr(written, name)).__slots__:
            ours, theirs = getattr(getattr(written, name), column), getattr(getattr(read, name), column)
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(written.picture_ids, read.picture_ids)
    assert written.categories == read.categories


def test_files_hold_what_coco_asks_for(tables: Tables, tmp_path: Path) -> None:
    split = tables(2, pictures=2, detections=3)
    write_coco_files(tmp_path, split.images, arrays_of(split))
    truth = json.loads((tmp_path / "ground_truth.json").read_text())
    assert truth["images"][0] == {"id": 3, "file_name": "p/000.jpg", "width": 200, "height": 150}
    assert [row["id"] for row in truth["annotations"]] == list(range(1, len(split.objects) + 1))
    assert truth["categories"] == [
        {"id": 1, "name": "rose"},
        {"id": 2, "name": "tulip"},
        {"id": 3, "name": "daisy"},
    ]
    first, row = truth["annotations"][0], split.objects.iloc[0]
    width, height = row["x_max_px"] - row["x_min_px"], row["y_max_px"] - row["y_min_px"]
    assert first["bbox"] == pytest.approx([row["x_min_px"], row["y_min_px"], width, height], abs=5.1e-4)
    assert first["area"] == first["bbox"][2] * first["bbox"][3]
    assert first["iscrowd"] in (0, 1)
    result = json.loads((tmp_path / "predictions.json").read_text())[0]
    assert set(result) == {"image_id", "category_id", "bbox", "score"}


def test_what_is_scored_has_the_digits_of_the_files(tables: Tables) -> None:
    split = tables(1)
    detections = arrays_of(split).detections
    assert detections.scores.tolist() == [round(score, 6) for score in split.predictions["score"]]
    assert detections.boxes_xywh_px.tolist() == detections.boxes_xywh_px.round(3).tolist()


def test_no_predictions_and_no_objects_give_empty_lists(tables: Tables, tmp_path: Path) -> None:
    split = tables(3)
    empty = replace(split, objects=split.objects[:0], predictions=split.predictions[:0])
    write_coco_files(tmp_path, empty.images, arrays_of(empty))
    assert json.loads((tmp_path / "predictions.json").read_text()) == []
    assert json.loads((tmp_path / "ground_truth.json").read_text())["annotations"] == []
    assert read_coco_files(tmp_path).objects.boxes_xywh_px.shape == (0, 4)


def test_a_box_that_is_none_is_named(tables: Tables) -> None:
    split = tables(4)
    bad: Any = split.predictions.copy()
    bad.loc[7, "x_max_px"] = np.nan
    with pytest.raises(ValueError, match=r"boxes of detections .* in row 7"):
        arrays_of(replace(split, predictions=bad))
