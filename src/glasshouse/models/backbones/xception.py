"""Xception from keras.applications (Chollet, arXiv:1610.02357).

The backbone of the text's transfer learning on tf_flowers.
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.layers.units import quicken_batch_norm
from glasshouse.models.lazy import keras
from glasshouse.params import Strict


class Params(Strict):
    """`model.backbone` for `name: xception`."""

    name: Literal["xception"]
    weights: str  # imagenet | none | path of a .weights.h5


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; H and W at least 71.
        params: nothing in it changes the shape of the network.

    Returns:
        c3 (B, H/8, W/8, 728), c4 (B, H/16, W/16, 1024), c5 (B, H/32, W/32, 2048); for H and W multiples of
        32.
    """
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(pixels)
    network = keras.applications.Xception(
        input_tensor=scaled, include_top=False, weights="imagenet" if params.weights == "imagenet" else None
    )
    quicken_batch_norm(network)
    taps = {"c3": "block4_sepconv2_bn", "c4": "block13_sepconv2_bn", "c5": "block14_sepconv2_act"}
    return {level: network.get_layer(name).output for level, name in taps.items()}
