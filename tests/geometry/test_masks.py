"""Masks of single objects: resized, packed, moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glasshouse.geometry.masks import count_bytes, move_mask, pack_mask, resize_mask, unpack_mask

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def disc(side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side] + 0.5
    return np.hypot(x - side / 2, y - side / 2) < 0.4 * side


@given(MASKS)
def test_at_scale_one_nothing_changes(mask: np.ndarray) -> None:
    height, width = mask.shape
    assert (resize_mask(mask, (1, 1), (0, 0), (0, 0, width, height)) == mask).all()
    shifted = resize_mask(mask, (1, 1), (3, 1), (0, 0, width + 4, height + 2))
    assert (shifted[1 : height + 1, 3 : width + 3] == mask).all() and shifted.sum() == mask.sum()


@given(MASKS, st.integers(1, 4), st.integers(1, 4))
def test_enlarged_every_pixel_is_a_block_and_reduced_it_comes_back(
    mask: np.ndarray, across: int, down: int
) -> None:
    height, width = mask.shape
    large = resize_mask(mask, (across, down), (0, 0), (0, 0, across * width, down * height))
    assert (large == np.kron(mask, np.ones((down, across), bool))).all()
    assert (resize_mask(large, (1 / across, 1 / down), (0, 0), (0, 0, width, height)) == mask).all()


def test_half_a_pixel_counts_as_inside() -> None:
    # Pairs of columns: 2 of 4, 1 of 4, 4 of 4 pixels inside; by 0.4 a new pixel is 2.5 old ones wide.
    mask = np.array([[1, 0, 0, 0, 1, 1], [1, 0, 0, 1, 1, 1]], bool)
    assert resize_mask(mask, (0.5, 0.5), (0, 0), (0, 0, 3, 1)).tolist() == [[True, False, True]]
    line = np.array([[1, 1, 0, 0, 1]], bool)  # 2 of 2.5, 1 of 2.5
    assert resize_mask(line, (0.4, 1), (0, 0), (0, 0, 2, 1)).tolist() == [[True, False]]


def test_half_a_pixel_counts_as_inside_whatever_the_scale_is_rounded_to() -> None:
    # All of 4 x 4 new pixels, half a pixel to the right: both outer columns are half inside.
    for factor in range(1, 40):
        mask = np.ones((4 * factor, 4 * factor), bool)
        resized = resize_mask(mask, (1 / factor, 1 / factor), (0.5, 0), (0, 0, 5, 4))
        assert resized.all(), factor


@pytest.mark.parametrize("scale", [0.2, 0.37, 1.6])
def test_a_disc_keeps_its_area(scale: float) -> None:
    small = resize_mask(disc(200), (scale, scale), (5.3, 2.6), (0, 0, 340, 340))
    assert small.sum() == pytest.approx(disc(200).sum() * scale**2, rel=0.02)


@given(MASKS)
def test_packing_is_undone(mask: np.ndarray) -> None:
    height, width = mask.shape
    packed = pack_mask(mask)
    assert (unpack_mask(packed, height, width) == mask).all()
    assert count_bytes(np.array([[3, 4, 3 + width, 4 + height]])).tolist() == [len(packed)]


WHOLE = np.array([0, 0, 30, 20], np.float32)


def test_moves_by_hand() -> None:
    mask = np.array([[1, 1, 0], [1, 0, 0]], bool)
    still = move_mask(mask, (4, 5), np.eye(2), np.zeros(2), WHOLE)
    assert still.bound().tolist() == [4, 5, 6, 7] and (still.inside == mask).all()
    # Mirrored about x = 15: columns 4, 5, 6 come to lie at 25, 24, 23.
    mirrored = move_mask(mask, (4, 5), np.diag([-1.0, 1.0]), np.array([30.0, 0.0]), WHOLE)
    assert (mirrored.left_px, mirrored.top_px) == (23, 5)
    assert mirrored.inside.tolist() == mask[:, ::-1].tolist()
    # A quarter turn, (x, y) -> (10 - y, x): column 4 becomes row 4.
    turned = move_mask(mask, (4, 5), np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([10.0, 0.0]), WHOLE)
    assert turned.inside.tolist() == [[True, True], [False, True], [False, False]]
    assert (turned.left_px, turned.top_px) == (3, 4)


def test_what_lies_outside_of_the_region_is_cut_off() -> None:
    mask = np.ones((6, 6), bool)
    cut = move_mask(mask, (-2, 16), np.eye(2), np.zeros(2), WHOLE)
    assert cut.bound().tolist() == [0, 16, 4, 20]
    gone = move_mask(mask, (100, 100), np.eye(2), np.zeros(2), WHOLE)
    assert not gone.inside.size
    with pytest.raises(ValueError, match="has no box"):
        gone.bound()


def test_a_turned_disc_stays_one() -> None:
    angle = np.radians(33)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([50.0, 50.0])
    stamp = move_mask(disc(100), (0, 0), matrix, middle - matrix @ middle, np.array([0, 0, 100, 100]))
    canvas = np.zeros((100, 100), bool)
    canvas[stamp.place] = stamp.inside
    assert (canvas ^ disc(100)).sum() < 0.02 * disc(100).sum()
