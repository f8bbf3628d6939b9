"""MobileNetV2 from keras.applications (Sandler et al., arXiv:1801.04381)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from glasshouse.models.applications import build_taps, build_top, check_width
from glasshouse.params import Strict

INPUT_SIZE_PX = (224, 224, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 32
IMAGENET_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
# The expansions just before each step down are the deepest maps of their stride.
TAPS = {"c3": "block_6_expand_relu", "c4": "block_13_expand_relu", "c5": "out_relu"}


class Params(Strict):
    """`model.backbone` for `name: mobilenet_v2`."""

    name: Literal["mobilenet_v2"]
    weights: str  # imagenet | none | path of an .h5 file
    alpha: float = Field(default=1.0, gt=0, le=2)  # width of every layer

    @field_validator("alpha")
    @classmethod
    def _check_alpha(cls, alpha: float, info: ValidationInfo) -> float:
        return check_width(alpha, IMAGENET_ALPHAS, info.data.get("weights"))


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32.
        params: alpha scales the channels below. ImageNet weights are those of 224 px, whatever the size here.

    Returns:
        c3 (B, H/8, W/8, 192), c4 (B, H/16, W/16, 576), c5 (B, H/32, W/32, 1280), for alpha 1.
    """
    return build_taps("MobileNetV2", pixels, params.weights, TAPS, "tf", alpha=params.alpha)


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    return build_top("MobileNetV2", INPUT_SIZE_PX, classes, alpha=params.alpha)
