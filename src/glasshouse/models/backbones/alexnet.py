"""AlexNet (Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, figure
2), with whole convolutions where the paper divided them over two GPUs.

The classifier pads as the paper does: not at all in the first convolution and the pools. The backbone pads
them too, so that its maps are exactly 1/4 to 1/32 of a picture whose sides are multiples of 32. Kernels are
of the same shapes in both. Kernels begin as He et al. propose, biases at 0.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from glasshouse.models.layers.inception import biased_unit
from glasshouse.models.layers.pixels import standardize_rgb
from glasshouse.models.layers.tops import hidden_layers, predict_classes
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (227, 227, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level
DENSE = (4096, 4096)


class Params(Untrained):
    """`model.backbone` for `name: alexnet`."""

    name: Literal["alexnet"]
    # TensorFlow's depth_radius: 5 is a window of 11 maps. The paper's own n = 5 is radius 2.
    lrn_radius: int = Field(default=5, ge=0, le=64)


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; standardized by ImageNet's mean and spread (the paper: mean only).
        params: the radius of the local response normalization.

    Returns:
        c2 (B, H/4, W/4, 96), c3 (B, H/8, W/8, 256), c4 (B, H/16, W/16, 256), c5 (B, H/32, W/32, 256).
    """
    return lay_body(pixels, params, padding="same")


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with the paper's top: pixels (B, 227, 227, 3), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    x = hidden_layers(lay_body(pixels, params, padding="valid")["c5"], DENSE, dropout=0.5)
    return keras.Model(pixels, predict_classes(x, classes), name="alexnet")


def lay_body(pixels: Any, params: Params, *, padding: str) -> dict[str, Any]:
    """Convolutions and pools; `padding` of the first convolution and the pools. Sizes are those at 227 px."""
    from glasshouse.models.layers.maps import LocalResponseNormalization

    def respond(x: Any, name: str) -> Any:
        return LocalResponseNormalization(params.lrn_radius, bias=2.0, alpha=1e-4, beta=0.75, name=name)(x)

    def pool(x: Any, name: str) -> Any:
        return keras.layers.MaxPooling2D(3, 2, padding=padding, name=name)(x)

    taps = {}
    x = standardize_rgb(pixels)
    x = biased_unit(x, 96, 11, stride=4, padding=padding, name="block1")  # (B, 55, 55, 96)
    taps["c2"] = x = respond(x, "block1_lrn")
    x = pool(x, "block1_pool")  # (B, 27, 27, 96)
    x = biased_unit(x, 256, 5, name="block2")
    taps["c3"] = x = respond(x, "block2_lrn")
    x = pool(x, "block2_pool")  # (B, 13, 13, 256)
    x = biased_unit(x, 384, 3, name="block3")
    x = biased_unit(x, 384, 3, name="block4")
    taps["c4"] = x = biased_unit(x, 256, 3, name="block5")
    taps["c5"] = pool(x, "block5_pool")  # (B, 6, 6, 256)
    return taps
