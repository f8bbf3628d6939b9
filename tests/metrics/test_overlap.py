from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glasshouse.metrics.overlap import Detections, Objects, pair_ious, pairs_in_groups

GROUPS = st.lists(st.integers(-3, 5), max_size=20).map(lambda values: np.array(values, dtype=np.int64))


@given(left=GROUPS, right=GROUPS)
def test_pairs_are_those_of_a_double_loop(left: np.ndarray, right: np.ndarray) -> None:
    expected = [(i, j) for i in range(len(left)) for j in range(len(right)) if left[i] == right[j]]
    rows, others = pairs_in_groups(left, right)
    assert list(zip(rows.tolist(), others.tolist(), strict=True)) == expected


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
