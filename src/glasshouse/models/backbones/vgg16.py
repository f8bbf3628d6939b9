"""VGG16 from keras.applications (Simonyan & Zisserman, arXiv:1409.1556).

The last maps before each pooling; only the pooled ones of the last block have stride 32.
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.applications import build_taps, build_top
from glasshouse.params import Strict

INPUT_SIZE_PX = (224, 224, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 32
TAPS = {
    "c2": "block3_conv3",
    "c3": "block4_conv3",
    "c4": "block5_conv3",
    "c5": "block5_pool",
}


class Params(Strict):
    """`model.backbone` for `name: vgg16`."""

    name: Literal["vgg16"]
    weights: str  # imagenet | none | path of an .h5 file


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32, at least 32.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 256), c3 (B, H/8, W/8, 512), c4 (B, H/16, W/16, 512), c5 (B, H/32, W/32, 512).
    """
    return build_taps("VGG16", pixels, params.weights, TAPS, "caffe")


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    del params
    return build_top("VGG16", INPUT_SIZE_PX, classes)
