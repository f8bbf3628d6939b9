from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.detection import (
    average_precision,
    average_recall,
    detection_scores,
    interpolated_precision,
    intervals,
    mean_iou,
)
from glasshouse.metrics.matching import AREA_RANGES_PX2, match_detections
from glasshouse.metrics.overlap import Detections, Objects

POINTS = ("mAP_50_95", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large")
RECALLS = ("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large")
NAMES = {1: "rose", 2: "tulip", 3: "daisy"}


def score(
    objects: Objects, detections: Detections, pictures: Any, *, threshold: float = 0.3, rounds: int = 0
) -> dict[str, Any]:
    return detection_scores(
        objects, detections, pictures, NAMES, score_threshold=threshold, bootstrap_rounds=rounds, seed=1
    )


def one_class(true: list[list[float]], found: list[tuple[float, list[float]]]) -> tuple[Objects, Detections]:
    """Everything in picture 1, class 1."""
    objects = Objects(
        np.ones(len(true), dtype=np.int64),
        np.ones(len(true), dtype=np.int64),
        np.array(true, dtype=np.float64).reshape(-1, 4),
        np.zeros(len(true), dtype=bool),
    )
    detections = Detections(
        np.ones(len(found), dtype=np.int64),
        np.ones(len(found), dtype=np.int64),
        np.array([score for score, _ in found], dtype=np.float64),
        np.array([box for _, box in found], dtype=np.float64).reshape(-1, 4),
    )
    return objects, detections


def test_average_precision_of_three_boxes_by_hand() -> None:
    # Right at 0.9, wrong at 0.8, right at 0.7: recall 0.5 at precision 1, then recall 1 at precision 2/3.
    # Recall points 0.00 .. 0.50 are 51, 0.51 .. 1.00 are 50: AP = (51 x 1 + 50 x 2/3) / 101.
    objects, detections = one_class(
        [[0, 0, 10, 10], [50, 50, 10, 10]],
        [(0.9, [0, 0, 10, 10]), (0.8, [100, 0, 10, 10]), (0.7, [50, 50, 10, 10])],
    )
    matches = match_detections(objects, detections, np.array([1]), np.array([1]))
    np.testing.assert_allclose(
        average_precision(matches), np.full((1, 10), (51 + 50 * 2 / 3) / 101), rtol=1e-12
    )
    np.testing.assert_array_equal(average_recall(matches), np.ones((1, 10)))
    np.testing.assert_array_equal(average_recall(matches, max_detections=1), np.full((1, 10), 0.5))


def test_thresholds_that_a_box_reaches_by_hand() -> None:
    # 10 x 8 inside 10 x 10: IoU 0.8, so right at 0.50 .. 0.80 (7 of 10 thresholds).
    objects, detections = one_class([[0, 0, 10, 10]], [(0.9, [0, 0, 10, 8])])
    matches = match_detections(objects, detections, np.array([1]), np.array([1]))
    assert average_precision(matches)[0].round(9).tolist() == [1.0] * 7 + [0.0] * 3


def test_of_two_objects_overlapped_alike_the_last_is_taken() -> None:
    # The surest box lies midway (IoU 9/11 with both); had it taken the first object, the other box, which
    # reaches only that one (7/13; 5/15 with the second), would have found nothing.
    objects, detections = one_class(
        [[0, 0, 10, 10], [2, 0, 10, 10]], [(0.9, [1, 0, 10, 10]), (0.8, [-3, 0, 10, 10])]
    )
    matches = match_detections(objects, detections, np.array([1]), np.array([1]))
    assert matches.hit[0, 0].tolist() == [True, True]


def test_a_second_box_on_one_object_is_wrong() -> None:
    objects, detections = one_class([[0, 0, 10, 10]], [(0.9, [0, 0, 10, 10]), (0.8, [0, 0, 10, 10])])
    matches = match_detections(objects, detections, np.array([1]), np.array([1]))
    assert matches.hit[0, 0].tolist() == [True, False]
    assert not matches.ignored[0].any()


def test_any_number_of_boxes_on_a_crowd_are_ignored() -> None:
    objects, detections = one_class(
        [[0, 0, 100, 100], [200, 0, 10, 10]],
        [(0.9, [0, 0, 10, 10]), (0.8, [20, 20, 10, 10]), (0.7, [200, 0, 10, 10])],
    )
    crowded = replace(objects, is_crowd=np.array([True, False]))
    matches = match_detections(crowded, detections, np.array([1]), np.array([1]))
    assert matches.ignored[0, 0].tolist() == [True, True, False]
    assert average_precision(matches)[0, 0] == pytest.approx(1.0)


def assert_equals_judge(
    judge: Any, objects: Objects, detections: Detections, pictures: Any, classes: Any
) -> None:
    expected = judge(objects, detections, pictures, classes)
    precision, recall = expected.eval["precision"], expected.eval["recall"]
    matches = match_detections(objects, detections, pictures, classes)
    for place, area in enumerate(AREA_RANGES_PX2):
        known = np.where(precision[..., place, -1] < 0, np.nan, precision[..., place, -1]).mean(axis=1)
        np.testing.assert_allclose(average_precision(matches, area).T, known, atol=1e-9)
        for column, most in enumerate((1, 10, 100)):
            known = np.where(recall[..., place, column] < 0, np.nan, recall[..., place, column])
            np.testing.assert_allclose(average_recall(matches, area, most).T, known, atol=1e-9)
    curve = precision[0, :, :, 0, -1].T
    np.testing.assert_allclose(interpolated_precision(matches), np.where(curve < 0, np.nan, curve), atol=1e-9)


@st.composite
def crowded_scenes(draw: st.DrawFn) -> tuple[Objects, Detections, Any, Any]:
    """Small whole boxes and few scores, so that equal scores, equal IoUs and IoUs on a threshold abound."""
    pictures = draw(st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True))
    classes = draw(st.lists(st.integers(1, 90), min_size=1, max_size=3, unique=True))
    sides = st.sampled_from([0, 1, 2, 3, 4, 31, 32, 33, 64, 96, 97, 120])
    box = st.tuples(st.integers(0, 3), st.integers(0, 3), sides, sides)
    key = st.tuples(st.sampled_from(pictures), st.sampled_from(classes), box)
    true = draw(st.lists(st.tuples(key, st.booleans()), max_size=14))
    found = draw(st.lists(st.tuples(key, st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])), max_size=24))
    objects = Objects(
        np.array([row[0][0] for row in true], dtype=np.int64),
        np.array([row[0][1] for row in true], dtype=np.int64),
        np.array([row[0][2] for row in true], dtype=np.float64).reshape(-1, 4),
        np.array([row[1] for row in true], dtype=bool),
    )
    detections = Detections(
        np.array([row[0][0] for row in found], dtype=np.int64),
        np.array([row[0][1] for row in found], dtype=np.int64),
        np.array([row[1] for row in found], dtype=np.float64),
        np.array([row[0][2] for row in found], dtype=np.float64).reshape(-1, 4),
    )
    return objects, detections, np.array(pictures), np.array(classes)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=crowded_scenes())
