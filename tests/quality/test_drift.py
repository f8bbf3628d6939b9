"""Sketches, stability index and Kolmogorov-Smirnov distance: by hand, against SciPy, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from glasshouse.quality.drift import (
    CHANCE,
    chi_squared_quantile,
    compare_counts,
    compare_functions,
    compare_in_bins,
    cut_bins,
    measure_stability,
)
from glasshouse.quality.sketches import POINTS, count_draws, read_sketch, sketch

NUMBERS = st.lists(st.integers(0, 20) | st.floats(-1e3, 1e3, width=32), min_size=1, max_size=600)


@given(NUMBERS)
def test_a_sketch_is_exact_at_its_points_and_near_between_them(numbers):
    values = np.array([float(f"{number:.6g}") for number in numbers])
    drawn = sketch(values)
    assert drawn.counts.sum() == len(values) and (np.diff(drawn.values) > 0).all()
    exact = np.searchsorted(np.sort(values), drawn.values, "right") / len(values)
    assert drawn.share_up_to(drawn.values).tolist() == exact.tolist()
    between = np.searchsorted(np.sort(values), values - 1e-7, "right") / len(values)
    short = between - drawn.share_up_to(values - 1e-7)
    assert short.min() >= 0 and short.max() <= 1 / POINTS + 1 / len(values)
    assert read_sketch(drawn.as_json()).as_json() == drawn.as_json()


def test_whole_numbers_of_few_kinds_are_kept_and_the_rest_is_bounded():
    few = sketch([3, 1, 3, 2, 3, np.nan, np.inf])
    assert (few.values.tolist(), few.counts.tolist(), few.pictures) == ([1, 2, 3], [1, 1, 3], 5.0)
    many = sketch(np.random.default_rng(0).normal(size=100_000))
    assert POINTS <= len(many.values) <= POINTS + 1
    assert many.quantile(0.5) == pytest.approx(0.0, abs=0.02)
    assert sketch([]) is None and sketch([np.nan]) is None
    assert [few.quantile(share) for share in (0.0, 0.2, 0.21, 0.4, 0.41, 1.0)] == [1, 1, 2, 2, 3, 3]


def test_as_many_values_as_points_are_all_kept():
    numbers = np.r_[np.arange(POINTS), np.full(300, 7)]
    drawn = sketch(numbers)
    assert drawn.values.tolist() == list(range(POINTS)) and drawn.counts[7] == 301


@pytest.mark.parametrize(
    "broken",
    [
        {"values": [2.0, 1.0]},
        {"values": [1.0, 1.0]},
        {"values": [1.0, math.inf]},
        {"counts": [1, 0]},
        {"counts": [1]},
        {"values": [], "counts": []},
    ],
)
def test_no_distribution_is_refused(broken):
    with pytest.raises(ValueError, match="must rise"):
        read_sketch({"pictures": 2.0, "values": [1.0, 2.0], "counts": [1, 1], **broken})


def test_stability_by_hand():
    # (0.4 - 0.5) ln(0.4/0.5) + (0.6 - 0.5) ln(0.6/0.5) = 0.0223144 + 0.0182322 = 0.0405465
    shift = measure_stability(np.array([0.5, 0.5]), np.array([0.4, 0.6]), (1e6, 1e6))
    assert shift.distance == pytest.approx(0.0405465, abs=1e-7)
    assert shift.beyond == pytest.approx(shift.distance - 2e-6)  # less its mean, (2 - 1) (1/n + 1/m)
    # Of 100 pictures each, one bin is empty now: half a picture, 0.005 of 0.2.
    # (0.005 - 0.2) ln(0.005/0.2) + (1.0 - 0.8) ln(1.0/0.8) = 0.7193315 + 0.0446287 = 0.7639602
    shift = measure_stability(np.array([0.2, 0.8, 0.0]), np.array([0.0, 1.0, 0.0]), (100, 100))
    assert shift.distance == pytest.approx(0.7639602, abs=1e-7)
    assert shift.by_chance == pytest.approx(
        0.02 * 15.1367
    )  # 1 degree of freedom: the third bin is empty in both
    assert shift.beyond == pytest.approx(0.7639602 - 0.02, abs=1e-7)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=12), st.integers(0, 5))
def test_stability_is_symmetric_and_null_for_equal_shares(weights, seed):
    p = np.array(weights) / sum(weights)
    q = np.random.default_rng(seed).permutation(p)
    assert measure_stability(p, p, (5000, 7000)).distance == 0
    there, back = measure_stability(p, q, (5000, 7000)), measure_stability(q, p, (7000, 5000))
    assert there.distance == pytest.approx(back.distance) and there.distance >= 0


def test_few_pictures_tell_nothing():
    p, q = np.array([0.5, 0.5]), np.array([0.2, 0.8])
    assert measure_stability(p, q, (10, 10)).beyond == 0 < measure_stability(p, q, (1000, 1000)).beyond


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 9, 30, 100])
def test_the_quantile_of_chi_squared_is_scipys(freedom):
    assert chi_squared_quantile(freedom) == pytest.approx(stats.chi2.isf(CHANCE, freedom), rel=0.05)
    assert chi_squared_quantile(0) == 0


def test_the_quantile_of_ten_bins_by_hand():
    # 2/81 = 0.0246914, its root 0.1571348:
    # 9 (1 - 0.0246914 + 3.719016 x 0.1571348)^3 = 9 x 1.5596955^3 = 34.14775
    assert chi_squared_quantile(9) == pytest.approx(34.14775, abs=1e-5)


def test_bins_are_tenths_and_a_frequent_value_has_its_own():
    reference = sketch(np.arange(1, 101))
    assert cut_bins(reference).tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert cut_bins(reference, 5).tolist() == [20, 40, 60, 80]
    alone = sketch(np.full(50, 640.0))
    assert cut_bins(alone).tolist() == [np.nextafter(640.0, 0), 640.0]
    for other in (639.0, 641.0):  # below and above are told apart from it
        # (0.01 - 1) ln(0.01/1) twice: half of 50 pictures' share, 0.01, stands for nothing
        assert compare_in_bins(alone, sketch(np.full(50, other))).distance == pytest.approx(
            2 * 0.99 * math.log(100)
        )


@pytest.mark.parametrize(("pictures", "bins"), [(25, 2), (59, 2), (60, 3), (199, 9), (200, 10), (2000, 10)])
def test_a_bin_holds_twenty_pictures_of_the_smaller_set(pictures, bins):
    large, small = sketch(np.arange(2000)), sketch(np.arange(0, 2000, 2000 / pictures).round())
    for pair in ((large, small), (small, large)):
        shift = compare_in_bins(*pair)
        assert shift.by_chance == pytest.approx((1 / 2000 + 1 / pictures) * chi_squared_quantile(bins - 1))


def test_categories_need_not_be_the_same():
    # p = (0.5, 0.5, 0), q = (0.5, 0, 0.5) of 100 each: 2 x 0.495 ln(0.5/0.005) = 4.5592
    shift = compare_counts({"rose": 50, "tulip": 50}, {"rose": 50, "lily": 50}, (100, 100))
    assert shift.distance == pytest.approx(0.99 * math.log(100))


@pytest.mark.parametrize(("n", "m"), [(50, 80), (1000, 700), (3000, 2500)])
def test_the_distance_of_functions_is_scipys(n, m):
    rng = np.random.default_rng(n)
    one, two = rng.normal(100, 30, n), rng.normal(110, 30, m)
    ours = compare_functions(sketch(one), sketch(two))
    assert ours.distance == pytest.approx(stats.ks_2samp(one, two).statistic, abs=1 / POINTS)
    whole = rng.integers(0, 9, n), rng.integers(1, 9, m)
    assert compare_functions(*map(sketch, whole)).distance == pytest.approx(stats.ks_2samp(*whole).statistic)
    # sqrt(-ln(0.00005)/2 (1/n + 1/m)), Smirnov's limit
    assert ours.by_chance == pytest.approx(math.sqrt(4.951744 * (1 / n + 1 / m)), rel=1e-6)


def test_functions_are_apart_beyond_chance_or_not_at_all():
    # of 200 and 200: sqrt(4.951744 x 2/200) = 0.2225 is chance
    one, near, far = (sketch(np.r_[np.zeros(200 - ones), np.ones(ones)]) for ones in (0, 40, 50))
    shift = compare_functions(one, near)
    assert (shift.distance, shift.beyond) == (pytest.approx(0.2), 0)
    shift = compare_functions(one, far)
    assert (shift.distance, shift.beyond) == (pytest.approx(0.25), pytest.approx(0.25))


def test_crowded_pictures_are_worth_fewer_draws():
    assert count_draws([1, 1, 1, 0]) == 3.0
    assert count_draws([4, 1, 1]) == 2.0  # 6^2 / (16 + 1 + 1)
    assert count_draws([0, 0]) == 0.0


@pytest.mark.parametrize(("n", "m"), [(100, 100), (100, 1600), (400, 400), (1600, 1600)])
def test_chance_gives_no_alarm_and_shifts_do(n, m):
    """300 pairs of samples of one skewed distribution; then a shift of 0.8 of its spread."""
    rng = np.random.default_rng(n + m)

    def far(one, two):
        pair = sketch(one), sketch(two)
        return compare_in_bins(*pair).beyond > 0.2 or compare_functions(*pair).beyond > 0.15

    draw = rng.gamma
    assert sum(far(draw(4, 20, n), draw(4, 20, m)) for _ in range(300)) == 0
    assert sum(far(draw(4, 20, n), draw(4, 20, m) + 32) for _ in range(20)) >= 18
