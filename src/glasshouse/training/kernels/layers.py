"""The layers of a model, however deep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras


def walk_layers(model: Any) -> Iterator[Any]:
    """Every layer of a Keras model, those of models inside it in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from walk_layers(layer)
        else:
            yield layer
