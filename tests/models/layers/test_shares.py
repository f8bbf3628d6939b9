"""Shares of the classes: Keras's softmax, and one class without its warning."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from glasshouse.models.catalog import find_part
from glasshouse.models.layers.shares import class_shares
from glasshouse.params import part_names

PRIORS: dict[str, Any] = {"yolo_v3": {"anchors": [[8, 8], [20, 20], [40, 40]]}}
LOGITS = np.random.default_rng(0).normal(0, 30, (4, 7, 5)).astype(np.float32)


def test_several_classes_are_keras_s_softmax_to_the_byte() -> None:
    import keras

    wanted = np.asarray(keras.ops.softmax(LOGITS, axis=-1))
    assert np.asarray(class_shares(LOGITS)).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("logit", [0.0, -87.3, 1e30, -3.4e38])
def test_one_class_is_certain(logit: float) -> None:
    assert np.asarray(class_shares(np.full((2, 3, 1), logit, np.float32))).tolist() == [[[1.0]] * 3] * 2


def test_the_batch_may_be_of_any_size() -> None:
    import keras

    x = keras.Input((3, 1))
    model = keras.Model(x, class_shares(x))
    assert model.output_shape == (None, 3, 1)
    assert model.predict(np.zeros((5, 3, 1)), verbose=0).tolist() == [[[1.0]] * 3] * 5


@pytest.mark.parametrize("name", part_names("head"))
def test_a_head_of_one_class_is_built_trained_and_used_in_silence(name: str) -> None:
    import keras

    from glasshouse.models.layers.decode import Decode

    part = find_part("heads", name)
    params = part.Params(name=name, **PRIORS.get(name, {}))
    head = part.Head(params, classes=1, height_px=64, width_px=64)
    features = {f"p{n}": keras.Input((64 // 2**n, 64 // 2**n, 8), name=f"p{n}") for n in (3, 4, 5)}
    zeros = {key: np.zeros((1, *x.shape[1:]), np.float32) for key, x in features.items()}
    labels = {
        "boxes": np.array([[[2, 3, 30, 40]]], np.float32),
        "labels": np.zeros((1, 1), np.int32),
        "label": np.zeros(1, np.int32),
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="You are using a softmax")
        raw = head.build(features)
        told = keras.Model(features, raw)(zeros)
        losses = head.loss(head.encode(labels), told)
        found = [head.decode(told), keras.Model(features, Decode(head)(raw))(zeros)]
    if name in ("classify", "localize"):
        key = "probabilities" if name == "classify" else "scores"
        assert [np.ravel(each[key]).tolist() for each in found] == [[1.0], [1.0]]
    if name in ("classify", "fcn_grid", "localize", "sliding"):
        assert np.asarray(losses["class"]).tolist() == [0.0]  # minus the logarithm of 1
