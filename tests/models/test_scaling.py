"""Compound scaling by the paper's rule, against the EfficientNets of keras.applications."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.models.costs import count_unbuilt
from glasshouse.models.scaling import (
    ALPHA,
    BETA,
    FAMILY,
    GAMMA,
    Scaled,
    multiply_work,
    round_filters,
    round_repeats,
    round_resolution,
    scale,
)

ONE = Scaled(1.0, 1.0, 224.0)
# EfficientNet-B0, the paper's table 1: repeats and output maps of the stages 2 to 8.
REPEATS, MAPS, STEM, LAST = (1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320), 32, 1280


def test_the_papers_rates_double_the_work() -> None:
    """1.2 * 1.1^2 * 1.15^2 = 1.2 * 1.21 * 1.3225 = 1.92027."""
    assert pytest.approx(1.92027) == ALPHA * BETA**2 * GAMMA**2
    assert multiply_work(1) == pytest.approx(1.92027)
    assert multiply_work(0) == 1.0
    assert scale(0, ONE) == ONE
    assert scale(1, Scaled(18, 64, 224)) == Scaled(18 * 1.2, 64 * 1.1, 224 * 1.15)


@given(st.floats(-3, 8), st.floats(-3, 8))
def test_scaling_twice_is_scaling_by_the_sum(one: float, other: float) -> None:
    twice, once = scale(other, scale(one, ONE)), scale(one + other, ONE)
    for name in ("depth", "width", "resolution_px"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name))
    assert multiply_work(one) * multiply_work(other) == pytest.approx(multiply_work(one + other))


def test_the_rule_gives_the_family_up_to_b3() -> None:
    for member in FAMILY[:4]:
        rule, known = scale(member.phi, ONE), member.published
        assert (round(rule.depth, 1), round(rule.width, 1)) == (known.depth, known.width)
        assert round(rule.resolution_px / 20) * 20 == known.resolution_px or member.name == "B0"


def test_from_b4_on_the_family_is_larger_than_the_rule() -> None:
    for member in FAMILY[4:]:
        rule, known = scale(member.phi, ONE), member.published
        assert known.depth > round(rule.depth, 1)
        assert known.width > round(rule.width, 1)
        assert known.resolution_px > rule.resolution_px + 20


@pytest.mark.parametrize("member", FAMILY, ids=lambda member: member.name)
def test_rounding_gives_the_filters_and_repeats_of_keras(member: object) -> None:
    """Every block's last convolution in the built networks, and their own picture size."""
    import keras

    published = member.published  # type: ignore[attr-defined]
    found: dict[str, list[int]] = {}
    sizes = []

    def build() -> object:
        network = getattr(keras.applications, f"EfficientNet{member.name}")(weights=None)  # type: ignore[attr-defined]
        sizes.append(network.input_shape[1])
        for layer in network.layers:
            if match := re.fullmatch(r"block(\d).*_project_conv|(stem|top)_conv", layer.name):
                found.setdefault(match[1] or match[2], []).append(layer.filters)
        return network

    count_unbuilt(build)  # type: ignore[arg-type]
    assert sizes == [published.resolution_px]
    assert found["stem"] == [round_filters(STEM * published.width)]
    assert found["top"] == [round_filters(LAST * published.width)]
    for stage, (repeats, maps) in enumerate(zip(REPEATS, MAPS, strict=True), start=1):
        wanted = [round_filters(maps * published.width)] * round_repeats(repeats * published.depth)
        assert found[str(stage)] == wanted


@given(st.floats(0.1, 5000), st.sampled_from([4, 8, 16]))
def test_filters_are_never_rounded_down_by_more_than_a_tenth(filters: float, divisor: int) -> None:
    rounded = round_filters(filters, divisor)
    assert rounded % divisor == 0
    assert rounded >= max(0.9 * filters, divisor)
    assert rounded <= max(filters + divisor, divisor)


def test_rounding_by_hand() -> None:
    """32 * 1.1 = 35.2 -> 32 (90.9 %); 10 would go to 8, 80 %, so 16; 12 is nearer to 16 (ties go up)."""
    assert [round_filters(n) for n in (35.2, 10, 12, 1, 9, 8)] == [32, 16, 16, 8, 16, 8]
    assert [round_repeats(n) for n in (1.0, 1.1, 3.6)] == [1, 2, 4]
    assert [round_resolution(px) for px in (340.7, 224, 10)] == [352, 224, 32]


@pytest.mark.parametrize(
    ("phi", "base", "rates", "named"),
    [
        (float("nan"), ONE, {}, "phi"),
        (1, Scaled(0, 1, 224), {}, "depth"),
        (1, Scaled(1, -1, 224), {}, "width"),
        (1, ONE, {"gamma": 0.0}, "gamma"),
        (1, ONE, {"alpha": float("inf")}, "alpha"),
    ],
)
def test_what_cannot_be_scaled_is_named(
    phi: float, base: Scaled, rates: dict[str, float], named: str
) -> None:
    with pytest.raises(ValueError, match=f"{named} must be a finite number"):
        scale(phi, base, **rates)


@pytest.mark.parametrize("phi", [1e9, 3880.0])  # 1.2^3880 = 1.6e307, times 100 layers no float any more
def test_a_network_beyond_all_numbers_is_refused(phi: float) -> None:
    with pytest.raises(ValueError, match=f"phi must keep the network's size.*Got {phi}"):
        scale(phi, Scaled(100.0, 1.0, 224.0))
