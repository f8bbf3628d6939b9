from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.export.difference import compare

SIZE_PX = (100, 200)


def detections(rows: list[tuple[list[float], float, int]], count: int = 4) -> dict[str, Any]:
    """One picture, padded to `count`."""
    empty = count - len(rows)
    return {
        "boxes": np.array([[box for box, _, _ in rows] + [[0.0] * 4] * empty], np.float32),
        "scores": np.array([[score for _, score, _ in rows] + [0.0] * empty], np.float32),
        "labels": np.array([[label for _, _, label in rows] + [-1] * empty], np.int32),
        "valid": np.array([len(rows)], np.int32),
    }


def join(*pictures: dict[str, Any]) -> dict[str, Any]:
    """Pictures as one batch."""
    return {name: np.concatenate([each[name] for each in pictures]) for name in pictures[0]}


ONE, TWO = [10.0, 10.0, 50.0, 50.0], [100.0, 20.0, 180.0, 90.0]


def test_golden() -> None:
    """x moves by 1 of 200 px (0.005), y by 2 of 100 px (0.02), scores by 0.1 and 0.05."""
    mine = detections([(ONE, 0.9, 0), (TWO, 0.5, 1)])
    moved = [TWO[0] + 1, TWO[1] + 2, TWO[2], TWO[3]]
    found = compare(mine, detections([(ONE, 0.8, 0), (moved, 0.55, 1)]), SIZE_PX)
    assert found.scores == pytest.approx(0.1)
    assert found.boxes == pytest.approx(0.02)
    assert (found.unpaired, found.compared) == (pytest.approx(0.0), 2)
    assert found.largest == pytest.approx(0.1)


def test_missing_detection_counts_by_its_score_on_either_side() -> None:
    """Scores 0.9 + 0.1 against 0.9: 0.1 of 1.9 has no partner."""
    both, first = detections([(ONE, 0.9, 0), (TWO, 0.1, 1)]), detections([(ONE, 0.9, 0)])
    for found in (compare(both, first, SIZE_PX), compare(first, both, SIZE_PX)):
        assert found.unpaired == pytest.approx(0.1 / 1.9)
        assert (found.scores, found.boxes, found.compared) == (0.0, 0.0, 1)


def test_another_class_or_place_is_another_detection() -> None:
    mine = detections([(ONE, 0.9, 0)])
    far = [box + 10 for box in ONE]
    for other in (detections([(ONE, 0.9, 1)]), detections([(far, 0.9, 0)])):
        assert compare(mine, other, SIZE_PX).unpaired == 1.0


def test_a_box_that_moved_by_a_twentieth_of_its_side_is_the_same() -> None:
    """40 px, and half a pixel around them: moved by 2 px its IoU is 39/43 = 0.907, by 3 px 38/44 = 0.864."""
    mine = detections([(ONE, 0.9, 0)])
    for moved_px, pairs in ((2.0, 1), (3.0, 0)):
        moved = [ONE[0] + moved_px, ONE[1], ONE[2] + moved_px, ONE[3]]
        assert compare(mine, detections([(moved, 0.9, 0)]), SIZE_PX).compared == pairs


def test_the_nearest_box_is_the_partner_before_the_nearest_score() -> None:
    """Both boxes of the other side are near enough; the one in the very place has another score."""
    beside = [ONE[0] + 1, *ONE[1:]]
    mine = detections([(ONE, 0.9, 0)])
    found = compare(mine, detections([(beside, 0.9, 0), (ONE, 0.5, 0)]), SIZE_PX)
    assert (found.boxes, found.scores) == (0.0, pytest.approx(0.4))
    assert compare(mine, detections([(ONE, 0.5, 0), (beside, 0.9, 0)]), SIZE_PX) == found


