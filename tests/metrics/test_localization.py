from __future__ import annotations

import math

import numpy as np
import pytest

from glasshouse.metrics.localization import judge_surest, localization_scores
from glasshouse.metrics.overlap import Detections, Objects

PICTURES = np.array([3, 5, 7, 9, 11])
NO_BOXES = np.zeros((0, 4))
NONE = np.zeros(0, np.int64)


def objects(rows: list[tuple[int, int, list[float], bool]]) -> Objects:
    ids, names, boxes, crowds = zip(*rows, strict=True)
    return Objects(np.array(ids), np.array(names), np.array(boxes, float), np.array(crowds))


def detections(rows: list[tuple[int, int, float, list[float]]]) -> Detections:
    ids, names, scores, boxes = zip(*rows, strict=True)
    return Detections(np.array(ids), np.array(names), np.array(scores), np.array(boxes, float))


TRUTH = objects(
    [
        (3, 1, [0, 0, 4, 4], False),
        (3, 2, [0, 0, 10, 10], False),  # the largest of picture 3
        (3, 1, [0, 0, 90, 90], True),  # a crowd is not counted
        (5, 1, [0, 0, 10, 10], False),
        (7, 2, [0, 0, 10, 10], False),
        (9, 1, [0, 0, 90, 90], True),
    ]
)
FOUND = detections(
    [
        (3, 1, 0.4, [0, 0, 4, 4]),
        (3, 2, 0.9, [0, 0, 5, 10]),  # right class, IoU 1/2
        (5, 2, 0.8, [0, 0, 10, 10]),  # wrong class, right box
        (5, 1, 0.8, [50, 50, 1, 1]),  # as sure, but later
        (9, 1, 0.9, [0, 0, 1, 1]),  # no object to be held against
    ]
)


def test_by_hand() -> None:
    surest = judge_surest(TRUTH, FOUND, PICTURES)
    assert surest.has_object.tolist() == [True, True, True, False, False]
    assert surest.right.tolist() == [True, False, False, False, False]
    assert surest.iou.tolist() == [0.5, 1.0, 0.0, 0.0, 0.0]  # picture 7 has no box
    scores = localization_scores(TRUTH, FOUND, PICTURES, bootstrap_rounds=0, seed=0)
    assert scores["accuracy"] == pytest.approx(1 / 3)
    assert scores["mean_iou"] == pytest.approx(0.5)
    assert scores["counts"] == {"pictures_with_several_objects": 1, "pictures_without_objects": 2}
    assert all(math.isnan(end) for pair in scores["ci95"].values() for end in pair)


def test_the_largest_object_is_that_of_the_most_area() -> None:
    wide, high, square = [0, 0, 12, 2], [0, 0, 2, 12], [0, 0, 6, 6]  # 24, 24 and 36 px
    truth = objects([(3, 1, wide, False), (3, 2, square, False), (3, 1, high, False)])
    surest = judge_surest(truth, detections([(3, 2, 0.9, square)]), np.array([3]))
    assert surest.right.tolist() == [True] and surest.iou.tolist() == [1.0]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(TRUTH.is_crowd))
    mixed = Objects(
        TRUTH.image_ids[rows], TRUTH.category_ids[rows], TRUTH.boxes_xywh_px[rows], TRUTH.is_crowd[rows]
    )
    assert (judge_surest(mixed, FOUND, PICTURES).iou == judge_surest(TRUTH, FOUND, PICTURES).iou).all()


def test_the_interval_is_that_of_resampled_means() -> None:
    """Against a slow resampling of whole pictures."""
    rng = np.random.default_rng(4)
    ids = np.arange(40)
    truth = objects([(int(i), 1, [0, 0, 10, 10], False) for i in ids[:35]])
    found = detections(
        [(int(i), 1 + int(rng.random() < 0.3), 0.5, [0, 0, 10, float(rng.uniform(2, 10))]) for i in ids]
    )
    scores = localization_scores(truth, found, ids, bootstrap_rounds=4000, seed=1)
    surest, slow = judge_surest(truth, found, ids), []
    for _ in range(4000):
        drawn = rng.integers(0, 40, 40)
        drawn = drawn[surest.has_object[drawn]]
        slow.append((surest.right[drawn].mean(), surest.iou[drawn].mean()))
    for column, name in enumerate(("accuracy", "mean_iou")):
        low, high = scores["ci95"][name]
        assert (low, high) == pytest.approx(np.quantile(np.array(slow)[:, column], [0.025, 0.975]), abs=0.02)
        assert low < scores[name] < high


def test_nothing_to_score_is_not_a_number() -> None:
    nothing = Objects(NONE, NONE, NO_BOXES, np.zeros(0, bool))
    scores = localization_scores(nothing, FOUND, PICTURES, bootstrap_rounds=20, seed=0)
    assert math.isnan(scores["accuracy"]) and math.isnan(scores["mean_iou"])
    assert scores["counts"]["pictures_without_objects"] == 5
    silent = Detections(NONE, NONE, np.zeros(0), NO_BOXES)
    assert judge_surest(TRUTH, silent, PICTURES).mean_iou == 0.0
    with pytest.raises(ValueError, match="image_id of detections must be among the 2 given"):
        judge_surest(nothing, FOUND, PICTURES[:2])
