from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glasshouse.metrics import overlap
from glasshouse.metrics.overlap import Detections, Objects, near_pairs, pair_ious, pairs_in_groups

GROUPS = st.lists(st.integers(-3, 5), max_size=20).map(lambda values: np.array(values, dtype=np.int64))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("at_once", [1, 7, 1 << 18])
@given(left=GROUPS, right=GROUPS)
def test_pairs_are_those_of_a_double_loop(
    monkeypatch: pytest.MonkeyPatch, at_once: int, left: np.ndarray, right: np.ndarray
) -> None:
    monkeypatch.setattr(overlap, "PAIRS_AT_ONCE", at_once)
    expected = [(i, j) for i in range(len(left)) for j in range(len(right)) if left[i] == right[j]]
    parts = list(pairs_in_groups(left, right))
    rows, others = (np.concatenate(column) for column in zip(*parts, strict=True))
    assert list(zip(rows.tolist(), others.tolist(), strict=True)) == expected
    assert all(len(part) < at_once + max(len(right), 1) for part, _ in parts)


def test_near_pairs_overlap_by_so_much() -> None:
    # Detections 0 .. 3 and objects of picture 1 at 0, 5 (IoU 1/3) and 10 (none); of picture 2 a crowd.
    boxes = np.array([[0.0, 0, 10, 10]] * 2 + [[9.0, 0, 10, 10], [0.0, 0, 10, 10]])
    true = np.array([[0.0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 10, 10], [5, 0, 90, 90]])
    pictures, own = np.array([1, 2, 1, 3]), np.array([1, 1, 1, 2])
    crowd = np.array([False, False, False, True])

    def near(least: float) -> list[tuple[int, int, float]]:
        columns = near_pairs(pictures, own, boxes, true, crowd, least)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    touching = [(0, 0, 1.0), (0, 1, 50 / 150), (1, 3, 0.5), (2, 0, 10 / 190), (2, 1, 60 / 140)]
    assert near(0.0) == [*touching, (2, 2, 90 / 110)]
    assert near(0.5) == [(0, 0, 1.0), (1, 3, 0.5), (2, 2, 90 / 110)]


def test_memory_does_not_grow_with_the_pairs_of_crowded_pictures() -> None:
    pictures = np.zeros(2000, dtype=np.int64)
    apart = np.tile([[0.0, 0, 4, 4]], (2000, 1)) + np.arange(2000.0)[:, None] * [9, 0, 0, 0]
    tracemalloc.start()
    found, objects, _ = near_pairs(pictures, pictures, apart, apart, np.zeros(2000, dtype=bool), 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.tolist() == objects.tolist() == list(range(2000))
    assert peak < 100e6  # 4 million pairs took 600 MB


BOXES = arrays(np.float64, (6, 4), elements=st.floats(0, 300, width=32))


@given(found=BOXES, true=BOXES, crowd=arrays(np.bool_, 6))
def test_overlap_equals_pycocotools_to_the_last_bit(
    found: np.ndarray, true: np.ndarray, crowd: np.ndarray
) -> None:
    mask = pytest.importorskip("pycocotools.mask")
    expected = np.diagonal(mask.iou(found, true, crowd.astype(np.uint8).tolist()))
    np.testing.assert_array_equal(pair_ious(found, true, crowd), expected)


def test_overlap_by_hand() -> None:
    # 10 x 10 and 10 x 10 moved by 5: 50 shared, union 150; on a crowd 50 of the detection's own 100.
    found, true = np.array([[0.0, 0, 10, 10]] * 2), np.array([[5.0, 0, 10, 10]] * 2)
    assert pair_ious(found, true, np.array([False, True])).tolist() == [50 / 150, 0.5]


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[0, 0, 1, 1], [0, 0, -1, 1]], r"sides >= 0\. Got \[0\.0, 0\.0, -1\.0, 1\.0\] in row 1"),
        ([[0, 0, np.nan, 1], [0, 0, 1, 1]], "finite .* in row 0"),
        ([[0, 0, 1, 1]], r"must be \(N, 4\) boxes and \(N,\) columns"),
    ],
)
def test_faulty_boxes_are_named(boxes: list[list[float]], words: str) -> None:
    ids = np.array([1, 2])
    with pytest.raises(ValueError, match=words):
        Objects(ids, ids, np.array(boxes, dtype=np.float64), np.array([False, False]))


def test_faulty_scores_are_named() -> None:
    ids = np.array([1, 2])
    with pytest.raises(ValueError, match="Got nan in row 1"):
        Detections(ids, ids, np.array([0.5, np.nan]), np.ones((2, 4)))


def test_what_has_the_score_itself_is_above_it() -> None:
    ids = np.array([1, 2, 3])
    found = Detections(ids, ids, np.array([0.3, 0.29, 0.31]), np.ones((3, 4))).above(0.3)
    assert found.image_ids.tolist() == [1, 3]
