"""The text's network for Fashion-MNIST: a 7x7 convolution, three pools, twice as many maps after each of two.

Colour is turned into grey. The hidden dense layers are convolutions, so that pictures of any size do: at
28 px they are the text's, weight for weight.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from glasshouse.models.layers.inception import biased_unit
from glasshouse.models.layers.pixels import to_grey
from glasshouse.models.layers.tops import predict_classes
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (28, 28, 1)
MIN_SIZE_PX = 24  # the last pool leaves 3 x 3 places, which the first dense layer looks at


class Params(Untrained):
    """`model.backbone` for `name: fashion_cnn`."""

    pyramid: ClassVar[bool] = False  # its coarsest stride is 8

    name: Literal["fashion_cnn"]
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)  # after each hidden dense layer


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 1 or 3), 0..255; scaled to 0..1.
        params: share of dropout.

    Returns:
        c1 (B, H/2, W/2, 128), c2 (B, H/4, W/4, 256), and c3, the last hidden layer at stride 8,
        (B, H/8 - 2, W/8 - 2, 64); fractions rounded down.
    """
    layers = keras.layers
    taps = {}
    x = layers.Rescaling(1 / 255, name="rescale")(to_grey(pixels))
    x = biased_unit(x, 64, 7, name="block1")  # (B, 28, 28, 64)
    for level, width in ((1, 128), (2, 256)):
        x = layers.MaxPooling2D(2, name=f"block{level}_pool")(x)
        x = biased_unit(x, width, 3, name=f"block{level + 1}_a")
        taps[f"c{level}"] = x = biased_unit(x, width, 3, name=f"block{level + 1}_b")
    x = layers.MaxPooling2D(2, name="block3_pool")(x)  # (B, 3, 3, 256)
    for number, (width, kernel) in enumerate(((128, 3), (64, 1)), start=4):
        x = biased_unit(x, width, kernel, padding="valid", name=f"block{number}")
        x = layers.Dropout(params.dropout, name=f"block{number}_dropout")(x)
    return {**taps, "c3": x}


def build_classifier(params: Params, classes: int = 10) -> Any:
    """The network with the text's top: pixels (B, 28, 28, 1), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    x = keras.layers.Flatten(name="top_flat")(build(pixels, params)["c3"])
    return keras.Model(pixels, predict_classes(x, classes), name="fashion_cnn")
