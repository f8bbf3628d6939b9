from __future__ import annotations

import numpy as np
import pytest

from glasshouse.metrics.bootstrap import interval, mean_known, resample, scores_of_rounds


def test_every_round_draws_as_many_pictures_as_there_are() -> None:
    weights = resample(37, 500, seed=3)
    assert weights.shape == (500, 37)
    assert (weights.sum(axis=1) == 37).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(37), abs=0.25)
    np.testing.assert_array_equal(weights, resample(37, 500, seed=3))
    assert not np.array_equal(weights, resample(37, 500, seed=4))


def test_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    # Standard error of the mean of 400 values of spread 1 is 1/20: the interval is about 2 x 1.96 / 20 wide.
    values = np.random.default_rng(0).normal(size=400)
    rounds = scores_of_rounds(lambda weights: weights @ values / 400, resample(400, 4000, seed=1))
    low, high = interval(rounds)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)


def test_interval_by_hand_and_without_scores() -> None:
    assert interval(np.append(np.arange(0.0, 41.0), np.nan)) == pytest.approx((1.0, 39.0))
    assert np.isnan(interval(np.array([np.nan]))).all()


def test_mean_of_what_is_known() -> None:
    assert mean_known(np.array([1.0, np.nan, 3.0])) == 2.0
    np.testing.assert_array_equal(
        mean_known(np.array([[1.0, np.nan], [np.nan, np.nan]]), axis=1), [1.0, np.nan]
    )


def test_no_pictures_cannot_be_resampled() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        resample(0, 10, seed=1)
