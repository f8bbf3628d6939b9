"""MobileNetV3-Small from keras.applications (Howard et al., arXiv:1905.02244)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from glasshouse.models.applications import build_taps, build_top, check_width
from glasshouse.params import Strict

INPUT_SIZE_PX = (224, 224, 3)  # height, width, channels of its ImageNet weights
MIN_SIZE_PX = 32
IMAGENET_ALPHAS = {False: (0.75, 1.0), True: (1.0,)}  # minimalistic or not
# The expansions just before each step down are the deepest maps of their stride.
TAPS = {
    "c2": "expanded_conv_1_depthwise_pad.input",
    "c3": "expanded_conv_3_depthwise_pad.input",
    "c4": "expanded_conv_8_depthwise_pad.input",
    "c5": "output",
}


class Params(Strict):
    """`model.backbone` for `name: mobilenet_v3_small`."""

    name: Literal["mobilenet_v3_small"]
    weights: str  # imagenet | none | path of an .h5 file
    minimalistic: bool = False  # 3x3 kernels, ReLU and no squeeze-and-excite: for chips that lack the others
    alpha: float = Field(default=1.0, gt=0, le=2)  # width of every layer

    @field_validator("alpha")
    @classmethod
    def _check_alpha(cls, alpha: float, info: ValidationInfo) -> float:
        valid = IMAGENET_ALPHAS[info.data.get("minimalistic", False)]
        return check_width(alpha, valid, info.data.get("weights"))


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32.
        params: alpha scales the channels below. ImageNet weights are those of 224 px, whatever the size here.

    Returns:
        c2 (B, H/4, W/4, 72), c3 (B, H/8, W/8, 96), c4 (B, H/16, W/16, 288), c5 (B, H/32, W/32, 576), for
        alpha 1.
    """
    options = {"alpha": params.alpha, "minimalistic": params.minimalistic, "include_preprocessing": False}
    return build_taps("MobileNetV3Small", pixels, params.weights, TAPS, "tf", **options)


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The whole network with its own top and fresh weights."""
    options = {"alpha": params.alpha, "minimalistic": params.minimalistic}
    return build_top("MobileNetV3Small", INPUT_SIZE_PX, classes, **options)
