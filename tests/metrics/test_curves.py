from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glasshouse.metrics.curves import (
    all_point_precision,
    answer_curve,
    class_precision,
    eleven_point_precision,
    ranked_hits,
    threshold_curve,
)
from glasshouse.metrics.matching import Matches, match_detections
from glasshouse.metrics.overlap import Detections, Objects


def three_boxes() -> Matches:
    """Right at 0.9, wrong at 0.8, right at 0.7; a third object is never found."""
    objects = Objects(
        np.ones(3, dtype=np.int64),
        np.ones(3, dtype=np.int64),
        np.array([[0, 0, 10, 10], [50, 50, 10, 10], [80, 80, 9, 9]], dtype=np.float64),
        np.zeros(3, dtype=bool),
    )
    boxes = np.array([[0, 0, 10, 10], [100, 0, 10, 10], [50, 50, 10, 10]], dtype=np.float64)
    ones = np.ones(3, dtype=np.int64)
    return match_detections(
        objects, Detections(ones, ones, np.array([0.9, 0.8, 0.7]), boxes), np.array([1]), np.array([1])
    )


def test_pascal_by_hand() -> None:
    # Recall 1/3 at precision 1, then 2/3 at precision 2/3, then nothing.
    # 11 points: 0, .1, .2, .3 have 1; .4, .5, .6 have 2/3; .7 .. 1 have 0: (4 + 3 * 2/3) / 11 = 6/11.
    assert eleven_point_precision(three_boxes())[0] == pytest.approx(6 / 11)
    # All points: 1/3 * 1 + 1/3 * 2/3 = 5/9.
    assert all_point_precision(three_boxes())[0] == pytest.approx(5 / 9)


def test_f1_by_hand() -> None:
    curve = threshold_curve(three_boxes())
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.7]
    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert curve.recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert curve.f1.tolist() == pytest.approx([2 / 4, 2 / 5, 4 / 6])  # 2 hits / (shown + truth)
    assert curve.best == (0.7, pytest.approx(2 / 3))


def test_a_classifier_that_keeps_silent_by_hand() -> None:
    curve = answer_curve(np.array([0.6, 0.9, 0.6, 0.7]), np.array([True, True, False, False]))
    assert curve.thresholds.tolist() == [0.9, 0.7, 0.6]
    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 4])  # of those answered
    assert curve.recall.tolist() == pytest.approx([1 / 4, 1 / 4, 2 / 4])  # of all pictures
    assert curve.f1.tolist() == pytest.approx([2 / 5, 2 / 6, 4 / 8])
    assert curve.best == (0.6, 0.5)


def test_precision_of_classes_by_hand() -> None:
    labels = np.array([0, 1, 0, 0])
    first = np.array([0.9, 0.8, 0.8, 0.1])
    curves = class_precision(labels, np.stack([first, 1 - first, np.zeros(4)], axis=1))
    # Class 0: 1/3 at precision 1; then two equal ones, one right: 2/3 at 2/3; then all three at 3/4, which is
    # more, so it counts for the point before as well.
    assert curves[0, 33] == 1.0 and curves[0, 34] == curves[0, 67] == curves[0, 100] == 3 / 4
    # Class 1: its picture comes second and third at once, after that of 0.9.
    assert curves[1].tolist() == pytest.approx([1 / 3] * 101)
    assert np.isnan(curves[2]).all()


@pytest.mark.parametrize("seed", range(3))
def test_precision_of_classes_equals_scikit_learns(seed: int) -> None:
    oracle: Any = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(seed)
    probabilities = np.round(rng.dirichlet(np.ones(3), 80), 1)  # many ties
    labels = rng.integers(0, 3, 80)
    for category, curve in enumerate(class_precision(labels, probabilities)):
        precision, recall, _ = oracle.precision_recall_curve(labels == category, probabilities[:, category])
        wanted = [precision[:-1][recall[:-1] >= point - 1e-12].max() for point in np.linspace(0, 1, 101)]
        assert curve == pytest.approx(wanted)


def naive_points(hits: list[bool], truth: int) -> tuple[float, float]:
    """Both APs with loops, straight from their definitions."""
    found, points = 0, [(0.0, 0.0)]
    points = []
    for shown, hit in enumerate(hits, 1):
        found += hit
        points.append((found / truth, found / shown))
    eleven = [max([p for r, p in points if r >= step / 10 - 1e-12], default=0.0) for step in range(11)]
    area, before = 0.0, 0.0
    for place, (recall, _) in enumerate(points):
        area += (recall - before) * max(p for _, p in points[place:])
        before = recall
    return sum(eleven) / 11, area


