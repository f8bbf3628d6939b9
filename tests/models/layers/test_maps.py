"""Layers that look at neighbouring maps, depth-wise pooling and response normalization; and radial codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest


def save_and_load(layer: Any, x: np.ndarray, path: Path) -> Any:
    import keras

    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.save(path)
    twin = keras.models.load_model(path)
    assert np.array_equal(np.asarray(twin(x)), np.asarray(model(x)))
    return twin


def test_depth_pool_by_hand(tmp_path: Path) -> None:
    from glasshouse.models.layers.maps import DepthPool

    x = np.array([[[[1, 5, -2, -7, 0, 3]]]], np.float32)
    assert np.asarray(DepthPool(3)(x)).tolist() == [[[[5, 3]]]]
    assert np.asarray(DepthPool(2)(x)).tolist() == [[[[5, -2, 3]]]]
    assert np.asarray(DepthPool(1)(x)).tolist() == x.tolist()
    assert np.asarray(DepthPool(6)(x)).tolist() == [[[[5]]]]
    assert save_and_load(DepthPool(3), x, tmp_path / "pool.keras").output_shape == (None, 1, 6 // 6, 2)


def test_depth_pool_is_tensorflows_on_a_cpu() -> None:
    import tensorflow as tf

    from glasshouse.models.layers.maps import DepthPool

    x = np.random.default_rng(0).normal(0, 1, (2, 4, 5, 12)).astype(np.float32)
    theirs = tf.nn.max_pool(x, ksize=(1, 1, 1, 4), strides=(1, 1, 1, 4), padding="VALID")
    assert np.array_equal(np.asarray(DepthPool(4)(x)), np.asarray(theirs))


def test_depth_pool_of_any_size_learns() -> None:
    import keras
    import tensorflow as tf

    from glasshouse.models.layers.maps import DepthPool

    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, DepthPool(2)(inputs))
    assert model.output_shape == (None, None, None, 2)
    x = tf.constant([[[[1.0, 2.0, 4.0, 3.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model(x) * [[[[1.0, 10.0]]]])
    assert np.asarray(tape.gradient(total, x)).tolist() == [[[[0, 1, 10, 0]]]]


@pytest.mark.parametrize(("size", "words"), [(0, "at least 1. Got 0"), (4, "multiple of pool_size 4. Got 6")])
def test_depth_pool_refuses(size: int, words: str) -> None:
    from glasshouse.models.layers.maps import DepthPool

    with pytest.raises(ValueError, match=words):
        DepthPool(size)(np.zeros((1, 2, 2, 6), np.float32))


def test_response_by_hand(tmp_path: Path) -> None:
    from glasshouse.models.layers.maps import LocalResponseNormalization

    layer = LocalResponseNormalization(1, bias=1.0, alpha=0.5, beta=1.0)
    x = np.array([[[[1, 2, 4]]]], np.float32)
    # Windows of maps: (1, 2), (1, 2, 4), (2, 4): 1 + 0.5 * 5, 1 + 0.5 * 21, 1 + 0.5 * 20
    expected = [1 / 3.5, 2 / 11.5, 4 / 11]
    assert np.asarray(layer(x))[0, 0, 0] == pytest.approx(expected, rel=1e-6)
    save_and_load(layer, x, tmp_path / "lrn.keras")


@pytest.mark.parametrize("radius", [0, 2, 5, 40])
def test_response_is_tensorflows(radius: int) -> None:
    import tensorflow as tf

    from glasshouse.models.layers.maps import LocalResponseNormalization

    x = np.random.default_rng(0).normal(0, 30, (2, 3, 4, 16)).astype(np.float32)
    ours = LocalResponseNormalization(radius, bias=2.0, alpha=1e-4, beta=0.75)(x)
    theirs = tf.nn.local_response_normalization(x, depth_radius=radius, bias=2.0, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5)


def test_response_in_half_precision_does_not_overflow() -> None:
    """300 squared is beyond float16's 65,504."""
    from glasshouse.models.layers.maps import LocalResponseNormalization

    layer = LocalResponseNormalization(2, dtype="mixed_float16")
    found = np.asarray(layer(np.full((1, 1, 1, 8), 300.0, np.float16)))
    assert found.dtype == np.float16
    # The middle maps see 5: 300 / (2 + 1e-4 * 5 * 90,000)^0.75 = 300 / 47^0.75 = 16.71
    assert found[0, 0, 0, 4] == pytest.approx(16.71, rel=1e-3)


@pytest.mark.parametrize(
    ("more", "words"), [({"depth_radius": -1}, "at least 0"), ({"bias": 0.0}, "positive")]
)
def test_response_refuses(more: dict[str, Any], words: str) -> None:
    from glasshouse.models.layers.maps import LocalResponseNormalization

    with pytest.raises(ValueError, match=words):
        LocalResponseNormalization(**more)


def test_radial_codes(tmp_path: Path) -> None:
    from glasshouse.models.layers.radial import RadialBasis, draw_codes

    codes = draw_codes(10, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    assert len(np.unique(codes, axis=0)) == 10
    layer = RadialBasis(10)
    found = np.asarray(layer(codes))
    # A code is at distance 0 of itself, and of another at 4 for every place where they differ.
    assert found == pytest.approx(-4.0 * (codes[:, None] != codes[None]).sum(axis=-1))
    save_and_load(RadialBasis(10), codes, tmp_path / "radial.keras")
