"""Strips of objects: from masks to files and back, gathered by object, fitted to boxes that were cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glasshouse.geometry.strips import ellipse_strips, move_strips, square_strips, take_strips
from glasshouse.inputs.prepare import fit_strips
from glasshouse.inputs.shapes import STRIP_COUNTS, Shapes, open_strips, write_strips

BAR = np.array([[0, 0, 1, 1]], np.float32)
LEGS = np.array([[0, 0, 1, 0.6], [0, 0.6, 0.2, 1], [0.8, 0.6, 1, 1]], np.float32)


def test_strips_come_back_from_their_files(tmp_path: Path) -> None:
    write_strips(tmp_path, [None, LEGS, None, BAR])
    opened = open_strips(tmp_path, 4)
    assert opened is not None
    packed, counts = opened
    assert counts.tolist() == [0, 3, 0, 1]
    np.testing.assert_allclose(packed / 255, np.concatenate([LEGS, BAR]), atol=0.5 / 255)
    with pytest.raises(ValueError, match=r"4 strips and 4 counts for 5 objects; run `dvc repro preprocess`"):
        open_strips(tmp_path, 5)
    np.save(tmp_path / STRIP_COUNTS, np.array([0, 3, 0, 2]))
    with pytest.raises(ValueError, match="4 strips and 4 counts for 4 objects"):
        open_strips(tmp_path, 4)


def test_without_masks_there_are_no_files(tmp_path: Path) -> None:
    write_strips(tmp_path, [None, None])
    assert list(tmp_path.iterdir()) == []
    assert open_strips(tmp_path, 2) is None


def test_strips_are_gathered_object_by_object_and_guessed_where_none_are_known(tmp_path: Path) -> None:
    write_strips(tmp_path, [LEGS, BAR])
    opened = open_strips(tmp_path, 2)
    assert opened is not None
    starts, counts = np.array([[0, 0], [3, 0]]), np.array([[3, 0], [1, 0]])
    shapes = Shapes(opened[0], starts, counts)
    strips, owner, first = shapes.gather(np.array([1, 0, 0]), np.array([0, 1, 0]))
    square = square_strips()
    assert owner.tolist() == [0] + [1] * len(square) + [2] * 3
    assert first.tolist() == [0, 1, 1 + len(square)]
    np.testing.assert_allclose(strips, np.concatenate([BAR, square, LEGS]), atol=0.5 / 255)
    rounder = replace(shapes, guess=ellipse_strips())
    strips, owner, _ = rounder.gather(np.array([0, 1]), np.array([1, 0]))
    np.testing.assert_allclose(strips, np.concatenate([ellipse_strips(), BAR]), atol=1e-6)
    assert np.bincount(owner).tolist() == [len(ellipse_strips()), 1]
    nothing = shapes.gather(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert [len(each) for each in nothing] == [0, 0, 0]


def test_a_cut_mask_lies_where_it_was_in_the_cut_box() -> None:
    """Two legs of which the upper left corner is at (10, 20); the picture's edge cut a bar off above them."""
    mask = np.zeros((5, 8), bool)
    mask[1:, :2] = mask[1:, 6:] = True
    box = np.array([9.5, 20.0, 18.0, 25.0])  # of the object, cut: half a pixel more at the left
    strips = fit_strips((mask, (10, 20)), box)
    still = np.tile(np.eye(2), (len(strips), 1, 1)), np.zeros((len(strips), 2))
    corner, across, down = move_strips(strips, np.tile(box, (len(strips), 1)), *still)
    rows = [(10, 21 + row, 2, 1) for row in range(4)], [(16, 21 + row, 2, 1) for row in range(4)]
    found = np.concatenate([corner, across[:, :1], down[:, 1:]], axis=1)
    np.testing.assert_allclose(found[np.lexsort((found[:, 1], found[:, 0]))], np.concatenate(rows), atol=1e-5)
    assert (strips >= 0).all() and (strips <= 1).all()
    assert len(strips) == len(take_strips(mask))
