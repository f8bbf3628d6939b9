"""Outlines against arithmetic done by hand, a naive reference, and the laws of areas."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.sources.outlines import box_ellipse, box_polygon, fill_ellipse, fill_polygon

POINT = st.tuples(st.floats(-5, 25), st.floats(-5, 25))


def holds(points: list[tuple[float, float]], x: float, y: float) -> bool:
    """Whether a ray up from (x, y) crosses the outline an odd number of times."""
    crossings = 0
    for (x0, y0), (x1, y1) in (sorted([a, b]) for a, b in pairwise([*points, points[0]])):
        if x0 <= x < x1:
            crossings += y0 + (x - x0) * ((y1 - y0) / (x1 - x0)) <= y
    return crossings % 2 == 1


def test_a_rectangle_of_whole_corners_is_exactly_its_pixels() -> None:
    mask = fill_polygon([(2, 1), (5, 1), (5, 4), (2, 4)], 6, 8)
    assert mask.sum() == 9 and mask[1:4, 2:5].all()


def test_a_pixel_is_inside_where_its_centre_is() -> None:
    for (left, top, right, bottom), columns, rows in (
        ((1.6, 0.6, 3.6, 2.4), slice(2, 4), slice(1, 2)),
        ((1.45, 0.45, 3.55, 2.55), slice(1, 4), slice(0, 3)),
        ((1.4, 0.4, 3.4, 2.4), slice(1, 3), slice(0, 2)),
    ):
        expected = np.zeros((6, 8), bool)
        expected[rows, columns] = True
        mask = fill_polygon([(left, top), (right, top), (right, bottom), (left, bottom)], 6, 8)
        np.testing.assert_array_equal(mask, expected)


def test_a_triangle_by_hand() -> None:
    # x + y < 4 at the centres: rows of centres 0.5, 1.5, 2.5, 3.5 hold 3 (or 4 on the line), 2, 1, 0 pixels
    mask = fill_polygon([(0, 0), (4, 0), (0, 4)], 4, 4)
    assert mask.sum(1).tolist() == [3, 2, 1, 0]


def test_what_crosses_itself_is_even_odd_and_what_is_outside_is_cut() -> None:
    twice = [(0, 0), (4, 0), (4, 4), (0, 4)] * 2
    assert not fill_polygon(twice, 4, 4).any()
    assert fill_polygon([(-9, -9), (99, -9), (99, 99), (-9, 99)], 3, 5).all()
    assert not fill_polygon([(10, 10), (12, 10), (12, 12)], 5, 5).any()


@given(st.lists(POINT, min_size=3, max_size=7))
def test_polygons_equal_a_naive_reference(points: list[tuple[float, float]]) -> None:
    naive = np.array([[holds(points, x + 0.5, y + 0.5) for x in range(20)] for y in range(18)])
    assert (fill_polygon(points, 18, 20) != naive).sum() <= 1  # the last bit, where an edge meets a centre


@given(st.lists(POINT, min_size=3, max_size=7), POINT)
def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none(
    points: list[tuple[float, float]], apex: tuple[float, float]
) -> None:
    """A fan of triangles around any point is the polygon, wherever the edges meet the centres."""
    fan = [fill_polygon([apex, *edge], 18, 20) for edge in pairwise([*points, points[0]])]
    np.testing.assert_array_equal(np.logical_xor.reduce(fan), fill_polygon(points, 18, 20))


@given(st.floats(3, 9), st.floats(3, 9), st.floats(-4, 4))
def test_ellipses_have_their_area_and_fill_their_box(first: float, second: float, angle: float) -> None:
    mask = fill_ellipse((20, 15), (first, second), angle, 30, 40)
    assert abs(mask.sum() - math.pi * first * second) < 2 * math.pi * max(first, second)
    x_min, y_min, x_max, y_max = box_ellipse((20, 15), (first, second), angle)
    rows, columns = np.nonzero(mask)
    assert x_min <= columns.min() + 0.5 < x_min + 2 and x_max - 2 < columns.max() + 0.5 <= x_max
    assert y_min <= rows.min() + 0.5 < y_min + 2 and y_max - 2 < rows.max() + 0.5 <= y_max


def test_an_ellipse_turns_clockwise() -> None:
    """By an eighth of a turn the long radius points right and down, as a canvas draws it; y runs down."""
    mask = fill_ellipse((20, 20), (15, 4), math.pi / 4, 40, 40)
    assert mask[29, 29] and mask[10, 10] and not mask[29, 10] and not mask[10, 29]
    steep = fill_ellipse((20, 20), (15, 4), -math.pi / 3, 40, 40)  # 60 degrees up from the right
    assert steep[20 - 11, 20 + 6] and not steep[20 + 11, 20 + 6]


def test_boxes_by_hand() -> None:
    assert box_polygon([(3, 1), (0.5, 9), (2, 2)]) == (0.5, 1, 3, 9)
    assert np.allclose(box_ellipse((10, 20), (4, 2), 0), (6, 18, 14, 22))
    assert np.allclose(box_ellipse((10, 20), (4, 2), math.pi / 2), (8, 16, 12, 24))
