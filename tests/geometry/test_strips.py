from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.geometry.strips import (
    MOST_ROWS,
    bound_groups,
    bound_inside,
    cut_lines,
    ellipse_strips,
    move_strips,
    pack_strips,
    read_strips,
    square_strips,
    take_strips,
)

SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
CIRCLE = np.array([[np.cos(turn), np.sin(turn)] for turn in np.arange(64) * np.pi / 32]) / 2 + 0.5


def disc(side: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[:side, :side] + 0.5
    return np.asarray((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2)


def test_strips_by_hand() -> None:
    # Two legs of one pixel below a bar of four, two rows high, anywhere in the mask.
    mask = np.zeros((6, 9), bool)
    mask[2:4, 3:7] = True
    mask[4, [3, 6]] = True
    thirds = [[0, 0, 1, 1 / 3], [0, 1 / 3, 1, 2 / 3], [0, 2 / 3, 0.25, 1], [0.75, 2 / 3, 1, 1]]
    np.testing.assert_allclose(take_strips(mask), thirds, rtol=1e-6)
    one = np.zeros((3, 3), bool)
    one[1, 1] = True
    assert take_strips(one).tolist() == [[0, 0, 1, 1]]


def test_rows_of_a_high_mask_are_joined() -> None:
    mask = np.tri(301, 301, dtype=bool)  # rows of 1, 2, .. 301 pixels, joined by threes
    strips = take_strips(mask) * 301
    assert len(strips) == 101 <= MOST_ROWS
    assert strips[0] == pytest.approx([0, 0, 3, 3]) and strips[-1] == pytest.approx([0, 300, 301, 301])


def test_an_empty_mask() -> None:
    with pytest.raises(ValueError, match="must have a pixel inside"):
        take_strips(np.zeros((4, 4), bool))


@pytest.mark.parametrize(
    ("strips", "area"),
    [(square_strips(), 1.0), (ellipse_strips(), np.pi / 4), (take_strips(disc(64, (30, 33), 20)), np.pi / 4)],
)
def test_strips_fill_their_box_from_side_to_side(strips: np.ndarray, area: float) -> None:
    assert strips[:, :2].min(axis=0).tolist() == [0, 0] and strips[:, 2:].max(axis=0).tolist() == [1, 1]
    assert (strips[:, 2:] - strips[:, :2]).prod(axis=1).sum() == pytest.approx(area, abs=0.02)


def test_packing_keeps_the_sides_exactly() -> None:
    strips = take_strips(disc(100, (50, 50), 40))
    back = read_strips(pack_strips(strips))
    assert pack_strips(strips).dtype == np.uint8
    assert np.abs(back - strips).max() <= 0.5 / 255 + 1e-7
    assert back[:, :2].min(axis=0).tolist() == [0, 0] and back[:, 2:].max(axis=0).tolist() == [1, 1]


def test_lines_are_cut_by_hand() -> None:
    start, along = (
        np.array([[-5.0, 5], [5, 5], [2, -3], [20, 20]]),
        np.array([[20.0, 0], [0, 0], [0, 4], [1, 1]]),
    )
    enter, leave = cut_lines(start, along, np.array([0.0, 0, 10, 10]))
    assert enter[:3].tolist() == [0.25, 0, 0.75] and leave[:3].tolist() == [0.75, 1, 1]
    assert enter[3] > leave[3]


def test_groups_by_hand() -> None:
    """Two legs below a bar, in a box of 40 x 30 px at (10, 20): the bar is 20 px high, a leg 10 px wide."""
    strips = np.array([[0, 0, 1, 2 / 3], [0, 2 / 3, 0.25, 1], [0.75, 2 / 3, 1, 1]], np.float32)
    still = np.tile(np.eye(2), (3, 1, 1)), np.zeros((3, 2))
    laid = move_strips(strips, np.tile([10.0, 20, 50, 50], (3, 1)), *still)
    groups = [np.tile(each, (3, 1)) for each in laid]
    regions = np.repeat([[0, 41, 100, 100], [0, 41, 30, 100], [22, 42, 38, 100]], 3, axis=0).astype(
        np.float64
    )
    boxes, shares = bound_groups(*groups, regions, np.array([0, 3, 6]))
    assert boxes[0].tolist() == pytest.approx([10, 41, 50, 50])  # both legs
    assert boxes[1].tolist() == pytest.approx([10, 41, 20, 50])  # the left leg alone, and not 10 .. 30
    assert (boxes[2][:2] > boxes[2][2:]).all()  # what lies between the legs
    # Of 800 + 100 + 100 px the legs, whose middle lines are seen; that of the bar is not.
    assert shares == pytest.approx([0.2, 0.1, 0])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_groups_against_points_inside(seed: int) -> None:
    """Of a scattered mask, turned and cut: the box spans what a grid of points in its pixels sees."""
    rng = np.random.default_rng(seed)
    mask = rng.random((12, 14)) < 0.15
    mask[6, 7] = True
    turn, zoom = rng.uniform(0, 2 * np.pi), rng.uniform(4, 9)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * zoom
    low, rows, columns = rng.uniform(-20, 60, 2), *(np.flatnonzero(mask.any(axis=side)) for side in (1, 0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
    region = np.array([0.0, 0, *rng.uniform(20, 80, 2)])
    strips = take_strips(mask)
    every = [np.tile(each, (len(strips), *[1] * np.ndim(each))) for each in (box, matrix, low, region)]
    boxes, shares = bound_groups(*move_strips(strips, *every[:3]), every[3], np.array([0]))
    within = (np.arange(21) / 20)[:, None]
    grid = np.concatenate([np.repeat(within, 21, axis=0), np.tile(within, (21, 1))], axis=1)
    y, x = np.nonzero(mask)
    points = (np.stack([x, y], axis=1)[:, None] + grid).reshape(-1, 2) @ matrix.T + low
    seen = ((points >= region[:2]) & (points <= region[2:])).all(axis=1)
    assert shares[0] == pytest.approx(seen.mean(), abs=0.06)
    if seen.any():
        span = np.concatenate([points[seen].min(axis=0), points[seen].max(axis=0)])
        assert (boxes[0][:2] <= span[:2] + 1e-4).all() and (boxes[0][2:] >= span[2:] - 1e-4).all()
        assert boxes[0] == pytest.approx(span, abs=zoom / 20 * 1.5)


def test_of_a_group_without_area_nothing_is_seen() -> None:
    corner, across, down = np.array([[5.0, 5]] * 3), np.array([[0.0, 0], [4, 0], [4, 0]]), np.zeros((3, 2))
    down[2, 1] = 4
    region = np.tile([0.0, 0, 20, 20], (3, 1))
    with np.errstate(all="raise"):
        assert bound_groups(corner, across, down, region, np.array([0, 1, 2]))[1].tolist() == [0, 0, 1]


def test_no_groups() -> None:
    boxes, shares = bound_groups(*[np.zeros((0, 2))] * 3, np.zeros((0, 4)), np.zeros(0, np.int64))
    assert boxes.shape == (0, 4) and shares.shape == (0,)


def test_cut_squares_by_hand() -> None:
    square = SQUARE * 10
    regions = np.array([[2, 3, 8, 20], [-5, -5, 20, 20], [4, 4, 6, 6], [10.5, 0, 20, 10]], np.float64)
    boxes = bound_inside(square[None], regions)
    assert boxes[0].tolist() == [2, 3, 8, 10]  # cut on three sides
    assert boxes[1].tolist() == [0, 0, 10, 10]  # all of it
    assert boxes[2].tolist() == [4, 4, 6, 6]  # the region lies inside
    assert (boxes[3][:2] > boxes[3][2:]).all()  # nothing


def test_a_line_on_an_edge_of_the_region_ends_where_it_ends() -> None:
    # A run of pixels that is packed to no width: the region's corners lie on its line, and not on it.
    line = np.array([[0.0, 10], [0, 10], [0, 20], [0, 20]])
    assert bound_inside(line, np.array([0.0, 0, 50, 100])).tolist() == [0, 10, 0, 20]
    assert bound_inside(line, np.array([0.0, 15, 50, 100])).tolist() == [0, 15, 0, 20]


def test_a_cut_disc_narrows() -> None:
    # Of a circle of radius 10 about (10, 10), what lies below y = 4 is 2 * sqrt(10^2 - 6^2) = 16 wide.
    circle = CIRCLE * 20
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
    points = (CIRCLE[::4] - 0.5) * [1, rng.uniform(0.4, 1)] @ matrix.T + rng.uniform(60, 140, 2)
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
