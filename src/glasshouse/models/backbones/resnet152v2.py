"""ResNet-152 V2 from keras.applications (He et al., arXiv:1603.05027).

A stage's last unit steps down, so its normalized input is the deepest map of a stride.
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.applications import build_taps, build_top
from glasshouse.params import Strict

INPUT_SIZE_PX = (224, 224, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 32
TAPS = {
    "c2": "conv2_block3_preact_relu",
    "c3": "conv3_block8_preact_relu",
    "c4": "conv4_block36_preact_relu",
    "c5": "post_relu",
}


class Params(Strict):
    """`model.backbone` for `name: resnet152v2`."""

    name: Literal["resnet152v2"]
    weights: str  # imagenet | none | path of an .h5 file


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32, at least 32.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 256), c3 (B, H/8, W/8, 512), c4 (B, H/16, W/16, 1024), c5 (B, H/32, W/32, 2048).
    """
    return build_taps("ResNet152V2", pixels, params.weights, TAPS, "tf")


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    del params
    return build_top("ResNet152V2", INPUT_SIZE_PX, classes)
