"""A head's decoding as a layer, so that it becomes part of a model."""

from __future__ import annotations

from typing import Any

import keras

from glasshouse.models.contracts import Head


class Decode(keras.layers.Layer):
    """Raw outputs -> the predictions of `head.decode`, in float32."""

    def __init__(self, head: Head, **kwargs: Any) -> None:
        """Decode what `head` built."""
        super().__init__(**{"trainable": False, "autocast": False, **kwargs})
        self.head = head

    def call(self, raw: dict[str, Any]) -> dict[str, Any]:
        """See `head.decode`."""
        return self.head.decode(raw)
