"""A localiser's dense layers as convolutions: one pass over a large picture instead of one a window.

Equal to sliding the network over the picture, at steps of the coarsest stride, where no layer pads its input:
then a feature is a function of its own pixels alone, wherever the window begins. With "same" padding, as in
all backbones of `models/backbones/`, a window's border is zeros where the whole picture has its pixels, and
the two differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glasshouse.models.contracts import Tensors
from glasshouse.models.layers.windows import Windows
from glasshouse.models.lazy import keras, ops
from glasshouse.models.network import Network


def convolutionalize(network: Network, height_px: int, width_px: int) -> Any:
    """A trained `localize` network for larger pictures, with copies of its weights.

    A dense layer on the flattened map of h x w places becomes a "valid" convolution of h x w; after an
    average pool, an average over h x w at every place and a convolution of 1 x 1.

    Args:
        network: with a head `localize` or `sliding`.
        height_px, width_px: of the pictures, at least the network's own.

    Returns:
        A Keras model, pixels (B, height_px, width_px, 3), 0..255 -> {raw output: (B, rows, columns, D)}.

    Raises:
        ValueError: another head, or pictures smaller than the network's own.
    """
    own = tuple(network.full.input_shape[1:3])
    if height_px < own[0] or width_px < own[1]:
        raise ValueError(
            f"The pictures must be at least {own}, the network's own size. Got {height_px, width_px} instead."
        )
    pixels = keras.Input((height_px, width_px, 3), name="pixels", dtype="float32")
    pool = _find_pool(network)
    neck = keras.Model(network.top.input, pool.input)
    x = _copy(neck, _copy(network.backbone, pixels))
    raw = {name: _convolve(network.top.get_layer(name), pool, x) for name in network.head.outputs}
    return keras.Model(pixels, raw, name="convolutional")


def _find_pool(network: Network) -> Any:
    layers = {layer.name: layer for layer in network.top.layers}
    if "head_pool" not in layers or "box" not in layers:
        raise ValueError("Only a network with a head of one box, `localize` or `sliding`, can be convolved.")
    return layers["head_pool"]


def _copy(model: Any, inputs: Any) -> Any:
    """The outputs of a copy of the model, weights included, on inputs of another size."""
    is_single = not isinstance(inputs, dict)
    named = {"pixels": inputs} if is_single else inputs
    fresh = {name: keras.Input(x.shape[1:], dtype=x.dtype, name=name) for name, x in named.items()}
    copy = keras.models.clone_model(model, input_tensors=fresh["pixels"] if is_single else fresh)
    copy.set_weights(model.get_weights())
    return copy(inputs)


def _convolve(dense: Any, pool: Any, x: Any) -> Any:
    """(B, H, W, F) -> (B, rows, columns, units)."""
    kernel, bias = dense.get_weights()
    height, width, filters = pool.input.shape[1:]
    size = (height, width)
    if isinstance(pool, keras.layers.GlobalAveragePooling2D):
        x, size = keras.layers.AveragePooling2D(size, strides=1, padding="valid")(x), (1, 1)
    convolution = keras.layers.Conv2D(dense.units, size, padding="valid", dtype="float32", name=dense.name)
    out = convolution(x)
    convolution.set_weights([kernel.reshape(*size, filters, dense.units), bias])
    return out


def decode_grid(network: Network, raw: Tensors, stride_px: int) -> Tensors:
    """The raw outputs of the convolved network as detections.

    Args:
        network: the one that was convolved.
        raw: {raw output: (B, rows, columns, D)}.
        stride_px: distance of neighbouring windows: the stride of the level that the head pools.

    Returns:
        `boxes` (B, rows * columns, 4) xyxy px of the picture and `scores` (B, rows * columns, C).
    """
    height, width = network.full.input_shape[1:3]
    rows, columns = raw["box"].shape[1:3]
    lefts, tops = np.arange(columns) * stride_px, np.arange(rows) * stride_px
    offsets = np.stack(np.meshgrid(lefts, tops), axis=-1).reshape(-1, 2)
    size = (height + int(tops[-1]), width + int(lefts[-1]))
    windows = Windows(height, width, *size, offsets)
    flat = {name: ops.reshape(value, (-1, value.shape[-1])) for name, value in raw.items()}
    decoded = network.head.decode(flat)
    side = ops.convert_to_tensor([size[1], size[0]] * 2, dtype="float32")
    return {
        "boxes": windows.place(windows.gather(decoded["boxes"])) * side,
        "scores": windows.gather(decoded["scores"]),
    }
