"""ZFNet (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901v3):
AlexNet with a first layer of 7x7 at stride 2, a second of 5x5 at stride 2, and more maps.

Maps: table 2, row "1 convnet as per Fig. 3 but with layers 3, 4, 5: 512, 1024, 512 maps", the paper's best
single network; `maps: figure_3` has the 384, 384, 256 of AlexNet, as the figure draws them. The contrast
normalization after the first two pools is AlexNet's local response normalization, which the paper keeps.

As with `alexnet`, the classifier pads so that its sizes are those of figure 3, the backbone so that its maps
are exactly 1/4 to 1/32 of the picture, and kernels are of the same shapes.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from glasshouse.models.layers.inception import biased_unit
from glasshouse.models.layers.pixels import standardize_rgb
from glasshouse.models.layers.tops import hidden_layers, predict_classes
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (224, 224, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level
DENSE = (4096, 4096)
MAPS = {"figure_3": (384, 384, 256), "table_2": (512, 1024, 512)}  # of the layers 3, 4, 5


class Params(Untrained):
    """`model.backbone` for `name: zfnet`."""

    name: Literal["zfnet"]
    maps: Literal["figure_3", "table_2"] = "table_2"  # which of the paper's widths of the layers 3, 4, 5
    lrn_radius: int = Field(default=5, ge=0, le=64)  # TensorFlow's depth_radius, as alexnet's


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; standardized by ImageNet's mean and spread (the paper: mean only).
        params: widths of the last convolutions, radius of the local response normalization.

    Returns:
        c2 (B, H/4, W/4, 96), c3 (B, H/8, W/8, 256), c4 (B, H/16, W/16, 512), c5 (B, H/32, W/32, 512).
    """
    return lay_body(pixels, params, of_figure=False)


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with the paper's top: pixels (B, 224, 224, 3), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    x = hidden_layers(lay_body(pixels, params, of_figure=True)["c5"], DENSE, dropout=0.5)
    return keras.Model(pixels, predict_classes(x, classes), name="zfnet")


def lay_body(pixels: Any, params: Params, *, of_figure: bool) -> dict[str, Any]:
    """Convolutions and pools; sizes are those at 224 px where `of_figure`: with the figure's padding."""
    from glasshouse.models.layers.maps import LocalResponseNormalization

    def respond(x: Any, name: str) -> Any:
        return LocalResponseNormalization(params.lrn_radius, bias=2.0, alpha=1e-4, beta=0.75, name=name)(x)

    def pool(x: Any, name: str, padding: str = "same") -> Any:
        return keras.layers.MaxPooling2D(3, 2, padding=padding, name=name)(x)

    padding = "valid" if of_figure else "same"
    taps = {}
    x = standardize_rgb(pixels)
    if of_figure:
        x = keras.layers.ZeroPadding2D(1, name="block1_pad")(x)
    x = biased_unit(x, 96, 7, stride=2, padding=padding, name="block1")  # (B, 110, 110, 96)
    x = pool(x, "block1_pool")  # (B, 55, 55, 96)
    taps["c2"] = x = respond(x, "block1_lrn")
    taps["c3"] = x = biased_unit(x, 256, 5, stride=2, padding=padding, name="block2")  # (B, 26, 26, 256)
    x = pool(x, "block2_pool")  # (B, 13, 13, 256)
    x = respond(x, "block2_lrn")
    for number, width in enumerate(MAPS[params.maps], start=3):
        x = biased_unit(x, width, 3, name=f"block{number}")
    taps["c4"] = x
    taps["c5"] = pool(x, "block5_pool", padding)  # (B, 6, 6, 512)
    return taps
