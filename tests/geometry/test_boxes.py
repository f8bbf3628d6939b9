"""Boxes against arithmetic on paper, against counted pixels, and against their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glasshouse.geometry.boxes import (
    are_valid,
    as_boxes,
    clip_boxes,
    compute_areas,
    compute_iou_matrix,
    cxcywh_to_xyxy,
    intersect_pairs,
    move_boxes,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)

numbers = st.floats(-1000, 1000, allow_nan=False, width=32)


@st.composite
def draw_boxes(draw: st.DrawFn, most: int = 6) -> np.ndarray:
    corners = draw(arrays(np.float64, (draw(st.integers(0, most)), 2, 2), elements=numbers))
    return np.sort(corners, axis=1).reshape(-1, 4)


@st.composite
def draw_pixel_boxes(draw: st.DrawFn, side: int = 12) -> np.ndarray:
    corners = draw(arrays(np.int64, (draw(st.integers(0, 4)), 2, 2), elements=st.integers(0, side)))
    return np.sort(corners, axis=1).reshape(-1, 4)


def test_area_is_width_times_height() -> None:
    # (4 - 1) * (6 - 2) = 12;  a point 0;  a turned box 0, not (-1) * (-1) = 1
    assert compute_areas([[1, 2, 4, 6], [3, 3, 3, 3], [5, 5, 4, 4]]).tolist() == [12, 0, 0]


def test_iou_by_hand() -> None:
    # overlap of (0,0,2,2) and (1,1,3,3) is 1 * 1; union 4 + 4 - 1 = 7
    # overlap of (0,0,2,2) and (0,0,2,1) is 2; union 4
    iou = compute_iou_matrix([[0, 0, 2, 2]], [[1, 1, 3, 3], [0, 0, 2, 1], [2, 0, 4, 2], [0, 0, 2, 2]])
    np.testing.assert_allclose(iou, [[1 / 7, 2 / 4, 0, 1]], rtol=0, atol=1e-15)


def count_pixels(box: np.ndarray, side: int = 12) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


@given(draw_pixel_boxes(), draw_pixel_boxes())
def test_iou_equals_counted_pixels(boxes: np.ndarray, others: np.ndarray) -> None:
    iou, shared = compute_iou_matrix(boxes, others), intersect_pairs(boxes, others)
    assert iou.shape == shared.shape == (len(boxes), len(others))
    for row, box in enumerate(boxes):
        for column, other in enumerate(others):
            mask, beside = count_pixels(box), count_pixels(other)
            union = (mask | beside).sum()
            assert shared[row, column] == (mask & beside).sum()
            assert iou[row, column] == pytest.approx((mask & beside).sum() / union if union else 0)


@given(draw_boxes(), draw_boxes(), numbers, st.floats(0.125, 8))
def test_iou_laws(boxes: np.ndarray, others: np.ndarray, shift: float, scale: float) -> None:
    iou = compute_iou_matrix(boxes, others)
    assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()
    np.testing.assert_array_equal(iou, compute_iou_matrix(others, boxes).T)
    np.testing.assert_array_equal(np.diag(compute_iou_matrix(boxes, boxes)), compute_areas(boxes) > 0)
    whole = np.round(boxes), np.round(others)
    moved = (move_boxes(part, (scale, scale), (shift, shift)) for part in whole)
    np.testing.assert_allclose(compute_iou_matrix(*moved), compute_iou_matrix(*whole), atol=1e-3)


@given(draw_boxes())
def test_formats_round_trip(boxes: np.ndarray) -> None:
    np.testing.assert_allclose(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes, atol=1e-9)
    np.testing.assert_allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)), boxes, atol=1e-9)


def test_formats_by_hand() -> None:
    assert xyxy_to_xywh([1, 2, 4, 8]).tolist() == [1, 2, 3, 6]
    assert xyxy_to_cxcywh([1, 2, 4, 8]).tolist() == [2.5, 5, 3, 6]


@given(draw_boxes(), st.integers(0, 500), st.integers(0, 500))
def test_clip_stays_inside_keeps_what_is_inside_and_is_idempotent(
    boxes: np.ndarray, height: int, width: int
) -> None:
    clipped = clip_boxes(boxes, height, width)
    assert (clipped >= 0).all() and (clipped <= [width, height, width, height]).all()
    np.testing.assert_array_equal(clip_boxes(clipped, height, width), clipped)
    picture = [[0, 0, width, height]]
    np.testing.assert_allclose(compute_areas(clipped), intersect_pairs(boxes, picture)[:, 0])


@given(draw_boxes(), st.sampled_from([-2.0, -1.0, 0.5, 4.0]), st.sampled_from([-1.0, 0.25, 3.0]), numbers)
def test_move_scales_areas_and_is_undone(boxes: np.ndarray, sx: float, sy: float, shift: float) -> None:
    moved = move_boxes(boxes, (sx, sy), (shift, -shift))
    np.testing.assert_allclose(compute_areas(moved), compute_areas(boxes) * abs(sx * sy), atol=1e-2)
    back = move_boxes(moved, (1 / sx, 1 / sy), (-shift / sx, shift / sy))
    np.testing.assert_allclose(back, boxes, atol=1e-3)


def test_move_by_hand_with_a_mirror_and_with_a_map_of_its_own_for_each_box() -> None:
    # mirror in a picture 10 wide: x -> 10 - x turns (1, 4) into (6, 9)
    assert move_boxes([1, 2, 4, 6], (-1, 1), (10, 0)).tolist() == [6, 2, 9, 6]
    boxes = move_boxes([[0, 0, 1, 1], [0, 0, 1, 1]], [[2, 3], [1, 1]], [[0, 0], [5, 6]])
    assert boxes.tolist() == [[0, 0, 2, 3], [5, 6, 6, 7]]


def test_valid_means_finite_and_with_area() -> None:
    boxes = [[0, 0, 1, 1], [0, 0, 0, 1], [2, 0, 1, 1], [0, 0, np.inf, 1], [np.nan, 0, 1, 1]]
    assert are_valid(boxes).tolist() == [True, False, False, False, False]


def test_float32_stays_and_arguments_are_not_changed() -> None:
    boxes = np.array([[-1, 0, 5, 5]], np.float32)
    before = boxes.copy()
    assert clip_boxes(boxes, 4, 4).dtype == move_boxes(boxes, (2, 2), (1, 1)).dtype == np.float32
    assert compute_iou_matrix(boxes, boxes).dtype == np.float32
    np.testing.assert_array_equal(boxes, before)


@pytest.mark.parametrize("shape", [(3,), (2, 5), ()])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., 4\)"):
        as_boxes(np.zeros(shape))


def test_no_boxes_give_no_boxes() -> None:
    assert compute_areas([]).shape == (0,)
    assert compute_iou_matrix([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert move_boxes([], (2, 2), (0, 0)).shape == (0, 4)
