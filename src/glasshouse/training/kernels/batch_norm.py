"""Batch normalization in training by the one kernel that TensorFlow has for it.

Keras composes it of some twenty operations, forwards and backwards, each of which reads and writes whole
maps: a fifth of a training step on a CPU.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from glasshouse.training.kernels.layers import walk_layers

MAPS = 4  # dimensions of (B, H, W, C), which the kernel takes


def fuse_batch_norms(model: Any) -> int:
    """Let the batch normalizations of a model, and of models inside it, learn by one kernel.

    Results are Keras's but for rounding. A layer that is frozen, or not in training, computes as before, and
    layers, weights and files stay Keras's own: only these layers' `call` is another.

    Args:
        model: changed in place. On other backends than TensorFlow it is left as it is.

    Returns:
        The number of layers that were changed. The others are those whose axis is not the last of four, and
        those with renormalization or statistics over several machines.
    """
    if keras.backend.backend() != "tensorflow":
        return 0
    layers = [layer for layer in walk_layers(model) if _fits(layer)]
    for layer in layers:
        layer.call = partial(_normalize, layer)
    return len(layers)


def _fits(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.input_spec.ndim == MAPS
        and layer.axis in (-1, MAPS - 1)
        and not (layer.renorm or layer.synchronized)
    )


def _normalize(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """`call` of keras.layers.BatchNormalization: Ioffe and Szegedy, arXiv:1502.03167, algorithm 1."""
    if mask is not None or not (training and layer.trainable):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    x = tf.cast(inputs, tf.float32)  # as Keras does: sums of squares overflow in half precision
    channels = int(x.shape[-1])
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=tf.convert_to_tensor(layer.gamma) if layer.scale else tf.ones(channels),
        offset=tf.convert_to_tensor(layer.beta) if layer.center else tf.zeros(channels),
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The kernel's variance is the unbiased one, over n - 1; Keras keeps the one over n that it divides by.
    count = tf.cast(tf.size(x) // channels, tf.float32)
    for average, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance * (1 - 1 / count))):
        average.assign(average * layer.momentum + batch * (1 - layer.momentum))
    return tf.cast(y, layer.compute_dtype)
