"""The last layer of a dense head: a 1x1 convolution, flattened over cells."""

from __future__ import annotations

from typing import Any

from glasshouse.models.lazy import keras


def flat_predictor(x: Any, outputs: int, *, boxes: int = 1, bias: Any = 0.0, name: str) -> Any:
    """`outputs` numbers for each of `boxes` boxes of every cell.

    The kernel starts as Keras's own (Glorot): with a tiny one all classes begin equal and part late.

    Args:
        x: (B, H, W, F).
        outputs: numbers a box.
        boxes: boxes a cell.
        bias: what they begin at: one number, or `outputs` of them.
        name: of the convolution.

    Returns:
        (B, H * W * boxes, outputs) float32, cells row by row.
    """
    every = list(bias) if isinstance(bias, list | tuple) else [bias] * outputs
    convolution = keras.layers.Conv2D(boxes * outputs, 1, name=name)
    x = convolution(x)
    convolution.bias.assign(every * boxes)
    return keras.layers.Reshape((-1, outputs), dtype="float32", name=f"{name}_flat")(x)
