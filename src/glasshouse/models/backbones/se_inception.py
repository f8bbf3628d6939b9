"""SE-Inception: GoogLeNet's modules, each with squeeze and excitation (Hu et al., arXiv:1709.01507, figure 2,
and table 2, "SE-BN-Inception").

Convolutions have batch normalization and no bias, and the stem no local response normalization, as in
BN-Inception; the modules are those of GoogLeNet's table.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from glasshouse.models.layers.inception_modules import lay_modules
from glasshouse.models.layers.pixels import standardize_rgb
from glasshouse.models.layers.squeeze_excite import SqueezeExcite
from glasshouse.models.layers.tops import average_classifier
from glasshouse.models.layers.units import conv_unit
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (224, 224, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level


class Params(Untrained):
    """`model.backbone` for `name: se_inception`."""

    name: Literal["se_inception"]
    ratio: int = Field(default=16, ge=1, le=256)  # maps / numbers that they are squeezed to


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; standardized by ImageNet's mean and spread.
        params: how far the maps are squeezed.

    Returns:
        c2 (B, H/4, W/4, 192), c3 (B, H/8, W/8, 480), c4 (B, H/16, W/16, 832), c5 (B, H/32, W/32, 1024).
    """
    scaled = standardize_rgb(pixels)
    maps = lay_modules(scaled, unit=conv_unit, excite=SqueezeExcite(params.ratio), respond=False)
    return {"c2": maps["2"], "c3": maps["3b"], "c4": maps["4e"], "c5": maps["5b"]}


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with GoogLeNet's top: pixels (B, 224, 224, 3), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    coarsest = build(pixels, params)["c5"]
    return average_classifier(pixels, coarsest, classes, dropout=0.4, name="se_inception")
