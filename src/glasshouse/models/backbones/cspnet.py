"""CSPDarknet53 (Wang et al., "CSPNet: A New Backbone that can Enhance Learning Capability of CNN",
arXiv:1911.11929, figure 3 b and table 4): in every stage a part of the maps bypasses the residual units and
is concatenated to their output.

Both parts come from a 1x1 convolution of the stage's input, as in the authors' own configuration; Darknet-53
is of Redmon and Farhadi, "YOLOv3", arXiv:1804.02767, table 1.
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.layers.tops import average_classifier
from glasshouse.models.layers.units import conv_norm
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (256, 256, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level
STAGES = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))  # maps and residual units of c1..c5
SLOPE = 0.1  # of the leaky ReLU


class Params(Untrained):
    """`model.backbone` for `name: cspnet`."""

    name: Literal["cspnet"]


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; scaled to 0..1.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 128), c3 (B, H/8, W/8, 256), c4 (B, H/16, W/16, 512), c5 (B, H/32, W/32, 1024).
    """
    del params
    x = keras.layers.Rescaling(1 / 255, name="rescale")(pixels)
    x = _lay_unit(x, 32, 3, name="stem")
    taps = {}
    for level, (filters, depth) in enumerate(STAGES, start=1):
        x = _lay_unit(x, filters, 3, stride=2, name=f"stage{level}_down")
        taps[f"c{level}"] = x = _lay_stage(x, filters, depth, name=f"stage{level}")
    return {name: taps[name] for name in ("c2", "c3", "c4", "c5")}


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with the paper's top: pixels (B, 256, 256, 3), 0..255 -> probabilities (B, classes)."""
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    return average_classifier(pixels, build(pixels, params)["c5"], classes, name="cspnet")


def _lay_unit(x: Any, filters: int, kernel: int, *, stride: int = 1, name: str) -> Any:
    x = conv_norm(x, filters, kernel, stride=stride, name=name)
    return keras.layers.LeakyReLU(SLOPE, name=f"{name}_leaky")(x)


def _lay_stage(x: Any, filters: int, depth: int, *, name: str) -> Any:
    """The first stage is too thin to be halved: there both parts are as wide as the stage."""
    wide = filters if depth == 1 else filters // 2
    bypass = _lay_unit(x, wide, 1, name=f"{name}_bypass")
    y = _lay_unit(x, wide, 1, name=f"{name}_enter")
    for number in range(1, depth + 1):
        unit = _lay_unit(y, filters // 2, 1, name=f"{name}_unit{number}a")
        unit = _lay_unit(unit, wide, 3, name=f"{name}_unit{number}b")
        y = keras.layers.Add(name=f"{name}_unit{number}_add")([y, unit])
    y = _lay_unit(y, wide, 1, name=f"{name}_after")
    x = keras.layers.Concatenate(name=f"{name}_join")([y, bypass])
    return _lay_unit(x, filters, 1, name=f"{name}_leave")
