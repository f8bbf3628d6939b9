"""A Keras model whose loss is its head's: what `fit` trains."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from glasshouse.models.network import Network


class Learner(keras.Model):
    """Wraps a network, or its top, together with the head's loss.

    `x` is what the wrapped model eats, `y` what `head.encode` gave. The terms of the loss are shown as
    metrics.
    """

    def __init__(self, model: Any, network: Network) -> None:
        """Train `model` (network.full or network.top) by the loss of the network's head."""
        super().__init__(name="learner")
        self.model, self.head = model, network.head
        self.terms = {name: keras.metrics.Mean(name=f"loss_{name}") for name in network.head.terms}

    def call(self, x: Any, training: bool = False) -> Any:
        """Raw outputs."""
        return self.model(x, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Mean over the batch of the sum of the head's terms."""
        del x, sample_weight, training
        losses = self.head.loss(y, y_pred)
        for name, value in losses.items():
            self.terms[name].update_state(ops.mean(value))
        return sum(ops.mean(value) for value in losses.values())
