"""Inception-ResNet-v2 from keras.applications (Szegedy et al., arXiv:1602.07261).

As a backbone it pads where the paper does not, so that every level has the size of its stride; its own top
for counting is the paper's.
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.applications import build_top, rebuild_taps
from glasshouse.params import Strict

INPUT_SIZE_PX = (299, 299, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 75
TAPS = {
    "c2": "max_pooling2d_1.input",
    "c3": "block35_10_ac",
    "c4": "block17_20_ac",
    "c5": "conv_7b_ac",
}


class Params(Strict):
    """`model.backbone` for `name: inception_resnet_v2`."""

    name: Literal["inception_resnet_v2"]
    weights: str  # imagenet | none | path of an .h5 file


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32, at least 75.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 192), c3 (B, H/8, W/8, 320), c4 (B, H/16, W/16, 1088), c5 (B, H/32, W/32, 1536).
    """
    return rebuild_taps("InceptionResNetV2", pixels, params.weights, TAPS, "tf", pad_all=True)


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    del params
    return build_top("InceptionResNetV2", INPUT_SIZE_PX, classes)
