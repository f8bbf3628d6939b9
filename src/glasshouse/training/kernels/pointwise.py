"""Convolutions of one pixel in training as the matrix products that they are.

At each call TensorFlow's convolutions on a CPU look up how to compute and bring the weights into an order of
their own, forwards and twice backwards. For few channels on a coarse level that is most of the time they
take; a product of matrices does without, and is no slower on fine levels.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from glasshouse.training.kernels.layers import walk_layers


def multiply_pointwise(model: Any) -> int:
    """Let the 1 x 1 convolutions of a model, and of models inside it, be computed as products of matrices.

    Results are Keras's but for rounding. Layers, weights and files stay Keras's own: only these layers'
    `convolution_op` is another.

    Args:
        model: changed in place. On other backends than TensorFlow, and where a GPU computes, it is left as it
            is: those have kernels of their own for it.

    Returns:
        The number of layers that were changed. The others are those with strides, groups, channels first, or
        a class of their own.
    """
    if keras.backend.backend() != "tensorflow" or _has_gpu():
        return 0
    layers = [layer for layer in walk_layers(model) if _fits(layer)]
    for layer in layers:
        layer.convolution_op = _multiply
    return len(layers)


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _fits(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.Conv2D
        and tuple(layer.kernel_size) == tuple(layer.strides) == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def _multiply(inputs: Any, kernel: Any) -> Any:
    """(B, H, W, C) by (1, 1, C, F) -> (B, H, W, F)."""
    channels, filters = kernel.shape[2:]
    rows = ops.matmul(ops.reshape(inputs, (-1, channels)), ops.reshape(kernel, (channels, filters)))
    return ops.reshape(rows, (*ops.shape(inputs)[:-1], filters))
