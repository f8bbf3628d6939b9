"""A compact CSP network of plain convolutions: the backbone that trains fastest on two CPU cores.

Depthwise convolutions save multiplications but not CPU time in training; plain 3x3 ones on half of the maps
do both. After Wang et al., "CSPNet", arXiv:1911.11929; widths and depths are Glasshouse's own, chosen by
score over CPU-seconds (docs/results.md).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from glasshouse.models.layers.tops import average_classifier
from glasshouse.models.layers.units import conv_unit, csp_block
from glasshouse.models.lazy import keras
from glasshouse.params import Strict

INPUT_SIZE_PX = (128, 128, 3)  # of the default run, and of the shipped weights' pictures nearly so
MIN_SIZE_PX = 32  # one place at the coarsest level
STEM_FILTERS = 16
STAGE_FILTERS = (32, 64, 128, 256)  # c2..c5
STAGE_DEPTHS = (1, 1, 1, 1)


class Params(Strict):
    """`model.backbone` for `name: csp_compact`."""

    name: Literal["csp_compact"]
    weights: str  # builtin | none | path of a .weights.h5

    @field_validator("weights")
    @classmethod
    def _refuse_imagenet(cls, weights: str) -> str:
        if weights == "imagenet":
            raise ValueError("csp_compact was never trained on ImageNet: use builtin, none or a .weights.h5")
        return weights


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W multiples of 32.
        params: nothing in it changes the shape of the network.

    Returns:
        c3 (B, H/8, W/8, 64), c4 (B, H/16, W/16, 128), c5 (B, H/32, W/32, 256).
    """
    del params
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(pixels)
    x = conv_unit(x, STEM_FILTERS, 3, stride=2, name="stem")  # (B, H/2, W/2, 16)
    taps = {}
    for level, (filters, depth) in enumerate(zip(STAGE_FILTERS, STAGE_DEPTHS, strict=True), start=2):
        x = conv_unit(x, filters, 3, stride=2, name=f"stage{level}_down")
        x = csp_block(x, filters, depth=depth, name=f"stage{level}_csp")
        taps[f"c{level}"] = x
    return {name: taps[name] for name in ("c3", "c4", "c5")}


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with a classifier on top: pixels (B, 128, 128, 3), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    return average_classifier(pixels, build(pixels, params)["c5"], classes, name="csp_compact")
