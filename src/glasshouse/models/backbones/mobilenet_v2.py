"""MobileNetV2 from keras.applications (Sandler et al., arXiv:1801.04381)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from glasshouse.models.layers.units import quicken_batch_norm
from glasshouse.models.lazy import keras
from glasshouse.params import Strict

IMAGENET_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


class Params(Strict):
    """`model.backbone` for `name: mobilenet_v2`."""

    name: Literal["mobilenet_v2"]
    weights: str  # imagenet | none | path of a .weights.h5
    alpha: float = Field(default=1.0, gt=0, le=2)  # width of every layer

    @field_validator("alpha")
    @classmethod
    def _check_alpha(cls, alpha: float, info: ValidationInfo) -> float:
        if info.data.get("weights") == "imagenet" and alpha not in IMAGENET_ALPHAS:
            widths = " ".join(map(str, IMAGENET_ALPHAS))
            raise ValueError(f"must be one of {widths}: no other width has ImageNet weights")
        return alpha


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255.
        params: alpha scales the channels below. ImageNet weights are those of 224 px, whatever the size here.

    Returns:
        c3 (B, H/8, W/8, 192), c4 (B, H/16, W/16, 576), c5 (B, H/32, W/32, 1280), for alpha 1.
    """
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(pixels)
    network = keras.applications.MobileNetV2(
        input_tensor=scaled,
        alpha=params.alpha,
        include_top=False,
        weights="imagenet" if params.weights == "imagenet" else None,
    )
    quicken_batch_norm(network)
    # The expansions just before each step down are the deepest maps of their stride.
    taps = {"c3": "block_6_expand_relu", "c4": "block_13_expand_relu", "c5": "out_relu"}
    return {level: network.get_layer(name).output for level, name in taps.items()}
