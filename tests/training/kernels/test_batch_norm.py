"""Batch normalization in training by one kernel: Keras's own results, gradients, statistics and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.training.kernels.batch_norm import fuse_batch_norms

keras = pytest.importorskip("keras")
needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has the kernel"
)
SHAPES = [(8, 5, 7, 3), (2, 1, 1, 4), (1, 1, 1, 4), (3, 16, 16, 1)]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"momentum": 0.9, "epsilon": 1e-5},
    {"scale": False},
    {"center": False},
    {"scale": False, "center": False},
    {"dtype": "mixed_float16"},
]


def build(shape: tuple[int, ...], options: dict[str, Any]) -> Any:
    """A model of one normalization with scales, shifts and statistics of its own."""
    layer = keras.layers.BatchNormalization(name="norm", **options)
    pixels = keras.Input(shape[1:])
    model = keras.Model(pixels, layer(pixels))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.5, 2.0, weight.shape))
    return model


def draw(shape: tuple[int, ...]) -> np.ndarray:
    """Maps whose channels differ in mean and spread."""
    channels = np.arange(1, shape[-1] + 1)
    return (np.random.default_rng(2).normal(size=shape) * channels + 3 * channels).astype(np.float32)


def learn(model: Any, x: np.ndarray) -> list[np.ndarray]:
    """Output and gradients of one training step, and the weights after it."""
    import tensorflow as tf

    pixels = tf.constant(x)
    pull = tf.constant(np.random.default_rng(3).normal(size=x.shape).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        out = model(pixels, training=True)
        loss = tf.reduce_sum(tf.cast(out, "float32") * pull)
    slopes = tape.gradient(loss, [pixels, *(each.value for each in model.trainable_variables)])
    return [np.asarray(each) for each in (out, *slopes, *model.weights)]


@needs_tensorflow
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_step_is_kerass_own_but_for_rounding(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    own, fused = build(shape, options), build(shape, options)
    assert fuse_batch_norms(fused) == 1
    half = options.get("dtype") == "mixed_float16"
    for mine, theirs in zip(learn(fused, draw(shape)), learn(own, draw(shape)), strict=True):
        assert mine.dtype == theirs.dtype
        scale = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=(2e-3 if half else 2e-5) * scale)


@needs_tensorflow
@pytest.mark.parametrize("trainable", [True, False])
def test_stored_statistics_are_used_as_before(trainable: bool) -> None:
    own, fused = build(SHAPES[0], {}), build(SHAPES[0], {})
    fuse_batch_norms(fused)
    own.trainable = fused.trainable = trainable
    training = not trainable  # a frozen layer in training, a free one in inference
    mine, theirs = (np.asarray(model(draw(SHAPES[0]), training=training)) for model in (fused, own))
    np.testing.assert_array_equal(mine, theirs)
    for after, before in zip(fused.weights, own.weights, strict=True):
        np.testing.assert_array_equal(after, before)


@needs_tensorflow
def test_what_learns_runs_through_one_kernel_in_nested_models_too() -> None:
    import tensorflow as tf

    inner = build((1, 4, 4, 3), {})
    pixels = keras.Input((4, 4, 3))
    model = keras.Model(pixels, keras.layers.BatchNormalization()(inner(pixels)))
    assert fuse_batch_norms(model) == 2
    traced = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.zeros((2, 4, 4, 3)))
    kinds = [operation.type for operation in traced.graph.get_operations()]
    assert kinds.count("FusedBatchNormV3") == 2
    assert "SquaredDifference" not in kinds


@needs_tensorflow
def test_a_network_in_training_has_no_composed_one_left(model_params: Any) -> None:
    import tensorflow as tf

    from glasshouse.models.network import build_network
    from glasshouse.training.learner import Learner

    network = build_network(model_params, height_px=32, width_px=32, classes=2)
    learner = Learner(network.full, network)
    pixels = tf.zeros((2, 32, 32, 3))
    traced = tf.function(lambda x: learner(x, training=True)).get_concrete_function(pixels)
    kinds = [operation.type for operation in traced.graph.get_operations()]
    norms = [weight for weight in network.full.weights if weight.path.endswith("/moving_mean")]
    assert kinds.count("FusedBatchNormV3") == len(norms) > 20
    assert "SquaredDifference" not in kinds


@needs_tensorflow
def test_what_the_kernel_cannot_do_stays_kerass() -> None:
    vectors, renorm = build((8, 6), {}), build((4, 4, 4, 3), {"renorm": True})
    first = keras.Sequential([keras.Input((3, 4, 4)), keras.layers.BatchNormalization(axis=1)])
    assert [fuse_batch_norms(model) for model in (vectors, renorm, first)] == [0, 0, 0]


@needs_tensorflow
def test_the_file_is_kerass_own(tmp_path: Path) -> None:
    model = build(SHAPES[0], {})
    before, answer = model.to_json(), model(draw(SHAPES[0])).numpy()
    fuse_batch_norms(model)
    assert model.to_json() == before
    model.save(tmp_path / "fused.keras")
    again = keras.models.load_model(tmp_path / "fused.keras")
    np.testing.assert_array_equal(again(draw(SHAPES[0])).numpy(), answer)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow has the kernel")
def test_other_backends_stay_as_they_are() -> None:
    assert fuse_batch_norms(build(SHAPES[0], {})) == 0
