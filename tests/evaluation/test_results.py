"""From the tables of a split to what is scored and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from glasshouse.evaluation.results import SplitTables, evaluate_split
from glasshouse.metrics.detection import mean_iou

Tables = Callable[..., SplitTables]


@pytest.mark.parametrize("gallery_score", [0.3, 0.7])
def test_what_a_user_is_shown_begins_at_the_gallerys_score(tables: Tables, gallery_score: float) -> None:
    split = tables(2)
    split = replace(split, objects=split.objects.assign(is_crowd=False))
    result = evaluate_split("detect", split, gallery_score=gallery_score, bootstrap_rounds=0, seed=0)
    shown = int((split.predictions["score"] >= gallery_score).sum())
    assert result.confusion[:, :-1].sum() == shown
    answers = [mark for case in result.cases for mark in case.marks if mark.answer is not None]
    assert len(answers) == shown and min(mark.score for mark in answers) >= gallery_score
    arrays = result.arrays
    assert arrays is not None and len(arrays.detections.scores) == result.scores["predictions"] == 300
    assert result.scores["mean_iou"] == mean_iou(arrays.objects, arrays.detections, gallery_score)
    assert result.scores["protocol"]["mean_iou"]["score_threshold"] == gallery_score


def test_rows_of_a_split_are_taken_from_the_whole_tables(tables: Tables) -> None:
    whole = tables(6)
    part = SplitTables.of(
        [9, 5, 3], whole.images[::-1], whole.objects[::-1], whole.categories, whole.predictions
    )
    assert part.images["image_id"].tolist() == [3, 5, 9]
    assert set(part.objects["image_id"]) <= {3, 5, 9}
    assert part.objects["object_id"].is_monotonic_increasing
    assert len(part.objects) == whole.objects["image_id"].isin([3, 5, 9]).sum()


def test_faulty_tables_are_named(tables: Tables, classified: Tables) -> None:
    settings: dict[str, Any] = {"gallery_score": 0.3, "bootstrap_rounds": 0, "seed": 0}
    split = classified(1)
    strange = replace(split, images=split.images.assign(label=["rose"] * 19 + ["weed"]))
    with pytest.raises(ValueError, match=r"1 pictures have a label .* p/019\.jpg with 'weed'"):
        evaluate_split("classify", strange, **settings)
    with pytest.raises(ValueError, match=r"each of the 20 pictures\. Got 19 rows"):
        evaluate_split("classify", replace(split, predictions=split.predictions[1:]), **settings)
    with pytest.raises(ValueError, match="'detect', 'localize' or 'classify'"):
        evaluate_split("segment", split, **settings)
    whole = tables(1)
    foreign = SplitTables.of([3], whole.images, whole.objects, whole.categories, whole.predictions)
    with pytest.raises(ValueError, match="image_id of detections must be among the 1 given"):
        evaluate_split("detect", foreign, **settings)
