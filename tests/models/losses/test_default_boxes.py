"""Matching of default boxes and mining of negatives, against the rules written out one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

OBJECTS, BOXES = 4, 9


def match_one_by_one(overlap: np.ndarray, real: np.ndarray, threshold: float) -> np.ndarray:
    """The owner of each box (A,): by overlap, then every object's best box in three rounds."""
    owner = np.full(overlap.shape[1], -1)
    for box in range(overlap.shape[1]):
        able = [row for row in range(len(overlap)) if real[row]]
        if able and max(overlap[row, box] for row in able) >= threshold:
            owner[box] = max(able, key=lambda row, box=box: (overlap[row, box], -row))
    waiting, free = [row for row in range(len(overlap)) if real[row]], list(range(overlap.shape[1]))
    for _ in range(3):
        wishes: dict[int, list[int]] = {}
        for row in waiting:
            if free:
                wishes.setdefault(max(free, key=lambda box, row=row: (overlap[row, box], -box)), []).append(
                    row
                )
        for box, rows in wishes.items():
            winner = max(rows, key=lambda row, box=box: (overlap[row, box], -row))
            owner[box] = winner
            waiting.remove(winner)
            free.remove(box)
    return owner


def match(overlap: Any, real: Any, threshold: float) -> np.ndarray:
    from keras import ops

    from glasshouse.models.losses.default_boxes import match as match_boxes

    found = match_boxes(
        ops.convert_to_tensor(np.asarray(overlap, np.float32)),
        ops.convert_to_tensor(np.asarray(real, bool)),
        threshold=threshold,
    )
    return np.asarray(found)


@settings(max_examples=80, deadline=None)
@given(
    levels=st.lists(st.integers(0, 8), min_size=OBJECTS * BOXES, max_size=OBJECTS * BOXES),
    real=st.lists(st.booleans(), min_size=OBJECTS, max_size=OBJECTS),
)
def test_equals_the_rules_one_by_one(levels: list[int], real: list[bool]) -> None:
    overlap = np.reshape(levels, (OBJECTS, BOXES)) / 8  # coarse: ties and exact thresholds are common
    found = match(overlap[None], [real], 0.5)[0]
    np.testing.assert_array_equal(found, match_one_by_one(overlap, np.array(real), 0.5))


def test_by_hand() -> None:
    # Box 0 overlaps both objects by half or more: the first more. Box 1 is the best of both, and the second's
    # more, so the first takes its next best, box 0. Box 2 is nobody's.
    overlap = [[[0.6, 0.7, 0.1], [0.5, 0.9, 0.2]]]
    assert match(overlap, [[True, True]], 0.5).tolist() == [[0, 1, -1]]
    assert match(overlap, [[False, True]], 0.5).tolist() == [[1, 1, -1]]
    assert match(overlap, [[False, False]], 0.5).tolist() == [[-1, -1, -1]]


def mine(losses: Any, positive: Any, ratio: int) -> list[list[bool]]:
    from keras import ops

    from glasshouse.models.losses.default_boxes import mine_negatives

    found = mine_negatives(
        ops.convert_to_tensor(np.asarray(losses, np.float32)),
        ops.convert_to_tensor(np.asarray(positive, bool)),
        ratio=ratio,
    )
    return np.asarray(found).tolist()  # type: ignore[no-any-return]


def test_the_hardest_negatives_are_mined() -> None:
    losses = [[5.0, 1, 4, 2, 3]]
    assert mine(losses, [[True, False, False, False, False]], 3) == [[False, False, True, True, True]]
    assert mine(losses, [[True, True, False, False, False]], 3) == [[False, False, True, True, True]]
    # Without objects as many as with one; equal losses are not all taken.
    assert mine(losses, [[False] * 5], 2) == [[True, False, True, False, False]]
    assert sum(mine([[1.0] * 5], [[False] * 5], 3)[0]) == 3
    assert mine(losses, [[True] * 5], 3) == [[False] * 5]
