from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glasshouse.metrics.confusion import confusion_matrix, confusion_pairs, pair_boxes
from glasshouse.metrics.overlap import Detections, Objects


def test_pairs_by_hand() -> None:
    # Objects: rose at 0, tulip at 50, crowd of roses over 100..200. Detections, surest first: tulip on the
    # rose (confused), rose on the same rose (too many), rose in the crowd (not counted); the tulip is missed.
    objects = Objects(
        np.array([1, 1, 1]),
        np.array([1, 2, 1]),
        np.array([[0, 0, 10, 10], [50, 0, 10, 10], [100, 0, 100, 100]], dtype=np.float64),
        np.array([False, False, True]),
    )
    detections = Detections(
        np.array([1, 1, 1]),
        np.array([1, 2, 1]),
        np.array([0.8, 0.9, 0.7]),
        np.array([[0, 0, 10, 10], [0, 0, 10, 9], [120, 20, 10, 10]], dtype=np.float64),
    )
    pairs = pair_boxes(objects, detections)
    assert pairs.object_of.tolist() == [-1, 0, -1]
    assert pairs.detection_of.tolist() == [1, -1, -1]
    assert pairs.on_crowd.tolist() == [False, False, True]
    actual, predicted = confusion_pairs(objects, detections, pairs)
    assert list(zip(actual.tolist(), predicted.tolist(), strict=True)) == [(1, 2), (2, 0), (0, 1)]


def test_a_detection_takes_the_object_that_it_overlaps_most() -> None:
    # 10 x 10 px each: the box at 1 overlaps those at 4 (7/13) and at 0 (9/11); the box at 5 reaches that at 4
    # alone (9/11; 5/15 with the other). IoU 0.5 itself is enough: 10 x 5 of the 10 x 10 at 90.
    lefts, ids = np.array([4.0, 0, 90]), np.ones(3, dtype=np.int64)
    boxes = np.stack([lefts, np.zeros(3), np.full(3, 10.0), np.full(3, 10.0)], axis=1)
    objects = Objects(ids, ids, boxes, np.zeros(3, dtype=bool))
    found = boxes + np.array([[-3, 0, 0, 0], [5, 0, 0, 0], [0, 0, 0, -5]])
    pairs = pair_boxes(objects, Detections(ids, ids, np.array([0.9, 0.8, 0.7]), found))
    assert pairs.object_of.tolist() == [1, 0, 2]


@pytest.mark.parametrize("seed", range(4))
def test_every_object_and_every_box_is_counted_once(scene: Callable[..., Any], seed: int) -> None:
    objects, detections, _, _ = scene(seed)
    pairs = pair_boxes(objects, detections)
    actual, predicted = confusion_pairs(objects, detections, pairs)
    counts = confusion_matrix(actual, predicted, 4)
    own = ~objects.is_crowd
    np.testing.assert_array_equal(
        counts[1:].sum(axis=1), np.bincount(objects.category_ids[own], minlength=4)[1:]
    )
    seen = ~pairs.on_crowd
    np.testing.assert_array_equal(
        counts[:, 1:].sum(axis=0), np.bincount(detections.category_ids[seen], minlength=4)[1:]
    )
    assert counts[0, 0] == 0
    paired = np.flatnonzero(pairs.object_of >= 0)
    np.testing.assert_array_equal(pairs.detection_of[pairs.object_of[paired]], paired)
    np.testing.assert_array_equal(detections.image_ids[paired], objects.image_ids[pairs.object_of[paired]])


def test_nothing_found_and_nothing_there() -> None:
    none = np.zeros(0, dtype=np.int64)
    objects = Objects(np.array([1]), np.array([2]), np.ones((1, 4)), np.array([False]))
    nothing = Detections(none, none, np.zeros(0), np.zeros((0, 4)))
    actual, predicted = confusion_pairs(objects, nothing, pair_boxes(objects, nothing))
    assert (actual.tolist(), predicted.tolist()) == ([2], [0])
    no_objects = Objects(none, none, np.zeros((0, 4)), np.zeros(0, dtype=bool))
    found = Detections(np.array([1]), np.array([2]), np.array([0.5]), np.ones((1, 4)))
    actual, predicted = confusion_pairs(no_objects, found, pair_boxes(no_objects, found))
    assert (actual.tolist(), predicted.tolist()) == ([0], [2])


def test_matrix_equals_a_plain_loop_and_refuses_strangers() -> None:
    generator = np.random.default_rng(0)
    actual, predicted = generator.integers(0, 5, 200), generator.integers(0, 5, 200)
    expected = np.zeros((5, 5), dtype=int)
    for row, column in zip(actual, predicted, strict=True):
        expected[row, column] += 1
    np.testing.assert_array_equal(confusion_matrix(actual, predicted, 5), expected)
    with pytest.raises(ValueError, match=r"within 0\.\.3"):
        confusion_matrix(actual, predicted, 4)
