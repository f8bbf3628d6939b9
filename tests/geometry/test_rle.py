from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glasshouse.geometry.rle import count_runs, decode_mask, encode_mask

MASKS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda shape: arrays(bool, shape))


def test_runs_go_down_the_columns_and_start_with_zeros() -> None:
    mask = np.array([[1, 0, 0], [1, 1, 0]], bool)  # columns 11 01 00: 0 zeros, 2 ones, 1 zero, 1 one, 2 zeros
    assert count_runs(mask) == [0, 2, 1, 1, 2]


def test_golden_text() -> None:
    # 100 x 1 pixels, 40 of them inside: runs 60, 40. 60 = 1 * 32 + 28: 28 + 32 (more) + 48 = 'l', then
    # 1 + 48 = '1'. 40 = 1 * 32 + 8: 8 + 32 + 48 = 'X', then '1'.
    mask = np.repeat([False, True], [60, 40])[:, None]
    assert encode_mask(mask) == "l1X1"


def test_fourth_run_is_a_difference() -> None:
    # runs 2, 3, 4, 5, 6: the fourth is 5 - 3 = 2, the fifth 6 - 4 = 2.
    mask = np.repeat([False, True, False, True, False], [2, 3, 4, 5, 6]).reshape(5, 4, order="F")
    assert encode_mask(mask) == "23422"


@given(MASKS)
def test_round_trip(mask: np.ndarray) -> None:
    assert np.array_equal(decode_mask(encode_mask(mask), *mask.shape), mask)


@settings(max_examples=60)
@given(MASKS)
def test_equals_pycocotools(mask: np.ndarray) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_mask(mask) == theirs["counts"].decode()
    ours = {"size": list(mask.shape), "counts": encode_mask(mask).encode()}
    assert np.array_equal(coco.decode(ours).astype(bool), mask)


def test_long_runs_equal_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    mask = np.zeros((700, 900), bool)
    mask[100:600, 50:800] = True
    mask[300:310, 60:61] = False
    assert encode_mask(mask) == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


@pytest.mark.parametrize("value", [False, True])
def test_uniform_masks(value: bool) -> None:
    mask = np.full((7, 5), value)
    assert np.array_equal(decode_mask(encode_mask(mask), 7, 5), mask)


@pytest.mark.parametrize(
    ("counts", "message"),
    [("l1X1", "add up to"), ("l1X", "cut off"), ("l1 X", "characters '0' to 'o'"), ("", "add up")],
)
def test_bad_text_is_refused(counts: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_mask(counts, 10, 11)


def test_stack_of_masks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(height, width\).*\(2, 3, 4\)"):
        encode_mask(np.zeros((2, 3, 4), bool))
