"""The convolution unit and the cross-stage-partial block that the compact networks are made of."""

from __future__ import annotations

from typing import Any

from glasshouse.models.lazy import keras

# 0.99, Keras's default, needs hundreds of steps to forget; a short training ends before its statistics have
# caught up.
BATCH_NORM_MOMENTUM = 0.9


def conv_norm(
    x: Any,
    filters: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    groups: int = 1,
    padding: str = "same",
    name: str,
) -> Any:
    """Convolution without bias, batch normalization.

    Args:
        x: (B, H, W, C).
        filters: number of output maps F.
        kernel: side of the square kernel, or (height, width).
        stride: 1 or 2.
        groups: parts that maps are divided into; each output map sees the inputs of its own part.
        padding: "same" or "valid".
        name: prefix of the two layers.

    Returns:
        (B, ceil(H / stride), ceil(W / stride), F) where padded.
    """
    layers = keras.layers
    x = layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=padding,
        groups=groups,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=1e-3, name=f"{name}_bn")(x)


def conv_unit(
    x: Any,
    filters: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    groups: int = 1,
    padding: str = "same",
    name: str,
) -> Any:
    """`conv_norm` and ReLU, three layers with the prefix `name`.

    ReLU rather than SiLU: it is cheaper in training on a CPU, and it survives int8.
    """
    x = conv_norm(x, filters, kernel, stride=stride, groups=groups, padding=padding, name=name)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def csp_block(x: Any, filters: int, *, depth: int = 1, shortcut: bool = True, name: str) -> Any:
    """Cross-stage-partial block: half of the maps bypass `depth` residual units and are concatenated again.

    Source: Wang et al., "CSPNet", arXiv:1911.11929, figure 3 b (fusion last), with both halves made by 1x1
        convolutions.

    Args:
        x: (B, H, W, C).
        filters: number of output maps F; each half has F / 2.
        depth: residual units of two 3x3 convolutions on the processed half.
        shortcut: whether a unit adds its input (a neck does without).
        name: prefix of all layers.

    Returns:
        (B, H, W, F).
    """
    half = filters // 2
    bypass = conv_unit(x, half, 1, name=f"{name}_bypass")
    y = conv_unit(x, half, 1, name=f"{name}_enter")
    for i in range(1, depth + 1):
        unit = conv_unit(y, half, 3, name=f"{name}_unit{i}a")
        unit = conv_unit(unit, half, 3, name=f"{name}_unit{i}b")
        y = keras.layers.Add(name=f"{name}_unit{i}_add")([y, unit]) if shortcut else unit
    joined = keras.layers.Concatenate(name=f"{name}_join")([y, bypass])
    return conv_unit(joined, filters, 1, name=f"{name}_leave")


def quicken_batch_norm(network: Any) -> None:
    """Give a ready-made network's batch normalization BATCH_NORM_MOMENTUM.

    keras.applications leaves 0.999 or 0.99: statistics that a short training never brings up to date.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
