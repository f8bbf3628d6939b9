"""The paired bootstrap against hand-made cases, a naive one, and the comparison of detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.metrics.bootstrap import mean_known, resample
from glasshouse.metrics.detection import average_precision, detection_scores
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


@pytest.mark.parametrize(("only_50", "key"), [(False, "mAP_50_95"), (True, "mAP_50")])
def test_detectors_against_a_naive_bootstrap(scene: Any, only_50: bool, key: str) -> None:
    objects, detections, pictures, classes = scene(2)
    kept = slice(60, None)
    fewer = Detections(*(getattr(detections, name)[kept] for name in Detections.__slots__))
    points = [
        detection_scores(
            objects,
            found,
            pictures,
            {1: "rose", 2: "tulip", 3: "daisy"},
            score_threshold=0.3,
            bootstrap_rounds=0,
            seed=0,
        )[key]
        for found in (fewer, detections)
    ]
    matches = [match_detections(objects, found, pictures, classes) for found in (fewer, detections)]
    naive = []
    for weights in resample(len(pictures), 100, 3):
        first, second = (average_precision(found, picture_weights=weights[None])[0] for found in matches)
        columns = slice(0, 1) if only_50 else slice(None)
        naive.append(mean_known(second[:, columns]) - mean_known(first[:, columns]))
    scores = [precision_score(found, only_50) for found in matches]
    gain = compare_paired(*scores, len(pictures), rounds=100, seed=3, confidence=0.95)
    assert (gain.first, gain.second) == pytest.approx(points)
    assert (gain.low, gain.high) == pytest.approx(np.quantile(naive, [0.025, 0.975]))
    assert gain.better == np.mean(np.array(naive) > 0) and gain.low < gain.difference < gain.high


def test_rounds_without_an_object_are_nobodys_win() -> None:
    """One picture of three has an object: second is ahead wherever it is drawn, as it is in 70 % of them."""
    one, box = np.array([1]), np.array([[0.0, 0, 10, 10]])
    objects = Objects(one, one, box, np.array([False]))
    found = [
        match_detections(objects, Detections(one, one, np.array([0.9]), boxes), np.arange(1, 4), one)
        for boxes in (box * 0.8, box)
    ]
    scores = [precision_score(each) for each in found]
    gain = compare_paired(*scores, 3, rounds=200, seed=0, confidence=0.95)
    assert gain.better == 1.0


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"confidence": 0.0}, {"confidence": 1.0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="rounds and confidence of compare_paired"):
        compare(np.ones(3), np.ones(3), **wrong)
