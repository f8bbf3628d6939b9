"""Convolutions of one pixel as products of matrices: Keras's own results, gradients and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from glasshouse.training.kernels.pointwise import multiply_pointwise

keras = pytest.importorskip("keras")
needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="other backends keep their convolutions"
)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"use_bias": False},
    {"activation": "relu"},
    {"padding": "same"},
    {"filters": 1},
    {"dtype": "mixed_float16"},
]


def build(options: dict[str, Any], size: tuple[int | None, int | None] = (5, 7)) -> Any:
    """A model of one convolution of 6 channels, 1 x 1 unless told otherwise, with weights of its own."""
    layer = keras.layers.Conv2D(**{"filters": 4, "kernel_size": 1, "name": "point", **options})
    pixels = keras.Input((*size, 6))
    model = keras.Model(pixels, layer(pixels))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


def draw(height: int = 5, width: int = 7) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(3, height, width, 6)).astype(np.float32)


def learn(model: Any, x: np.ndarray) -> list[np.ndarray]:
    """Output and gradients, by input and weights, in a traced step."""
    import tensorflow as tf

    @tf.function
    def step(pixels: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            out = tf.cast(model(pixels, training=True), "float32")
            loss = tf.reduce_sum(tf.reshape(out, [-1]) * tf.cos(tf.range(tf.cast(tf.size(out), "float32"))))
        return out, *tape.gradient(loss, [pixels, *(each.value for each in model.trainable_variables)])

    return [np.asarray(each) for each in step(tf.constant(x))]


def kinds_of(model: Any, shape: tuple[int, ...]) -> list[str]:
    """Kinds of the operations of a training step's forward half."""
    import tensorflow as tf

    traced = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.zeros(shape))
    return [operation.type for operation in traced.graph.get_operations()]


@needs_tensorflow
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_step_is_kerass_own_but_for_rounding(options: dict[str, Any]) -> None:
    own, multiplied = build(options), build(options)
    assert multiply_pointwise(multiplied) == 1
    half = options.get("dtype") == "mixed_float16"
    for mine, theirs in zip(learn(multiplied, draw()), learn(own, draw()), strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
        scale = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=(4e-3 if half else 2e-6) * scale)


@needs_tensorflow
def test_it_is_the_product_of_each_pixel_with_the_weights() -> None:
    model = build({})
    multiply_pointwise(model)
    kernel, bias = (np.asarray(weight) for weight in model.weights)
    expected = np.einsum("bhwc,cf->bhwf", draw(), kernel[0, 0]) + bias
    np.testing.assert_allclose(np.asarray(model(draw())), expected, atol=1e-5)


@needs_tensorflow
def test_pictures_of_several_sizes_go_through_one_trace() -> None:
    model, own = build({}, (None, None)), build({}, (None, None))
    multiply_pointwise(model)
    import tensorflow as tf

    traced = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 6))])
    for size in ((5, 7), (2, 3)):
        out = np.asarray(traced(tf.constant(draw(*size))))
        np.testing.assert_allclose(out, np.asarray(own(draw(*size))), atol=1e-5)


@needs_tensorflow
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": (1, 3)},
        {"strides": 2},
        {"groups": 2},
        {"data_format": "channels_first"},
    ],
    ids=str,
)
def test_what_is_no_plain_product_stays_a_convolution(options: dict[str, Any]) -> None:
    assert multiply_pointwise(build(options)) == 0


@needs_tensorflow
def test_a_class_of_its_own_stays_as_it_is() -> None:
    class Normed(keras.layers.Conv2D):
        """A convolution that does something else with its weights."""

    pixels = keras.Input((5, 7, 6))
    assert multiply_pointwise(keras.Model(pixels, Normed(4, 1)(pixels))) == 0


@needs_tensorflow
def test_a_network_in_training_has_no_convolution_of_one_pixel_left(model_params: Any) -> None:
    from glasshouse.models.network import build_network
    from glasshouse.training.learner import Learner

    network = build_network(model_params, height_px=32, width_px=32, classes=2)
    kernels = [each.shape for each in network.full.weights if each.path.endswith("/kernel")]
    pointwise = [shape for shape in kernels if tuple(shape[:2]) == (1, 1)]
    found = kinds_of(Learner(network.full, network), (2, 32, 32, 3))
    assert found.count("MatMul") == len(pointwise) > 20
    assert found.count("Conv2D") == len(kernels) - len(pointwise) > 10


@needs_tensorflow
def test_the_file_is_kerass_own(tmp_path: Path) -> None:
    model = build({"activation": "relu"})
    before, answer = model.to_json(), model(draw()).numpy()
    multiply_pointwise(model)
    assert model.to_json() == before
    model.save(tmp_path / "multiplied.keras")
    again = keras.models.load_model(tmp_path / "multiplied.keras")
    np.testing.assert_array_equal(again(draw()).numpy(), answer)
    assert "Conv2D" in kinds_of(again, (3, 5, 7, 6))


@needs_tensorflow
def test_a_gpu_keeps_its_own_kernels() -> None:
    with patch("tensorflow.config.list_physical_devices", return_value=["GPU:0"]):
        assert multiply_pointwise(build({})) == 0


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow has them multiplied")
def test_other_backends_stay_as_they_are() -> None:
    assert multiply_pointwise(build({})) == 0