def test_equals_pycocotools_on_ties_crowds_and_empty_pictures(judge: Any, made: Any) -> None:
    assert_equals_judge(judge, *made)


@pytest.mark.parametrize("seed", range(4))
def test_equals_pycocotools_on_real_valued_boxes(judge: Any, scene: Callable[..., Any], seed: int) -> None:
    assert_equals_judge(judge, *scene(seed, pictures=30, classes=4, detections=600))


def test_equals_pycocotools_beyond_100_detections_a_picture(judge: Any, scene: Callable[..., Any]) -> None:
    objects, detections, pictures, classes = scene(5, pictures=2, classes=1, detections=500)
    assert_equals_judge(judge, objects, detections, pictures, classes)
    matches = match_detections(objects, detections, pictures, classes)
    assert np.bincount(matches.picture).tolist() == [100, 100]


def test_summary_equals_that_of_pycocotools(judge: Any, scene: Callable[..., Any]) -> None:
    objects, detections, pictures, classes = scene(6)
    expected = judge(objects, detections, pictures, classes)
    expected.summarize()
    scores = score(objects, detections, pictures)
    assert [scores[name] for name in (*POINTS, *RECALLS)] == pytest.approx(list(expected.stats), abs=1e-9)


def drop(detections: Detections, rows: Any) -> Detections:
    return Detections(*(getattr(detections, name)[rows] for name in Detections.__slots__))


