"""The networks with their own tops: the tops' options, and that backbone and classifier are one network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glasshouse.models.catalog import find_part


def parts_of(name: str, **options: Any) -> tuple[Any, Any]:
    part = find_part("backbones", name)
    return part, part.Params(name=name, weights="none", **options)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


@pytest.mark.parametrize("name", ["lenet5", "fashion_cnn"])
def test_small_networks_are_the_dense_ones_at_their_own_size(name: str) -> None:
    """Hidden layers are convolutions; at the paper's size they are dense layers with the same weights."""
    import keras

    part, params = parts_of(name)
    side = part.INPUT_SIZE_PX[0]
    pixels = keras.Input((side, side, 3))
    backbone = keras.Model(pixels, part.build(pixels, params))
    coarsest = max(backbone.output)
    assert backbone.output[coarsest].shape[1:3] == (1, 1)
    classifier = part.build_classifier(params, 5)
    *hidden, kernel, bias = classifier.get_weights()
    backbone.set_weights(hidden)
    grey = draw(2, side, side, 1)
    vector = np.asarray(backbone(grey.repeat(3, axis=-1))[coarsest])[:, 0, 0]
    logits = vector @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.asarray(classifier(grey)), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "inception_v4"])
def test_backbone_and_classifier_have_the_same_kernels(name: str) -> None:
    """Where they pad differently, weights of the one still fit the other."""
    import keras

    part, params = parts_of(name)
    pixels = keras.Input((64, 64, 3))
    network = keras.Model(pixels, part.build(pixels, params))
    whole = {weight.path: weight.shape for weight in part.build_classifier(params, 2).weights}
    body = {weight.path: weight.shape for weight in network.weights if "block5_pool" not in weight.path}
    assert body.items() <= whole.items()
    top = {path.partition("/")[0] for path in whole.keys() - body.keys()}
    assert top <= {"top_dense1", "top_dense2", "predictions"}


def test_auxiliary_losses_reach_the_training() -> None:
    """Compiled as its docstring says, the loss is that of the output and 0.3 of each auxiliary's."""
    import keras

    part, params = parts_of("googlenet")
    model = part.build_classifier(params, 4, auxiliary=True)
    assert part.LOSS_WEIGHTS == {"predictions": 1.0, "auxiliary_4a": 0.3, "auxiliary_4d": 0.3}
    model.compile(
        loss=dict.fromkeys(model.output, "sparse_categorical_crossentropy"),
        loss_weights=part.LOSS_WEIGHTS,
        run_eagerly=True,
    )
    x, y = draw(2, 224, 224, 3), np.array([1, 3])
    found = model.evaluate(x, dict.fromkeys(model.output, y), verbose=0, return_dict=True)
    each = {
        name: float(-np.log(np.asarray(value)[np.arange(2), y]).mean()) for name, value in model(x).items()
    }
    expected = each["predictions"] + 0.3 * (each["auxiliary_4a"] + each["auxiliary_4d"])
    assert found["loss"] == pytest.approx(expected, rel=1e-4)
    plain = part.build_classifier(params, 4)
    assert not [layer.name for layer in plain.layers if "auxiliary" in layer.name]
    assert isinstance(plain.output, keras.KerasTensor)


def test_radial_output_says_the_nearest_code() -> None:
    part, params = parts_of("lenet5")
    model = part.build_classifier(params, rbf=True)
    found = np.asarray(model(draw(3, 32, 32, 1)))
    assert found.sum(axis=-1) == pytest.approx([1, 1, 1], rel=1e-5)
    layers = {layer.name: layer for layer in model.layers}
    # Without kernels every picture gives F6's bias, squashed by 1.7159 tanh(2/3 a): a = 3/2 atanh(c / 1.7159)
    # makes that the code of class 7.
    codes = np.asarray(layers["distances"].codes)
    layers["block4_conv"].kernel.assign(np.zeros(layers["block4_conv"].kernel.shape))
    layers["block4_conv"].bias.assign(np.arctanh(codes[7] / 1.7159) * 1.5)
    found = np.asarray(model(draw(1, 32, 32, 1)))
    assert found.argmax() == 7 and found.max() > 0.999


def test_trainable_pooling_begins_as_the_average_and_a_squashing() -> None:
    import keras

    part, params = parts_of("lenet5", pooling="trainable")
    pixels = keras.Input((32, 32, 3))
    model = keras.Model(pixels, part.build(pixels, params))
    pool, after = (model.get_layer(name) for name in ("block1_pool", "block1_pool_coefficient"))
    probe = keras.Model(pixels, [pool.output, after.output])
    average, squashed = (np.asarray(value) for value in probe(draw(1, 32, 32, 3)))
    assert squashed == pytest.approx(np.tanh(average), rel=1e-4, abs=1e-6)