@pytest.mark.parametrize("seed", range(15))
def test_against_loops(scene: Any, seed: int) -> None:
    objects, detections, pictures, classes = scene(seed)
    matches = match_detections(objects, detections, pictures, classes)
    eleven, area = eleven_point_precision(matches), all_point_precision(matches)
    for category in range(len(matches.category_ids)):
        truth = int(matches.truth_counts[0, category].sum())
        if not truth:
            assert np.isnan(eleven[category]) and np.isnan(area[category])
            continue
        wanted = naive_points(ranked_hits(matches, category)[1].tolist(), truth)
        assert (eleven[category], area[category]) == pytest.approx(wanted)


def test_eleven_points_meet_a_recall_that_binary_fractions_miss() -> None:
    # 10 objects, 3 found by 3 detections: recall 0.3 is reached, so 4 of the 11 points have precision 1.
    ones = np.ones(10, dtype=np.int64)
    boxes = np.array([[20.0 * i, 0, 10, 10] for i in range(10)])
    matches = match_detections(
        Objects(ones, ones, boxes, np.zeros(10, dtype=bool)),
        Detections(ones[:3], ones[:3], np.array([0.9, 0.8, 0.7]), boxes[:3]),
        np.array([1]),
        np.array([1]),
    )
    assert eleven_point_precision(matches)[0] == pytest.approx(4 / 11)


def test_a_recall_that_binary_fractions_miss_is_reached_for_a_class_as_well() -> None:
    # 7 of the 10 pictures of class 0 come first: recall 0.7 at precision 1; 7 / 10 < linspace(0, 1, 101)[70].
    first = np.append(np.linspace(0.9, 0.8, 7), [0.1, 0.1, 0.1, 0.5, 0.5])
    labels = np.append(np.zeros(10, dtype=np.int64), [1, 1])
    curve = class_precision(labels, np.stack([first, 1 - first], axis=1))[0]
    assert curve[70] == 1.0 and curve[71] == pytest.approx(10 / 12)


def test_of_equal_f1_the_highest_threshold_is_best() -> None:
    # 2 right of 2 answered, then 3 of 6, of 6 pictures: 2 * 2 / (2 + 6) = 2 * 3 / (6 + 6) = 1/2.
    hits = np.array([True, True, False, False, False, True])
    curve = answer_curve(np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), hits)
    assert curve.best == (0.8, 0.5) and curve.f1[-1] == 0.5


def test_boxes_on_a_crowd_are_not_counted_at_any_threshold() -> None:
    ones = np.ones(2, dtype=np.int64)
    boxes = np.array([[0.0, 0, 10, 10], [100, 0, 90, 90]])
    matches = match_detections(
        Objects(ones, ones, boxes, np.array([False, True])),
        Detections(ones, ones, np.array([0.5, 0.9]), np.array([[0.0, 0, 10, 10], [110, 10, 10, 10]])),
        np.array([1]),
        np.array([1]),
    )
    curve = threshold_curve(matches)
    assert curve.thresholds.tolist() == [0.5]
    assert curve.precision.tolist() == curve.recall.tolist() == [1.0]


def test_nothing_detected() -> None:
    one = np.ones(1, dtype=np.int64)
    objects = Objects(one, one, np.array([[0.0, 0, 5, 5]]), np.zeros(1, dtype=bool))
    none = Detections(one[:0], one[:0], np.zeros(0), np.zeros((0, 4)))
    matches = match_detections(objects, none, np.array([1]), np.array([1, 2]))
    for values in (eleven_point_precision(matches), all_point_precision(matches)):
        assert values[0] == 0 and np.isnan(values[1])
    assert np.isnan(threshold_curve(matches).best).all()


def test_equal_scores_are_shown_together() -> None:
    ones = np.ones(2, dtype=np.int64)
    boxes = np.array([[0.0, 0, 10, 10], [90.0, 0, 10, 10]])
    matches = match_detections(
        Objects(ones[:1], ones[:1], boxes[:1], np.zeros(1, dtype=bool)),
        Detections(ones, ones, np.array([0.5, 0.5]), boxes),
        np.array([1]),
        np.array([1]),
    )
    curve = threshold_curve(matches)
    assert curve.thresholds.tolist() == [0.5]
    assert curve.precision.tolist() == [0.5]
