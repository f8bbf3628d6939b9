"""ResNeXt-50 (32x4d): bottlenecks whose 3x3 convolution is divided into groups (Xie et al., arXiv:1611.05431,
table 1)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from glasshouse.models.layers.pixels import standardize_rgb
from glasshouse.models.layers.residual import ResidualUnit, residual_stages
from glasshouse.models.layers.tops import average_classifier
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (224, 224, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level
DEPTHS = (3, 4, 6, 3)  # units of the stages c2..c5


class Params(Untrained):
    """`model.backbone` for `name: resnext50`."""

    name: Literal["resnext50"]
    groups: int = Field(default=32, ge=1, le=64)  # the paper's cardinality C
    group_width: int = Field(default=4, ge=1, le=64)  # maps of a group in the first stage, d


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; standardized by ImageNet's mean and spread.
        params: number and width of the groups.

    Returns:
        c2 (B, H/4, W/4, 256), c3 (B, H/8, W/8, 512), c4 (B, H/16, W/16, 1024), c5 (B, H/32, W/32, 2048).
    """

    def unit(filters: int, stride: int) -> ResidualUnit:
        inner = params.groups * params.group_width * filters // 64  # 128, 256, 512, 1024 for 32x4d
        return ResidualUnit(filters, stride, bottleneck=True, groups=params.groups, inner=inner)

    return residual_stages(standardize_rgb(pixels), DEPTHS, unit)


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with the paper's top: pixels (B, 224, 224, 3), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    return average_classifier(pixels, build(pixels, params)["c5"], classes, name="resnext50")
