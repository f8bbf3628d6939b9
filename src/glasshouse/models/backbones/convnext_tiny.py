"""ConvNeXt-T from keras.applications (Liu et al., arXiv:2201.03545)."""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.applications import build_taps, build_top
from glasshouse.params import Strict

INPUT_SIZE_PX = (224, 224, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 32
TAPS = {
    "c2": "convnext_tiny_downsampling_block_0.input",
    "c3": "convnext_tiny_downsampling_block_1.input",
    "c4": "convnext_tiny_downsampling_block_2.input",
    "c5": "output",
}


class Params(Strict):
    """`model.backbone` for `name: convnext_tiny`."""

    name: Literal["convnext_tiny"]
    weights: str  # imagenet | none | path of an .h5 file


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32, at least 32.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 96), c3 (B, H/8, W/8, 192), c4 (B, H/16, W/16, 384), c5 (B, H/32, W/32, 768).
    """
    return build_taps("ConvNeXtTiny", pixels, params.weights, TAPS, "torch", include_preprocessing=False)


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    del params
    return build_top("ConvNeXtTiny", INPUT_SIZE_PX, classes)
