"""Residual units, squeeze and excitation, the inception module: by hand and against plain NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.models.layers.inception import Inception
from glasshouse.models.layers.pixels import standardize_rgb, to_grey
from glasshouse.models.layers.residual import ResidualUnit
from glasshouse.models.layers.squeeze_excite import SqueezeExcite
from glasshouse.models.layers.units import conv_unit


def model_of(unit: Any, shape: tuple[int, ...]) -> Any:
    import keras

    keras.utils.set_random_seed(2)
    inputs = keras.Input(shape)
    return keras.Model(inputs, unit(inputs, name="unit"))


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("unit", "maps", "size", "shortcut"),
    [
        (ResidualUnit(8), 8, 6, False),
        (ResidualUnit(8, 2), 8, 3, True),  # the size changes
        (ResidualUnit(4), 4, 6, True),  # the width changes
        (ResidualUnit(2, bottleneck=True), 8, 6, False),
        (ResidualUnit(2, 2, bottleneck=True), 8, 3, True),
        (ResidualUnit(4, bottleneck=True, groups=4, inner=8), 16, 6, True),
        (ResidualUnit(8, excite=SqueezeExcite(4)), 8, 6, False),
    ],
)
def test_a_unit_projects_its_shortcut_only_where_it_must(
    unit: ResidualUnit, maps: int, size: int, shortcut: bool, tmp_path: Path
) -> None:
    import keras

    model = model_of(unit, (6, 6, 8))
    assert model.output_shape == (None, size, size, maps)
    assert any(layer.name == "unit_shortcut_conv" for layer in model.layers) is shortcut
    model.save(tmp_path / "unit.keras")
    x = draw(2, 6, 6, 8)
    twin = keras.models.load_model(tmp_path / "unit.keras")
    assert np.array_equal(np.asarray(twin(x)), np.asarray(model(x)))


def test_a_unit_whose_convolutions_are_silent_passes_its_input_on() -> None:
    model = model_of(ResidualUnit(8), (6, 6, 8))
    for layer in model.layers:
        if layer.name == "unit_b_conv":
            layer.kernel.assign(np.zeros(layer.kernel.shape))
    x = draw(2, 6, 6, 8)
    assert np.asarray(model(x)) == pytest.approx(np.maximum(x, 0))


def test_groups_are_parallel_stacks() -> None:
    """Figure 3 of ResNeXt: (c) one grouped convolution equals (a) a narrow path for every group, summed."""
    import keras

    groups, width, filters = 4, 2, 4
    unit = ResidualUnit(filters, bottleneck=True, groups=groups, inner=groups * width)
    model = model_of(unit, (6, 6, 16))
    rng = np.random.default_rng(3)
    model.set_weights(
        [
            rng.uniform(0.2, 1, w.shape) * rng.choice([-1, 1], w.shape)
            if "kernel" in w.path
            else rng.uniform(0.5, 1, w.shape)
            for w in model.weights
        ]
    )
    x = draw(2, 6, 6, 16)

    def norm(name: str, part: slice, y: Any) -> np.ndarray:
        gamma, beta, mean, variance = (w[part] for w in model.get_layer(f"{name}_bn").get_weights())
        return (np.asarray(y) - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    total = np.zeros((2, 6, 6, 16), np.float32)
    kernels = {name: model.get_layer(f"unit_{name}_conv").get_weights()[0] for name in "abc"}
    for group in range(groups):
        part = slice(group * width, (group + 1) * width)
        y = keras.ops.conv(x, kernels["a"][..., part], padding="same")
        y = np.maximum(norm("unit_a", part, y), 0)
        y = keras.ops.conv(y.astype(np.float32), kernels["b"][..., part], padding="same")
        y = np.maximum(norm("unit_b", part, y), 0)
        total += np.asarray(keras.ops.conv(y.astype(np.float32), kernels["c"][:, :, part], padding="same"))
    expected = np.maximum(x + norm("unit_c", slice(None), total), 0)
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-3, atol=1e-3)


def test_squeeze_and_excitation_by_hand() -> None:
    model = model_of(SqueezeExcite(2), (3, 5, 4))
    x = draw(2, 3, 5, 4)
    rng = np.random.default_rng(4)
    first, bias1, second, bias2 = (rng.normal(0, 1, w.shape).astype(np.float32) for w in model.weights)
    model.set_weights([first, bias1, second, bias2])
    squeezed = x.mean(axis=(1, 2))  # (B, C)
    gates = 1 / (1 + np.exp(-(np.maximum(squeezed @ first + bias1, 0) @ second + bias2)))
    np.testing.assert_allclose(np.asarray(model(x)), x * gates[:, None, None], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="unit: 4 maps cannot be squeezed by 16"):
        model_of(SqueezeExcite(16), (3, 5, 4))


def test_an_inception_module_lays_its_branches_side_by_side() -> None:
    """Silence all but one branch: its maps alone are not zero, at the place that the table's order says."""
    module = Inception(2, (3, 4), (2, 3), 5)
    places = {"1x1": slice(0, 2), "3x3": slice(2, 6), "5x5": slice(6, 9), "pool_proj": slice(9, 14)}
    model = model_of(module, (6, 6, 8))
    assert model.output_shape == (None, 6, 6, 14)
    x, weights = np.abs(draw(1, 6, 6, 8)), [np.abs(weight) for weight in model.get_weights()]
    for branch, place in places.items():
        model.set_weights(weights)
        for other in places.keys() - {branch}:
            kernel = model.get_layer(f"unit_{other}_conv").kernel
            kernel.assign(np.zeros(kernel.shape))
        found = np.array(model(x))
        assert found[..., place].any()
        found[..., place] = 0
        assert not found.any()


def test_an_inception_module_takes_excitation_and_another_unit() -> None:
    model = model_of(Inception(4, (2, 4), (2, 4), 4, unit=conv_unit, excite=SqueezeExcite(4)), (6, 6, 8))
    names = [layer.name for layer in model.layers]
    assert names[-1] == "unit_se_rescale" and "unit_3x3_bn" in names
    assert model.output_shape == (None, 6, 6, 16)


def test_pixels_are_standardized_and_turned_grey() -> None:
    import keras

    x = np.array([[[[123.68, 116.78, 103.94], [123.68 + 58.40, 116.78, 103.94 - 57.38]]]], np.float32)
    inputs = keras.Input((1, 2, 3))
    model = keras.Model(inputs, [standardize_rgb(inputs), to_grey(inputs)])
    standard, grey = (np.asarray(found) for found in model(x))
    assert standard[0, 0] == pytest.approx(np.array([[0, 0, 0], [1, 0, -1]]), abs=1e-5)
    # 0.299 * 123.68 + 0.587 * 116.78 + 0.114 * 103.94 = 36.98 + 68.55 + 11.85
    assert grey[0, 0, 0] == pytest.approx([117.38], abs=0.05)
    assert to_grey(grey[..., :1]).shape == (1, 1, 2, 1)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_pictures_without_three_channels_are_refused(channels: int) -> None:
    """A grey picture would be stretched to three channels by their three means, unseen."""
    import keras

    pixels = keras.Input((8, 8, channels))
    with pytest.raises(ValueError, match=rf"must have 3 channels.*Got {channels} instead"):
        standardize_rgb(pixels)
    if channels > 1:
        with pytest.raises(ValueError, match=rf"1 or 3 channels. Got {channels}"):
            to_grey(pixels)
