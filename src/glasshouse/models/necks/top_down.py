"""Top-down feature pyramid with CSP blocks: coarse levels, which know what, tell fine levels, which know
where.

After Lin et al., "Feature Pyramid Networks", arXiv:1612.03144, with concatenation instead of addition.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from glasshouse.models.layers.units import conv_unit, csp_block
from glasshouse.models.lazy import keras
from glasshouse.params import Strict


class Params(Strict):
    """`model.neck` for `name: top_down`."""

    name: Literal["top_down"]
    channels: int = Field(ge=8, le=1024, multiple_of=2)  # maps of every level


def build(features: dict[str, Any], params: Params) -> dict[str, Any]:
    """Join the backbone's levels from coarse to fine.

    Args:
        features: c3, c4, c5, each (B, H_l, W_l, C_l), every level half the size of the one before.
        params: the width.

    Returns:
        p3, p4, p5, each (B, H_l, W_l, channels).
    """
    levels = sorted(features, reverse=True)  # c5, c4, c3
    x = conv_unit(features[levels[0]], params.channels, 1, name=f"neck_{levels[0]}_in")
    out = {f"p{levels[0][1:]}": x}
    for level in levels[1:]:
        lateral = conv_unit(features[level], params.channels, 1, name=f"neck_{level}_in")
        x = keras.layers.UpSampling2D(2, interpolation="nearest", name=f"neck_{level}_up")(x)
        x = keras.layers.Concatenate(name=f"neck_{level}_join")([x, lateral])
        x = csp_block(x, params.channels, shortcut=False, name=f"neck_{level}_csp")
        out[f"p{level[1:]}"] = x
    return dict(sorted(out.items()))
