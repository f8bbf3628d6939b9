"""Anchors from data and default boxes: worked examples, laws of the k-means, real blood cells."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glasshouse.geometry.anchors import (
    _descend,
    _start,
    choose_count,
    compare_counts,
    compute_shape_iou,
    describe_anchors,
    find_median,
    fit_anchors,
    lay_boxes,
    meet_anchors,
    shape_default_boxes,
    weigh_classes,
)
from glasshouse.geometry.boxes import compute_iou_matrix

lengths = st.floats(0.5, 200)
shapes = st.lists(st.tuples(lengths, lengths), min_size=1, max_size=40).map(np.array)


def draw_three_kinds(count: int = 300) -> np.ndarray:
    """Small squares, wide and tall boxes, each spread by a tenth."""
    rng = np.random.default_rng(0)
    kinds = np.array([[10.0, 10], [60, 20], [30, 90]])
    return kinds[np.arange(count) % 3] * np.exp(rng.normal(0, 0.1, (count, 2)))


def test_anchors_are_described_by_hand() -> None:
    # 8 x 8 meets 8 x 8 wholly and 8 x 4 by half; 16 x 8 it meets by half as well as 16 x 16 does, and it is
    # the first; 16 x 12 is met by 16 x 16, three quarters; nothing is met best by 90 x 90.
    told = describe_anchors([[8, 8], [8, 4], [16, 8], [16, 12]], [[8, 8], [16, 16], [90, 90]], [8, 16, 32])
    assert told["shares"] == [0.75, 0.25, 0] and told["mean_iou"] == [0.6667, 0.75, None]
    assert told["average_iou"] == 0.6875 and told["boxes"] == 4
    assert told["sample_wh_px"] == [[8, 8], [8, 4], [16, 8], [16, 12]]
    many = describe_anchors(np.arange(2, 2002).reshape(-1, 2), [[8, 8]], [8], sample=5)
    assert [width for width, _ in many["sample_wh_px"]] == [2, 502, 1002, 1500, 2000]
    assert json.loads(json.dumps(many)) == many


def test_overlap_of_shapes_by_hand() -> None:
    # 10 x 10 and 20 x 5: shared 10 * 5 = 50, union 100 + 100 - 50; and 10 x 10 in 20 x 20: 100 / 400.
    iou = compute_shape_iou([[10, 10]], [[20, 5], [20, 20], [10, 10]])
    np.testing.assert_allclose(iou, [[1 / 3, 1 / 4, 1]])


@given(shapes, shapes)
def test_overlap_of_shapes_is_that_of_boxes_on_one_corner(one: np.ndarray, other: np.ndarray) -> None:
    laid = [np.concatenate([np.zeros_like(each), each], axis=1) for each in (one, other)]
    np.testing.assert_allclose(compute_shape_iou(one, other), compute_iou_matrix(*laid), rtol=1e-9)


def test_three_kinds_are_found() -> None:
    fit = fit_anchors(draw_three_kinds(), 3, seed=1)
    np.testing.assert_allclose(fit.anchors_wh, [[10, 10], [60, 20], [30, 90]], rtol=0.03)
    assert np.bincount(fit.nearest).tolist() == [100, 100, 100]
    # Two logs of spread 0.1: the mean of exp(-|x| - |y|), about (1 - 0.08 + 0.005)^2.
    assert fit.average_iou == pytest.approx(0.856, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(shapes, st.integers(1, 6), st.integers(0, 100))
def test_laws_of_a_fit(sides: np.ndarray, count: int, seed: int) -> None:
    fit = fit_anchors(sides, count, seed)
    assert fit.anchors_wh.shape == (count, 2)
    assert (np.diff(fit.anchors_wh.prod(axis=1)) >= 0).all()
    assert (fit.anchors_wh >= sides.min(axis=0)).all() and (fit.anchors_wh <= sides.max(axis=0)).all()
    iou = compute_shape_iou(sides, fit.anchors_wh)
    np.testing.assert_array_equal(fit.best_iou, iou.max(axis=1))
    np.testing.assert_array_equal(iou[np.arange(len(sides)), fit.nearest], fit.best_iou)
    again = fit_anchors(sides, count, seed)
    np.testing.assert_array_equal(fit.anchors_wh, again.anchors_wh)
    # Twice the size (exact in binary) is twice the anchors; x and y are alike.
    np.testing.assert_array_equal(fit_anchors(2 * sides, count, seed).anchors_wh, 2 * fit.anchors_wh)
    assert fit_anchors(sides[:, ::-1], count, seed).average_iou == pytest.approx(fit.average_iou)


def test_as_many_anchors_as_shapes_meet_all_and_more_do_no_harm() -> None:
    sides = np.array([[10.0, 10], [20, 5], [7, 30]]).repeat([1, 20, 300], axis=0)
    for count in (3, 5):
        fit = fit_anchors(sides, count, seed=0)
        assert fit.average_iou == 1.0
        assert {tuple(pair) for pair in fit.anchors_wh.tolist()} == {(10, 10), (20, 5), (7, 30)}


counted = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, (n, 2), elements=st.integers(-20, 20).map(float)),
        arrays(np.int64, n, elements=st.integers(1, 5)),
    )
)


@given(counted)
def test_a_weighted_median_is_the_plain_one_of_repeated_values(case: tuple[np.ndarray, np.ndarray]) -> None:
    values, times = case
    expected = np.median(values.repeat(times, axis=0), axis=0)
    np.testing.assert_array_equal(find_median(values, times), expected)
    np.testing.assert_array_equal(find_median(values, 4 * times), expected)


def test_a_weighted_fit_counts_a_box_as_often_as_its_weight() -> None:
    """Laid on anchors, repeated boxes and weighted ones are met alike, and the best choice is the same."""
    sides, times = draw_three_kinds(30), np.arange(1, 31) % 7 + 1
    many = sides.repeat(times, axis=0)
    anchors = [[10, 10], [60, 20]]
    weighted = meet_anchors(sides, anchors, times.astype(np.float64))
    assert weighted.average_iou == pytest.approx(meet_anchors(many, anchors).average_iou)
    best = fit_anchors(sides, 3, 1, times.astype(np.float64)).average_iou
    assert best == pytest.approx(fit_anchors(many, 3, 1).average_iou, abs=1e-3)


def test_classes_weigh_alike_whatever_their_number_of_boxes() -> None:
    # 6 boxes of 3 classes: each class weighs 2, shared by its 3, 2 and 1 boxes.
    np.testing.assert_allclose(weigh_classes([4, 4, 9, 4, 9, 0]), [2 / 3, 2 / 3, 1, 2 / 3, 1, 2])
    np.testing.assert_array_equal(weigh_classes([5, 5, 5]), 1.0)


def test_a_rare_class_gets_its_share_of_anchors() -> None:
    small, wide, tall = (draw_three_kinds(3000)[kind::3] for kind in range(3))
    sides = np.concatenate([small[:20], wide, tall[:20]])
    weights = weigh_classes(np.repeat([0, 1, 2], [20, 1000, 20]))

    def share(weights: np.ndarray | None) -> list[int]:
        anchors = fit_anchors(sides, 6, seed=1, weights=weights).anchors_wh
        kinds = compute_shape_iou(anchors, [[10, 10], [60, 20], [30, 90]]).argmax(axis=1)
        return np.bincount(kinds, minlength=3).tolist()

    assert share(weights) == [2, 2, 2]
    assert share(None) == [1, 4, 1]


def test_centres_start_at_boxes_drawn_by_weight_and_squared_distance() -> None:
    # From 8 x 8 the distances are 0, a half and three quarters: odds of 4 / 16 to 9 / 16, so 9 of 13.
    sides, rng = np.array([[8.0, 8], [8, 4], [8, 2]]), np.random.default_rng(0)

    def draw(weights: list[float]) -> np.ndarray:
        return np.array([_start(sides, 2, np.array(weights), rng)[:, 1] for _ in range(3000)])

    first, second = draw([1e9, 1, 1]).T
    assert (first == 8).all() and (second == 2).mean() == pytest.approx(9 / 13, abs=0.03)
    _, second = draw([1e9, 9, 4]).T  # 9 * 4 to 4 * 9
    assert (second == 2).mean() == pytest.approx(1 / 2, abs=0.03)
    first, _ = draw([1, 1, 8]).T
    assert (first == 2).mean() == pytest.approx(0.8, abs=0.03)


def test_a_centre_without_boxes_goes_to_the_box_that_is_met_worst() -> None:
    sides = np.array([[10.0, 10], [10, 10], [10, 10], [90, 5]])
    fit = _descend(sides, np.array([[10.0, 10], [10, 10]]), np.ones(4))  # of equal ones the first has all
    assert fit.anchors_wh.tolist() == [[10, 10], [90, 5]]
    assert fit.average_iou == 1


def test_anchors_of_one_area_stand_by_rising_width() -> None:
    given = [[20, 5], [3, 3], [5, 20], [10, 10]]
    assert meet_anchors([[10, 10]], given).anchors_wh.tolist() == [[3, 3], [5, 20], [10, 10], [20, 5]]


def test_near_the_best_of_all_choices() -> None:
    """Against the best 2 of 24 boxes by trying all pairs: centres need not be boxes, so it may be better."""
    sides = draw_three_kinds(24)
    best = max(meet_anchors(sides, list(pair)).average_iou for pair in itertools.combinations(sides, 2))
    found = [fit_anchors(sides, 2, seed).average_iou for seed in range(12)]
    assert min(found) > best - 0.03 and max(found) > best - 0.005


def test_the_fit_beats_random_boxes_and_even_grids() -> None:
    sides = draw_three_kinds()
    rng = np.random.default_rng(5)
    random = [meet_anchors(sides, rng.choice(sides, 6, replace=False)).average_iou for _ in range(20)]
    assert fit_anchors(sides, 6, seed=0).average_iou > max(random)


@pytest.mark.parametrize(
    ("sides", "count", "words"),
    [
        (np.zeros((0, 2)), 3, r"must be \(N, 2\), N at least 1. Got \(0, 2\)"),
        (np.ones((4, 4)), 3, r"Got \(4, 4\)"),
        (np.ones((4, 2)), 0, "at least 1. Got 0"),
        (np.array([[1, 1], [0, 5], [2, np.nan]]), 1, "above 0. Got 2 boxes"),
    ],
)
def test_what_has_no_anchors_is_refused(sides: np.ndarray, count: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit_anchors(sides, count, seed=0)


def test_a_count_is_chosen_where_the_curve_flattens() -> None:
    curve = compare_counts(draw_three_kinds(), (1, 2, 3, 4, 6), seed=0)
    assert list(curve) == [1, 2, 3, 4, 6]
    assert curve[1] < curve[2] < curve[3] < curve[6]
    assert choose_count(curve, gain=0.05) == 3
    assert choose_count(curve, gain=0.0) == 6
    assert choose_count({9: 0.7}, gain=0.02) == 9
    assert choose_count({3: 0.5, 6: 0.75, 9: 0.875}, gain=0.25) == 6  # a gain that is just met is one


def test_laid_boxes_stand_cell_by_cell() -> None:
    # 16 x 32 px: stride 8 has 2 rows of 4 cells, stride 16 one row of 2.
    laid = lay_boxes(16, 32, [8, 16], [np.array([[4, 6], [10, 2]]), np.array([[20, 20]])])
    assert laid.shape == (2 * 4 * 2 + 2, 4)
    assert laid[:3].tolist() == [[4, 4, 4, 6], [4, 4, 10, 2], [12, 4, 4, 6]]
    assert laid[8].tolist() == [4, 12, 4, 6]  # the second row of cells
    assert laid[-2:].tolist() == [[8, 8, 20, 20], [24, 8, 20, 20]]


def test_default_shapes_by_hand() -> None:
    fine, coarse = shape_default_boxes([0.25, 0.81], [4.0])
    # Squares of 0.25 and sqrt(0.25 * 0.81) = 0.45; ratio 4: 0.25 * 2 by 0.25 / 2, and upright.
    np.testing.assert_allclose(fine, [[0.25, 0.25], [0.45, 0.45], [0.5, 0.125], [0.125, 0.5]])
    np.testing.assert_allclose(coarse[:2], [[0.81, 0.81], [0.9, 0.9]])  # the last: sqrt(0.81 * 1)
