from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIDE_PX = 64
CLASSES = 3


def conv_unit(x: Any, filters: int, stride: int) -> Any:
    import keras

    x = keras.layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.layers.Activation("silu")(x)


def build_detector() -> Any:
    """Plain convolutions, strides 8, 16 and 32, side distances and class logits in every cell."""
    import keras
    from keras import ops

    from glasshouse.models.layers.nms import NonMaxSuppression

    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIDE_PX, SIDE_PX, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
    x = conv_unit(conv_unit(x, 8, 2), 8, 2)
    features = []
    for filters in (16, 24, 32):
        x = conv_unit(x, filters, 2)
        x = keras.layers.Add()([x, conv_unit(x, filters, 1)])
        features.append(x)
    raised = keras.layers.UpSampling2D(2)(keras.layers.Conv2D(24, 1)(features[2]))
    features[1] = conv_unit(keras.layers.Concatenate()([raised, features[1]]), 24, 1)
    boxes, scores = [], []
    for stride, feature in zip((8, 16, 32), features, strict=True):
        cells = SIDE_PX // stride
        steps = (np.arange(cells, dtype=np.float32) + 0.5) * stride
        centres = np.stack(np.meshgrid(steps, steps), -1).reshape(1, -1, 2)
        spread = keras.initializers.RandomNormal(0.0, 0.05)
        sides = keras.layers.Conv2D(4, 1, kernel_initializer=spread)(feature)
        sides = ops.exp(ops.reshape(sides, (-1, cells * cells, 4))) * (2.0 * stride)
        boxes.append(
            ops.concatenate(
                [ops.subtract(centres, sides[..., :2]), ops.add(centres, sides[..., 2:])], axis=-1
            )
        )
        spread = keras.initializers.RandomNormal(0.0, 0.2)
        logits = keras.layers.Conv2D(CLASSES, 1, kernel_initializer=spread)(feature)
        scores.append(ops.sigmoid(ops.reshape(logits, (-1, cells * cells, CLASSES)) - 1.0))
    clipped = ops.clip(ops.concatenate(boxes, axis=1), 0.0, float(SIDE_PX))
    found = NonMaxSuppression(name="suppress")(clipped, ops.concatenate(scores, axis=1))
    return stir_statistics(keras.Model(pixels, found, name="detector"))


def build_classifier() -> Any:
    import keras

    keras.utils.set_random_seed(2)
    pixels = keras.Input((32, 32, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
    x = conv_unit(conv_unit(x, 8, 2), 16, 2)
    x = keras.layers.GlobalAveragePooling2D()(x)
    probabilities = keras.layers.Dense(CLASSES, activation="softmax")(x)
    return stir_statistics(keras.Model(pixels, {"probabilities": probabilities}, name="classifier"))


def build_grouped() -> Any:
    """Convolutions in groups, one of them dilated, and exact GELU, as ResNeXt and ConvNeXt have them."""
    import keras

    keras.utils.set_random_seed(4)
    pixels = keras.Input((32, 32, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 32.0, offset=-4.0)(pixels)  # wide: both tails of GELU are met
    x = conv_unit(x, 8, 2)
    x = keras.layers.Conv2D(16, 3, 2, padding="same", groups=4)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("gelu")(x)
    x = keras.layers.Conv2D(12, 3, padding="same", groups=2, dilation_rate=2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    spread = keras.initializers.RandomNormal(0.0, 3.0)
    probabilities = keras.layers.Dense(CLASSES, kernel_initializer=spread, activation="softmax")(x)
    return stir_statistics(keras.Model(pixels, {"probabilities": probabilities}, name="grouped"))


def stir_statistics(model: Any) -> Any:
    """Moving statistics other than 0 and 1, so that batch norm in the wrong mode shows."""
    import keras

    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, shift, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    rng.uniform(0.8, 1.4, scale.shape),
                    rng.normal(0, 0.2, shift.shape),
                    rng.normal(0, 0.2, mean.shape),
                    rng.uniform(0.3, 1.5, variance.shape),
                ]
            )
    return model


@pytest.fixture(scope="session")
def make_pictures() -> Callable[[int, int], Any]:
    def make(count: int, side_px: int = SIDE_PX) -> Any:
        """Smooth coloured noise, 0..255."""
        rng = np.random.default_rng(7)
        coarse = rng.uniform(0, 255, (count, side_px // 8, side_px // 8, 3))
        return coarse.repeat(8, axis=1).repeat(8, axis=2).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def detector() -> Any:
    return build_detector()


@pytest.fixture(scope="session")
def classifier() -> Any:
    return build_classifier()


@pytest.fixture(scope="session")
def grouped() -> Any:
    return build_grouped()


@pytest.fixture(scope="session")
def reference(detector: Any, make_pictures: Any) -> Any:
    """What Keras predicts for six pictures."""
    from glasshouse.export.signature import predict_with

    return predict_with(detector)(make_pictures(6))


@pytest.fixture(scope="session")
def exported(detector: Any, make_pictures: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from glasshouse.export.formats import LOADERS, write_formats

    folder = tmp_path_factory.mktemp("exports")
    return write_formats(detector, LOADERS, folder, ["a", "b", "c"], make_pictures(24))


@pytest.fixture(scope="session")
def loaded(exported: dict[str, Path]) -> Any:
    from glasshouse.export.formats import load_formats

    return load_formats(exported)
