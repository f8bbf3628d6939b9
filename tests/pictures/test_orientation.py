"""Pixels, masks and boxes turned by one table, against Pillow and against a marker found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from glasshouse.pictures.decode import UPRIGHT
from glasshouse.pictures.orientation import TURNS, turn_array, turn_box, turn_size

ORIENTATIONS = sorted(TURNS)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_arrays_turn_as_pillow_turns_pictures(orientation: int) -> None:
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.fromarray(stored)
    upright = image.transpose(UPRIGHT[orientation]) if orientation != 1 else image
    np.testing.assert_array_equal(turn_array(stored, orientation), np.asarray(upright))
    assert turn_size((2, 3), orientation) == np.asarray(upright).shape


# The box (1, 1)-(4, 3) on a stored picture of 10 x 5 px. Mirrored columns: x -> 10 - x, 1..4 becomes 6..9;
# mirrored rows: y -> 5 - y, 1..3 becomes 2..4; exchanged: (x, y) -> (y, x).
GOLDEN = {
    1: (1, 1, 4, 3),
    2: (6, 1, 9, 3),
    3: (6, 2, 9, 4),
    4: (1, 2, 4, 4),
    5: (1, 1, 3, 4),
    6: (2, 1, 4, 4),
    7: (2, 6, 4, 9),
    8: (1, 6, 3, 9),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_on_paper(orientation: int) -> None:
    assert turn_box((1, 1, 4, 3), (5, 10), orientation) == GOLDEN[orientation]


@settings(deadline=None)
@given(st.sampled_from(ORIENTATIONS), st.integers(1, 9), st.integers(1, 9), st.data())
def test_a_box_stays_on_its_marker(orientation: int, height: int, width: int, data: st.DataObject) -> None:
    x_min, y_min = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x_max, y_max = data.draw(st.integers(x_min + 1, width)), data.draw(st.integers(y_min + 1, height))
    stored = np.zeros((height, width), bool)
    stored[y_min:y_max, x_min:x_max] = True
    left, top, right, bottom = map(int, turn_box((x_min, y_min, x_max, y_max), (height, width), orientation))
    upright = np.zeros(turn_size((height, width), orientation), bool)
    upright[top:bottom, left:right] = True
    np.testing.assert_array_equal(turn_array(stored, orientation), upright)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_sizes_turn_back(orientation: int) -> None:
    assert turn_size(turn_size((3, 8), orientation), orientation) == (3, 8)
