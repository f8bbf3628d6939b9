"""Xception from keras.applications (Chollet, arXiv:1610.02357).

The backbone of the text's transfer learning on tf_flowers.
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.applications import build_taps, build_top
from glasshouse.params import Strict

INPUT_SIZE_PX = (299, 299, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 71
# Its first convolutions do not pad: there is no level of exactly stride 4.
TAPS = {"c3": "block4_sepconv2_bn", "c4": "block13_sepconv2_bn", "c5": "block14_sepconv2_act"}


class Params(Strict):
    """`model.backbone` for `name: xception`."""

    name: Literal["xception"]
    weights: str  # imagenet | none | path of an .h5 file


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32, at least 71.
        params: nothing in it changes the shape of the network.

    Returns:
        c3 (B, H/8, W/8, 728), c4 (B, H/16, W/16, 1024), c5 (B, H/32, W/32, 2048).
    """
    return build_taps("Xception", pixels, params.weights, TAPS, "tf")


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    del params
    return build_top("Xception", INPUT_SIZE_PX, classes)
