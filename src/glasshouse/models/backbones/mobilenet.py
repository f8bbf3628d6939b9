"""MobileNet from keras.applications (Howard et al., arXiv:1704.04861)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from glasshouse.models.applications import build_taps, build_top, check_width
from glasshouse.params import Strict

INPUT_SIZE_PX = (224, 224, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 32
IMAGENET_ALPHAS = (0.25, 0.5, 0.75, 1.0)
TAPS = {
    "c2": "conv_pw_3_relu",
    "c3": "conv_pw_5_relu",
    "c4": "conv_pw_11_relu",
    "c5": "conv_pw_13_relu",
}


class Params(Strict):
    """`model.backbone` for `name: mobilenet`."""

    name: Literal["mobilenet"]
    weights: str  # imagenet | none | path of an .h5 file
    alpha: float = Field(default=1.0, gt=0, le=2)  # width of every layer
    depth_multiplier: int = Field(default=1, ge=1, le=4)  # depthwise maps of every input map

    @field_validator("alpha")
    @classmethod
    def _check_alpha(cls, alpha: float, info: ValidationInfo) -> float:
        return check_width(alpha, IMAGENET_ALPHAS, info.data.get("weights"))

    @field_validator("depth_multiplier")
    @classmethod
    def _check_multiplier(cls, multiplier: int, info: ValidationInfo) -> int:
        if info.data.get("weights") == "imagenet" and multiplier != 1:
            raise ValueError("must be 1: no other multiplier has ImageNet weights")
        return multiplier


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32.
        params: alpha scales the channels below. ImageNet weights are those of 224 px, whatever the size here.

    Returns:
        c2 (B, H/4, W/4, 128), c3 (B, H/8, W/8, 256), c4 (B, H/16, W/16, 512), c5 (B, H/32, W/32, 1024), for
        alpha 1.
    """
    return build_taps("MobileNet", pixels, params.weights, TAPS, "tf", **_options(params))


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    return build_top("MobileNet", INPUT_SIZE_PX, classes, **_options(params))


def _options(params: Params) -> dict[str, Any]:
    return {"alpha": params.alpha, "depth_multiplier": params.depth_multiplier}
