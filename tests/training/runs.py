"""Trainings as the stages run them, on pictures and networks of a test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from glasshouse.inputs.stream import Pictures
from glasshouse.training.checkpoints import Checkpoint

HEAD: Any = SimpleNamespace(
    epochs=3, epoch_pictures=0, batch_size=4, learning_rate=2e-3, features="cached", variants=2
)
TUNE: Any = SimpleNamespace(
    epochs=3,
    batch_size=4,
    learning_rate=1e-3,
    unfreeze_from="all",
    batch_norm="train",
    epoch_pictures=0,
    warmup_epochs=1,
    weight_decay=0.01,
    clip_norm=10.0,
    ema_epochs=1.0,
    validate_every=1,
    sizes_px=(),
)


class Killed(Exception):
    """Stands for SIGKILL: nothing after the checkpoint of an epoch is done."""


def build(model_params: Any) -> Any:
    import keras

    from glasshouse.models.network import build_network

    keras.utils.set_random_seed(5)
    return build_network(model_params, height_px=32, width_px=32, classes=2)


def build_tiny() -> Any:
    """A detector on three convolutions, with the state that a checkpoint must carry: moving statistics, and
    draws of a dropout. Quickly drawn, quickly trained."""
    import keras

    from glasshouse.models.heads.anchor_free import Head, Params
    from glasshouse.models.network import Network

    keras.utils.set_random_seed(5)
    head = Head(Params(name="anchor_free"), classes=2, height_px=32, width_px=32)
    pixels = keras.Input((32, 32, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(pixels)
    taps = {}
    for level, stride in ((3, 8), (4, 2), (5, 2)):
        name = f"c{level}"
        x = keras.layers.Conv2D(8, stride + 1, stride, padding="same", name=f"{name}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
        taps[name] = x = keras.layers.Dropout(0.1, name=f"{name}_dropout")(keras.ops.relu(x))
    backbone = keras.Model(pixels, taps, name="backbone")
    features = {name: keras.Input(tap.shape[1:], name=name, dtype=tap.dtype) for name, tap in taps.items()}
    top = keras.Model(features, head.build({f"p{name[1]}": x for name, x in features.items()}), name="top")
    return Network(backbone, top, keras.Model(pixels, top(backbone(pixels)), name="network"), head)


def weights_of(network: Any) -> dict[str, np.ndarray]:
    return {weight.path: np.asarray(weight).copy() for weight in network.full.weights}


def run_head(
    network: Any, pictures: Pictures, ranges: Any, path: Path, key: str = "k", **more: Any
) -> list[dict[str, Any]]:
    from glasshouse.training.head import train_head

    params = SimpleNamespace(**{**vars(HEAD), **more.pop("params", {})})
    return train_head(
        network, pictures, params, ranges, seed=3, fill=114, checkpoint=Checkpoint(path, key), **more
    )


def run_tune(network: Any, pictures: Pictures, ranges: Any, path: Path, key: str = "k", **more: Any) -> Any:
    from glasshouse.training.fine_tune import fine_tune

    params = SimpleNamespace(**{**vars(TUNE), **more.pop("params", {})})
    scores = iter(range(1, 100))
    more.setdefault("validate", lambda: {"score": next(scores) / 100})
    return fine_tune(
        network, pictures, params, ranges, seed=3, fill=114, checkpoint=Checkpoint(path, key), **more
    )


def die_after(epoch: int) -> Any:
    def on_epoch(number: int, row: dict[str, Any]) -> None:
        if number == epoch:
            raise Killed

    return on_epoch


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not (one[name] == other[name]).all()] == []
