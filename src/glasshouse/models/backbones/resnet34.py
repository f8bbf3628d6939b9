"""ResNet-34: plain residual units (He et al., "Deep Residual Learning", arXiv:1512.03385, table 1).

The shortcut is a 1x1 convolution with the stride where that or the width changes (option B of the paper).
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.layers.pixels import standardize_rgb
from glasshouse.models.layers.residual import ResidualUnit, residual_stages
from glasshouse.models.layers.tops import average_classifier
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (224, 224, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level
DEPTHS = (3, 4, 6, 3)  # units of the stages c2..c5


class Params(Untrained):
    """`model.backbone` for `name: resnet34`."""

    name: Literal["resnet34"]


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; standardized by ImageNet's mean and spread.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 64), c3 (B, H/8, W/8, 128), c4 (B, H/16, W/16, 256), c5 (B, H/32, W/32, 512).
    """
    del params
    return residual_stages(standardize_rgb(pixels), DEPTHS, ResidualUnit)


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with the paper's top: pixels (B, 224, 224, 3), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    return average_classifier(pixels, build(pixels, params)["c5"], classes, name="resnet34")
