"""From a feature map to one vector a picture."""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.lazy import keras

Pool = Literal["average", "flatten"]


def pool_features(x: Any, pool: Pool, dropout: float) -> Any:
    """The coarsest map as a vector, with dropout where its share is above 0.

    Args:
        x: (B, H, W, F).
        pool: average (over all places: what is there) or flatten (also where: H * W times the weights).
        dropout: share of the vector that is silenced in training.

    Returns:
        (B, F) or (B, H * W * F).
    """
    layers = keras.layers
    flat = layers.GlobalAveragePooling2D if pool == "average" else layers.Flatten
    x = flat(name="head_pool")(x)
    return layers.Dropout(dropout, name="head_dropout")(x) if dropout else x
