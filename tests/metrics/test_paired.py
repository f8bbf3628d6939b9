"""The paired bootstrap against hand-made cases, a naive one, and the comparison of detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.metrics.bootstrap import resample
from glasshouse.metrics.detection import compare_detectors
from glasshouse.metrics.matching import match_detections
from glasshouse.metrics.overlap import Detections, Objects
from glasshouse.metrics.paired import compare_paired, mean_score, precision_score


def compare(first: Any, second: Any, **changes: Any) -> Any:
    settings = {"rounds": 500, "seed": 3, "confidence": 0.95, **changes}
    return compare_paired(mean_score(first), mean_score(second), len(first), **settings)


def test_golden_values_of_a_constant_gain() -> None:
    """Second is right on one picture more in four: 0.5 -> 0.75; against itself nothing ever differs."""
    first, second = np.array([1, 1, 0, 0]), np.array([1, 1, 1, 0])
    gain = compare(first, second)
    assert (gain.first, gain.second, gain.difference, gain.pictures) == (0.5, 0.75, 0.25, 4)
    # The gain of a resampling is the share of the third picture in it, so never below 0, and 0 with
    # probability (3/4)^4 = 0.316.
    assert gain.low == 0.0 and gain.better == pytest.approx(1 - 0.75**4, abs=0.05)
    same = compare(first, first)
    assert (same.difference, same.low, same.high, same.better) == (0, 0, 0, 0)


def test_against_a_naive_bootstrap() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.random(30), generator.random(30)
    naive = []
    for weights in resample(30, 500, 3):
        rows = np.repeat(np.arange(30), weights.astype(int))
        naive.append(second[rows].mean() - first[rows].mean())
    gain = compare(first, second)
    assert (gain.low, gain.high) == pytest.approx(np.quantile(naive, [0.025, 0.975]))
    assert gain.better == pytest.approx(np.mean(np.array(naive) > 0))
    wide, narrow = compare(first, second, confidence=0.99), compare(first, second, confidence=0.8)
    assert wide.low < gain.low < narrow.low < narrow.high < gain.high < wide.high


def test_pairing_is_surer_than_two_intervals() -> None:
    """Second is first plus 0.02 on every picture: the pictures' spread cancels out altogether."""
    first = np.random.default_rng(1).random(40)
    gain = compare(first, first + 0.02)
    assert (gain.low, gain.high, gain.better) == pytest.approx((0.02, 0.02, 1.0))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30), st.integers(0, 9))
def test_turning_the_two_round_turns_the_sign(pairs: list[tuple[bool, bool]], seed: int) -> None:
    first, second = np.array(pairs).T
    there = compare(first, second, rounds=40, seed=seed)
    back = compare(second, first, rounds=40, seed=seed)
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-there.difference, -there.high, -there.low)
    )
    assert there.better + back.better <= 1.0


def test_pictures_that_do_not_count_and_rounds_without_a_score() -> None:
    values, counted = np.array([1.0, 0.0, 5.0]), np.array([True, True, False])
    assert mean_score(values, counted)(np.array([[1.0, 1, 1], [2, 1, 7], [0, 0, 3]])) == pytest.approx(
        [0.5, 2 / 3, np.nan], nan_ok=True
    )
    nobody = np.zeros(3, dtype=bool)
    gain = compare_paired(
        mean_score(values, nobody), mean_score(values, nobody), 3, rounds=20, seed=0, confidence=0.95
    )
    assert np.isnan([gain.first, gain.difference, gain.low, gain.high, gain.better]).all()


def test_detectors_as_the_older_comparison_has_them() -> None:
    generator = np.random.default_rng(5)
    count = 60
    ids, boxes = np.repeat(np.arange(1, 21), 3), generator.uniform(5, 60, (count, 4))
    kinds = generator.integers(1, 3, count)
    objects = Objects(ids, kinds, boxes, np.zeros(count, dtype=bool))
    found = []
    for spread in (4.0, 2.0):
        moved = np.abs(boxes + generator.normal(0, spread, boxes.shape))
        detections = Detections(ids, kinds, generator.random(count), moved)
        found.append(match_detections(objects, detections, np.arange(1, 21), np.array([1, 2])))
    old = compare_detectors(found[0], found[1], 300, 7)
    for name, only_50 in (("mAP_50_95", False), ("mAP_50", True)):
        scores = [precision_score(each, only_50) for each in found]
        gain = compare_paired(scores[0], scores[1], 20, rounds=300, seed=7, confidence=0.95)
        assert gain.difference == pytest.approx(old[name]["difference"])
        assert (gain.low, gain.high) == pytest.approx(old[name]["ci95"])
        assert gain.better == old[name]["better"]


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"confidence": 0.0}, {"confidence": 1.0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="rounds and confidence of compare_paired"):
        compare(np.ones(3), np.ones(3), **wrong)
