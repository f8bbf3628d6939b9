from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.geometry.hulls import (
    POINTS,
    bound_inside,
    ellipse_hull,
    pack_hull,
    read_hulls,
    square_hull,
    take_hull,
)


def disc(side: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[:side, :side] + 0.5
    return np.asarray((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2)


def test_a_full_rectangle_has_its_corners() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:9, 10:25] = True
    hull = take_hull(mask)
    assert hull.shape == (POINTS, 2)
    assert set(map(tuple, hull.tolist())) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_one_pixel() -> None:
    mask = np.zeros((3, 3), bool)
    mask[1, 1] = True
    assert set(map(tuple, take_hull(mask).tolist())) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_triangle_by_hand() -> None:
    # Rows of 1, 2, 3, 4 pixels from the left: nothing lies in the upper right corner of the box.
    mask = np.tril(np.ones((4, 4), bool))
    hull = take_hull(mask)
    assert hull.min(axis=0).tolist() == [0, 0] and hull.max(axis=0).tolist() == [1, 1]
    assert (hull @ [1, -1]).max() == pytest.approx(0.25)  # the step of one pixel beyond the diagonal


def test_an_empty_mask() -> None:
    with pytest.raises(ValueError, match="must have a pixel inside"):
        take_hull(np.zeros((4, 4), bool))


@pytest.mark.parametrize("hull", [square_hull(), ellipse_hull(), take_hull(disc(64, (30, 33), 20))])
def test_outlines_are_convex_in_order_and_touch_all_sides(hull: np.ndarray) -> None:
    assert hull.min(axis=0) == pytest.approx([0, 0]) and hull.max(axis=0) == pytest.approx([1, 1])
    along = np.roll(hull, -1, axis=0) - hull
    after = np.roll(along, -1, axis=0)
    moving = [step for step in along if np.abs(step).max() > 1e-6]
    turns = [a[0] * b[1] - a[1] * b[0] for a, b in zip(moving, moving[1:] + moving[:1], strict=True)]
    assert min(turns) >= -1e-6, after


def test_packing_keeps_the_sides_exactly() -> None:
    hull = take_hull(disc(100, (50, 50), 40))
    back = read_hulls(pack_hull(hull))
    assert pack_hull(hull).dtype == np.uint8
    assert np.abs(back - hull).max() <= 0.5 / 255 + 1e-7
    assert back.min(axis=0).tolist() == [0, 0] and back.max(axis=0).tolist() == [1, 1]


def test_cut_squares_by_hand() -> None:
    square = square_hull().astype(np.float64) * 10  # (0, 0) .. (10, 10)
    regions = np.array([[2, 3, 8, 20], [-5, -5, 20, 20], [4, 4, 6, 6], [10.5, 0, 20, 10]], np.float64)
    boxes = bound_inside(square[None], regions)
    assert boxes[0].tolist() == [2, 3, 8, 10]  # cut on three sides
    assert boxes[1].tolist() == [0, 0, 10, 10]  # all of it
    assert boxes[2].tolist() == [4, 4, 6, 6]  # the region lies inside
    assert (boxes[3][:2] > boxes[3][2:]).all()  # nothing


def test_a_cut_disc_narrows() -> None:
    # Of a circle of radius 10 about (10, 10), what lies below y = 4 is 2 * sqrt(10^2 - 6^2) = 16 wide.
    circle = (ellipse_hull() * 20).astype(np.float64)
    x_min, y_min, x_max, y_max = bound_inside(circle, np.array([-50.0, -50.0, 50.0, 4.0]))
    assert (x_max - x_min) == pytest.approx(16, abs=0.5)
    assert (y_min, y_max) == pytest.approx((0, 4))


def walk(points: np.ndarray, steps: int) -> np.ndarray:
    """Points (S * steps, 2) along a closed outline (S, 2), the corners among them."""
    share = (np.arange(steps) / steps)[None, :, None]
    along = np.roll(points, -1, axis=0) - points
    return np.asarray(points[:, None] + share * along[:, None]).reshape(-1, 2)


def turns_left(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Which points (N, 2) lie on the inner side of every edge of a convex outline (S, 2)."""
    along = np.roll(points, -1, axis=0) - points
    to = at[:, None] - points[None]
    side = along[:, 0] * to[..., 1] - along[:, 1] * to[..., 0]
    return np.asarray((side >= 0).all(axis=1) | (side <= 0).all(axis=1))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_against_walks_along_both_outlines(seed: int) -> None:
    """What two convex shapes share spans what each outline's walk sees of the other's inside.

    Not against drawn pixels: a rounded end that leaves the region by a hair is pixels long and less than one
    high, so a drawing misses it.
    """
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 2 * np.pi)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * rng.uniform(60, 160)
    points = (ellipse_hull() - 0.5) * [1, rng.uniform(0.4, 1)] @ matrix.T + rng.uniform(60, 140, 2)
    low = rng.uniform(0, 120, 2)
    region = np.concatenate([low, low + rng.uniform(30, 80, 2)])
    frame = region[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
    outline, edge = walk(points, 500), walk(frame, 2000)
    inside = ((outline >= region[:2]) & (outline <= region[2:])).all(axis=1)
    seen = np.concatenate([outline[inside], edge[turns_left(points, edge)]])
    box = bound_inside(points, region)
    if not len(seen):
        assert (box[:2] >= box[2:] - 0.2).any()
        return
    span = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
    assert (box[:2] <= span[:2] + 1e-9).all() and (box[2:] >= span[2:] - 1e-9).all()  # a walk sees no more
    assert box == pytest.approx(span, abs=0.2)  # its steps are at most 160 / 500 px, or 80 / 2000


def test_an_unknown_outline_stays_unknown() -> None:
    packed = np.stack([pack_hull(None), pack_hull(ellipse_hull())])
    back = read_hulls(packed)
    assert np.isnan(back[0]).all() and not np.isnan(back[1]).any()
