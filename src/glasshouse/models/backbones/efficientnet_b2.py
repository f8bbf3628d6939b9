"""EfficientNet-B2 from keras.applications (Tan & Le, arXiv:1905.11946)."""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.applications import build_top, rebuild_taps
from glasshouse.params import Strict

INPUT_SIZE_PX = (260, 260, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 32
TAPS = {
    "c2": "block3a_expand_activation",
    "c3": "block4a_expand_activation",
    "c4": "block6a_expand_activation",
    "c5": "top_activation",
}


class Params(Strict):
    """`model.backbone` for `name: efficientnet_b2`."""

    name: Literal["efficientnet_b2"]
    weights: str  # imagenet | none | path of an .h5 file


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32, at least 32.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 144), c3 (B, H/8, W/8, 288), c4 (B, H/16, W/16, 720), c5 (B, H/32, W/32, 1408).
    """
    return rebuild_taps("EfficientNetB2", pixels, params.weights, TAPS, "torch")


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    del params
    return build_top("EfficientNetB2", INPUT_SIZE_PX, classes)
