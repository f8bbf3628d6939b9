"""SE-ResNet-50: bottlenecks with squeeze and excitation (Hu et al., arXiv:1709.01507, table 1)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from glasshouse.models.layers.pixels import standardize_rgb
from glasshouse.models.layers.residual import ResidualUnit, residual_stages
from glasshouse.models.layers.squeeze_excite import SqueezeExcite
from glasshouse.models.layers.tops import average_classifier
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (224, 224, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level
DEPTHS = (3, 4, 6, 3)  # units of the stages c2..c5


class Params(Untrained):
    """`model.backbone` for `name: se_resnet50`."""

    name: Literal["se_resnet50"]
    ratio: int = Field(default=16, ge=1, le=256)  # maps / numbers that they are squeezed to


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; standardized by ImageNet's mean and spread.
        params: how far the maps are squeezed.

    Returns:
        c2 (B, H/4, W/4, 256), c3 (B, H/8, W/8, 512), c4 (B, H/16, W/16, 1024), c5 (B, H/32, W/32, 2048).
    """
    excite = SqueezeExcite(params.ratio)

    def unit(filters: int, stride: int) -> ResidualUnit:
        return ResidualUnit(filters, stride, bottleneck=True, excite=excite)

    return residual_stages(standardize_rgb(pixels), DEPTHS, unit)


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with the paper's top: pixels (B, 224, 224, 3), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    return average_classifier(pixels, build(pixels, params)["c5"], classes, name="se_resnet50")
