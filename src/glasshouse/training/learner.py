"""A Keras model whose loss is its head's: what `fit` trains."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
from keras import ops

from glasshouse.models.contracts import Head, Tensors
from glasshouse.models.network import Network
from glasshouse.params.sizes import Size
from glasshouse.training.kernels.batch_norm import fuse_batch_norms
from glasshouse.training.kernels.pointwise import multiply_pointwise


class Learner(keras.Model):
    """Wraps a network, or its top, together with the head's loss.

    `x` is what the wrapped model eats, `y` what `head.encode` gave. The terms of the loss are shown as
    metrics.
    """

    def __init__(self, model: Any, network: Network, heads: Mapping[Size, Head] | None = None) -> None:
        """Train `model` (network.full or network.top) by the loss of the network's head.

        Args:
            model: what eats `x`.
            network: whose head it ends in.
            heads: where batches differ in size: the head at each size (height, width) px; `model` is then
                network.full.
        """
        super().__init__(name="learner")
        self.model, self.network, self.heads = model, network, dict(heads or {})
        fuse_batch_norms(model)
        multiply_pointwise(model)
        self.terms = {name: keras.metrics.Mean(name=f"loss_{name}") for name in network.head.terms}

    @property
    def is_backbone_frozen(self) -> bool:
        """Whether no layer of the backbone learns, so that it gives what it will give in use."""
        return not self.network.backbone.trainable_weights

    def call(self, x: Any, training: bool = False) -> Any:
        """Raw outputs."""
        if not self.heads and self.model is self.network.full and self.is_backbone_frozen:
            # Keras lets a frozen layer drop values out all the same, as those of EfficientNet do.
            return self.network.top(self.network.backbone(x, training=False), training=training)
        if not self.heads:
            return self.model(x, training=training)
        # Calling the models themselves would ask for their own input size; their layers take any.
        features = self.network.backbone.call(x, training=training)
        return self.network.top.call(features, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Mean over the batch of the sum of the head's terms."""
        del sample_weight, training
        losses = self._compare(x, y, y_pred)
        for name, value in losses.items():
            self.terms[name].update_state(ops.mean(value))
        return sum(ops.mean(value) for value in losses.values())

    def _compare(self, x: Any, targets: Tensors, raw: Tensors) -> Tensors:
        """The terms of the loss, by the head for the size of `x`."""
        if not self.heads:
            return self.network.head.loss(targets, raw)
        height, width = ops.shape(x)[1:3]
        if isinstance(height, int) and isinstance(width, int):
            return self.heads[height, width].loss(targets, raw)
        # In TensorFlow's graph the size is known only when it runs.
        is_size = ops.stack([ops.equal(height, known) for known, _ in self.heads])
        branches = [partial(head.loss, targets, raw) for head in self.heads.values()]
        losses: Tensors = ops.switch(ops.argmax(ops.cast(is_size, "int32")), branches)
        return losses