def permuted(objects: Objects, detections: Detections) -> tuple[Objects, Detections]:
    generator = np.random.default_rng(0)
    rows, places = (
        generator.permutation(len(objects.image_ids)),
        generator.permutation(len(detections.scores)),
    )
    return Objects(*(getattr(objects, name)[rows] for name in Objects.__slots__)), drop(detections, places)


MOVE = np.array([8, 16, 0, 0])
LAWS = {
    "rows in any order": permuted,
    "scores on another rising scale": lambda o, d: (o, replace(d, scores=d.scores**3)),
    "pictures numbered otherwise": lambda o, d: (
        replace(o, image_ids=13 - o.image_ids),
        replace(d, image_ids=13 - d.image_ids),
    ),
    "moved by whole pixels": lambda o, d: (
        replace(o, boxes_xywh_px=o.boxes_xywh_px + MOVE),
        replace(d, boxes_xywh_px=d.boxes_xywh_px + MOVE),
    ),
    "mirrored": lambda o, d: (
        replace(o, boxes_xywh_px=o.boxes_xywh_px[:, [1, 0, 3, 2]]),
        replace(d, boxes_xywh_px=d.boxes_xywh_px[:, [1, 0, 3, 2]]),
    ),
}


@pytest.mark.parametrize("name", (*POINTS, *RECALLS))
@pytest.mark.parametrize("law", LAWS)
def test_scores_do_not_change(scene: Callable[..., Any], law: str, name: str) -> None:
    objects, detections, pictures, _ = scene(7)
    before, after = score(objects, detections, pictures), score(*LAWS[law](objects, detections), pictures)
    assert after[name] == pytest.approx(before[name], abs=1e-9)
    assert 0 <= before[name] <= 1


@pytest.mark.parametrize("name", (*POINTS, "mean_iou", "AR_100", "AR_small", "AR_medium", "AR_large"))
def test_the_truth_itself_scores_one(scene: Callable[..., Any], name: str) -> None:
    objects, _, pictures, _ = scene(8)
    own = ~objects.is_crowd
    perfect = Detections(
        objects.image_ids[own], objects.category_ids[own], np.ones(own.sum()), objects.boxes_xywh_px[own]
    )
    assert score(objects, perfect, pictures)[name] == pytest.approx(1.0)