def test_several_pictures_count_together() -> None:
    """Scores differ by 0.5 in the first picture alone, boxes by 2 of 200 px; in the second one is missing.

    Of 0.9 + 0.4 in the first and 0.9 + 0.3 against 0.9 in the second, 0.3 has no partner.
    """
    moved = [ONE[0] + 2, *ONE[1:]]
    mine = join(detections([(ONE, 0.9, 0)]), detections([(ONE, 0.9, 0), (TWO, 0.3, 1)]))
    other = join(detections([(moved, 0.4, 0)]), detections([(ONE, 0.9, 0)]))
    found = compare(mine, other, SIZE_PX)
    assert (found.scores, found.boxes, found.compared) == (pytest.approx(0.5), pytest.approx(0.01), 2)
    assert found.unpaired == pytest.approx(0.3 / (0.9 + 0.4 + 0.9 + 0.3 + 0.9))


@pytest.mark.parametrize("place", [0, 1])
def test_nan_in_any_picture_shows(place: int) -> None:
    mine = detections([(ONE, 0.9, 0)])
    pictures = [mine, mine]
    pictures[place] = detections([(ONE, np.nan, 0)])
    assert np.isnan(compare(join(mine, mine), join(*pictures), SIZE_PX).scores)


def test_duplicates_pair_one_to_one_by_score() -> None:
    mine = detections([(ONE, 0.9, 0), (ONE, 0.3, 0)])
    other = detections([(ONE, 0.3, 0), (ONE, 0.9, 0)])
    assert compare(mine, other, SIZE_PX).largest == 0.0


def test_one_detection_is_partner_of_one_other() -> None:
    """0.9 + 0.9 against 0.9: a third of all score has no partner."""
    twice, once = detections([(ONE, 0.9, 0), (ONE, 0.9, 0)]), detections([(ONE, 0.9, 0)])
    for found in (compare(twice, once, SIZE_PX), compare(once, twice, SIZE_PX)):
        assert found.unpaired == pytest.approx(1 / 3)
        assert found.compared == 1


def test_boxes_without_area_pair() -> None:
    flat = detections([([0.0, 0.0, 0.0, 30.0], 0.2, 0)])
    assert compare(flat, flat, SIZE_PX).compared == 1


def test_nan_shows() -> None:
    mine = detections([(ONE, 0.9, 0), (TWO, 0.5, 1)])
    assert np.isnan(compare(mine, detections([(ONE, np.nan, 0), (TWO, 0.5, 1)]), SIZE_PX).largest)
    assert compare(mine, detections([([np.nan] * 4, 0.9, 0), (TWO, 0.5, 1)]), SIZE_PX).largest > 0.5


def test_nothing_found_compares_nothing() -> None:
    found = compare(detections([]), detections([]), SIZE_PX)
    assert (found.largest, found.compared) == (0.0, 0)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="are not those of Keras"):
        compare(detections([], 4), detections([], 5), SIZE_PX)


def test_probabilities() -> None:
    mine = {"probabilities": np.array([[0.2, 0.8], [0.5, 0.5]], np.float32)}
    other = {"probabilities": np.array([[0.2, 0.8], [0.25, 0.75]], np.float32)}
    found = compare(mine, other, SIZE_PX)
    assert (found.scores, found.boxes, found.unpaired, found.compared) == (0.25, 0.0, 0.0, 2)
    near = {"probabilities": np.array([[0.2, 0.8], [0.53125, 0.46875]], np.float32)}
    assert compare(mine, near, SIZE_PX).scores == compare(near, mine, SIZE_PX).scores == 0.03125
    assert compare(mine, mine, SIZE_PX).largest == 0.0
    none = {"probabilities": np.zeros((0, 2), np.float32)}
    assert (compare(none, none, SIZE_PX).largest, compare(none, none, SIZE_PX).compared) == (0.0, 0)


@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_order_does_not_matter(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 50, (6, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (6, 2))], 1)
    rows = [
        (list(box), float(score), int(label))
        for box, score, label in zip(boxes, rng.uniform(0.1, 1, 6), rng.integers(0, 2, 6), strict=True)
    ]
    found = compare(detections(rows, 8), detections([rows[place] for place in order], 8), SIZE_PX)
    assert found.largest == pytest.approx(0.0)
    assert found.compared == 6
