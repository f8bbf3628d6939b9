"""NASNet-A (4 @ 1056), the mobile one, from keras.applications (Zoph et al., arXiv:1707.07012)."""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.applications import build_taps, build_top
from glasshouse.params import Strict

INPUT_SIZE_PX = (224, 224, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 32
TAPS = {
    "c2": "reduction_concat_stem_1",
    "c3": "normal_concat_3",
    "c4": "normal_concat_8",
    "c5": "output",
}


class Params(Strict):
    """`model.backbone` for `name: nasnet_mobile`."""

    name: Literal["nasnet_mobile"]
    weights: str  # imagenet | none | path of an .h5 file


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32, at least 32.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 44), c3 (B, H/8, W/8, 264), c4 (B, H/16, W/16, 528), c5 (B, H/32, W/32, 1056).
    """
    return build_taps("NASNetMobile", pixels, params.weights, TAPS, "tf")


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    del params
    return build_top("NASNetMobile", INPUT_SIZE_PX, classes)