def test_a_last_wrong_box_changes_nothing_and_a_first_one_costs(scene: Callable[..., Any]) -> None:
    objects, detections, pictures, _ = scene(9)

    def with_wrong(at: float) -> float:
        more = Detections(
            np.append(detections.image_ids, 1),
            np.append(detections.category_ids, 1),
            np.append(detections.scores, at),
            np.vstack([detections.boxes_xywh_px, [900, 900, 5, 5]]),
        )
        return float(score(objects, more, pictures)["mAP_50_95"])

    assert with_wrong(0.0) == score(objects, detections, pictures)["mAP_50_95"] > with_wrong(1.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_of_weight_two_counts_as_two_pictures(scene: Callable[..., Any], seed: int) -> None:
    objects, detections, pictures, classes = scene(seed)
    weights = np.random.default_rng(seed).integers(0, 4, len(pictures)).astype(np.float64)
    weighted = average_precision(
        match_detections(objects, detections, pictures, classes), picture_weights=weights[None]
    )[0]
    # The same set written out: picture 3 of weight 2 becomes the pictures 300 and 301.
    copies = [
        (old, old * 100 + copy)
        for old, weight in zip(pictures, weights, strict=True)
        for copy in range(int(weight))
    ]

    def write_out(table: Any) -> Any:
        parts = [np.flatnonzero(table.image_ids == old) for old, _ in copies]
        rows = np.concatenate(parts)
        names = np.concatenate(
            [np.full(len(part), new) for part, (_, new) in zip(parts, copies, strict=True)]
        )
        columns = {name: getattr(table, name)[rows] for name in type(table).__slots__}
        return type(table)(**(columns | {"image_ids": names}))

    plain = match_detections(
        write_out(objects), write_out(detections), np.array([new for _, new in copies]), classes
    )
    np.testing.assert_allclose(weighted, average_precision(plain), atol=1e-12)


def test_intervals_are_those_of_scoring_every_resampling_anew(scene: Callable[..., Any]) -> None:
    from glasshouse.metrics.bootstrap import interval, resample

    objects, detections, pictures, classes = scene(1)
    matches = match_detections(objects, detections, pictures, classes)
    one_by_one = [
        mean_known(average_precision(matches, picture_weights=row[None]))
        for row in resample(len(pictures), 150, seed=3)
    ]
    found = intervals(matches, 150, seed=3)
    assert found["mAP_50_95"] == pytest.approx(interval(np.array(one_by_one)), abs=1e-12)
    low, high = found["mAP_50"]
    assert 0 <= low < mean_known(average_precision(matches)[:, 0]) < high <= 1
    assert intervals(matches, 150, seed=4) != found


def test_intervals_of_like_pictures_are_points() -> None:
    objects, detections = one_class([[0, 0, 10, 10]], [(0.9, [0, 0, 10, 8])])
    pictures = np.arange(1, 6)
    objects = Objects(
        pictures, np.ones(5, dtype=np.int64), np.repeat(objects.boxes_xywh_px, 5, 0), np.zeros(5, bool)
    )
    detections = Detections(
        pictures, objects.category_ids, np.full(5, 0.9), np.repeat(detections.boxes_xywh_px, 5, 0)
    )
    scores = score(objects, detections, pictures, rounds=50)
    assert scores["ci95"]["mAP_50_95"] == pytest.approx((0.7, 0.7), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_mean_iou_equals_a_plain_loop(scene: Callable[..., Any], seed: int) -> None:
    objects, detections, _, _ = scene(seed)

    def overlap(a: Any, b: Any) -> float:
        width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        shared = max(width, 0) * max(height, 0)
        return float(shared / (a[2] * a[3] + b[2] * b[3] - shared))

    best = []
    for row in np.flatnonzero(~objects.is_crowd):
        rivals = [
            overlap(objects.boxes_xywh_px[row], detections.boxes_xywh_px[other])
            for other in range(len(detections.scores))
            if detections.scores[other] >= 0.4
            and detections.image_ids[other] == objects.image_ids[row]
            and detections.category_ids[other] == objects.category_ids[row]
        ]
        best.append(max(rivals, default=0.0))
    assert mean_iou(objects, detections, 0.4) == pytest.approx(np.mean(best))


def test_classes_without_objects_are_unknown_and_left_out(scene: Callable[..., Any]) -> None:
    objects, detections = one_class([[0, 0, 10, 10]], [(0.9, [0, 0, 10, 10])])
    scores = score(objects, detections, np.array([1]))
    assert scores["mAP_50_95"] == pytest.approx(1.0)
    assert np.isnan(scores["per_class"]["tulip"]["AP_50"])
    assert scores["per_class"]["rose"] == pytest.approx(
        {"AP_50_95": 1.0, "AP_50": 1.0, "AR_100": 1.0, "ground_truth": 1, "predictions": 1}
    )


@pytest.mark.parametrize(("true", "found"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_there_or_nothing_found(true: int, found: int) -> None:
    objects, detections = one_class([[0, 0, 10, 10]] * true, [(0.9, [0, 0, 10, 10])] * found)
    scores = score(objects, detections, np.array([1, 2]), rounds=5)
    expected = 0.0 if true else float("nan")
    for name in ("mAP_50_95", "mAP_50", "mAP_75", "mean_iou", "AR_100"):
        assert scores[name] == pytest.approx(expected, nan_ok=True), name
    assert (scores["ground_truth"], scores["predictions"], scores["pictures"]) == (true, found, 2)


def test_rows_of_unknown_pictures_and_classes_are_named() -> None:
    objects, detections = one_class([[0, 0, 10, 10]], [(0.9, [0, 0, 10, 10])])
    with pytest.raises(ValueError, match=r"image_id of objects must be among the 2 given\. Got 1 instead"):
        match_detections(objects, detections, np.array([2, 3]), np.array([1]))
    with pytest.raises(ValueError, match=r"category_id of detections .* Got 9 instead"):
        match_detections(
            objects, replace(detections, category_ids=np.array([9])), np.array([1]), np.array([1])
        )
