"""The tops that networks were published with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glasshouse.models.lazy import keras


def predict_classes(x: Any, classes: int, *, name: str = "predictions") -> Any:
    """Softmax over a dense layer: (B, F) -> probabilities (B, classes), float32 whatever the policy."""
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name=name)(x)


def hidden_layers(x: Any, widths: Sequence[int], dropout: float) -> Any:
    """Flattened maps through dense layers with ReLU, dropout after each: (B, H, W, C) -> (B, widths[-1])."""
    layers = keras.layers
    x = layers.Flatten(name="top_flat")(x)
    for number, width in enumerate(widths, start=1):
        x = layers.Dense(width, activation="relu", kernel_initializer="he_normal", name=f"top_dense{number}")(
            x
        )
        x = layers.Dropout(dropout, name=f"top_dropout{number}")(x)
    return x


def average_classifier(pixels: Any, coarsest: Any, classes: int, *, dropout: float = 0.0, name: str) -> Any:
    """The network from `pixels` to probabilities: global average of the coarsest map, dropout, softmax."""
    x = keras.layers.GlobalAveragePooling2D(name="top_pool")(coarsest)
    if dropout:
        x = keras.layers.Dropout(dropout, name="top_dropout")(x)
    return keras.Model(pixels, predict_classes(x, classes), name=name)
