"""Inception-v4 (Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning", arXiv:1602.07261, figures 3 to 9, table 1).

Every convolution has batch normalization with a scale and no bias. The classifier leaves out the padding
where the figures say V; the backbone pads there too, so that its maps are exactly 1/4 to 1/32 of a picture
whose sides are multiples of 32. Kernels are of the same shapes in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from glasshouse.models.layers.tops import average_classifier
from glasshouse.models.layers.units import conv_unit
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (299, 299, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level

Kernel = int | tuple[int, int]
Chain = Sequence[tuple[int, Kernel]]  # (maps, kernel) of convolutions one after the other

# Branches of the blocks beside their average pool, and the maps of the 1x1 behind that.
BLOCK_A: tuple[Chain, ...] = ([(96, 1)], [(64, 1), (96, 3)], [(64, 1), (96, 3), (96, 3)])  # figure 4
BLOCK_B: tuple[Chain, ...] = (  # figure 5
    [(384, 1)],
    [(192, 1), (224, (1, 7)), (256, (7, 1))],
    [(192, 1), (192, (1, 7)), (224, (7, 1)), (224, (1, 7)), (256, (7, 1))],
)
REDUCTION_A: tuple[Chain, ...] = ([(384, 3)], [(192, 1), (224, 3), (256, 3)])  # figure 7, table 1
REDUCTION_B: tuple[Chain, ...] = (  # figure 8
    [(192, 1), (192, 3)],
    [(256, 1), (256, (1, 7)), (320, (7, 1)), (320, 3)],
)


class Params(Untrained):
    """`model.backbone` for `name: inception_v4`."""

    name: Literal["inception_v4"]


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; scaled to -1..1.
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 192), c3 (B, H/8, W/8, 384), c4 (B, H/16, W/16, 1024), c5 (B, H/32, W/32, 1536).
    """
    del params
    return lay_body(pixels, padding="same")


def build_classifier(params: Params, classes: int = 1000) -> Any:
    """The network with the paper's top: pixels (B, 299, 299, 3), 0..255 -> probabilities (B, classes)."""
    del params
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    coarsest = lay_body(pixels, padding="valid")["c5"]
    return average_classifier(pixels, coarsest, classes, dropout=0.2, name="inception_v4")


def lay_body(pixels: Any, *, padding: str) -> dict[str, Any]:
    """Stem, 4 blocks A, reduction, 7 blocks B, reduction, 3 blocks C; sizes are those at 299 px."""
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(pixels)
    c2 = _lay_stem(x, padding)  # (B, 71, 71, 192)
    x = _halve(c2, [[(192, 3)]], padding, "stem_d")  # (B, 35, 35, 384)
    for number in range(1, 5):
        x = _lay_block(x, BLOCK_A, 96, f"a{number}")
    c3 = x
    x = _halve(x, REDUCTION_A, padding, "reduction_a")  # (B, 17, 17, 1024)
    for number in range(1, 8):
        x = _lay_block(x, BLOCK_B, 128, f"b{number}")
    c4 = x
    x = _halve(x, REDUCTION_B, padding, "reduction_b")  # (B, 8, 8, 1536)
    for number in range(1, 4):
        x = _lay_block_c(x, f"c{number}")
    return {"c2": c2, "c3": c3, "c4": c4, "c5": x}


def _lay_stem(x: Any, padding: str) -> Any:
    """Figure 3 up to its last but one concatenation: (B, H, W, 3) -> (B, H/4, W/4, 192)."""
    x = conv_unit(x, 32, 3, stride=2, padding=padding, name="stem_a1")
    x = conv_unit(x, 32, 3, padding=padding, name="stem_a2")
    x = conv_unit(x, 64, 3, name="stem_a3")
    x = _halve(x, [[(96, 3)]], padding, "stem_b")
    branches = []
    chains: tuple[Chain, ...] = ([(64, 1)], [(64, 1), (64, (7, 1)), (64, (1, 7))])
    for number, chain in enumerate(chains, start=1):
        y = _lay_chain(x, chain, f"stem_c_branch{number}")
        branches.append(conv_unit(y, 96, 3, padding=padding, name=f"stem_c_branch{number}_last"))
    return keras.layers.Concatenate(name="stem_c_join")(branches)


def _lay_chain(x: Any, chain: Chain, name: str) -> Any:
    for number, (maps, kernel) in enumerate(chain, start=1):
        x = conv_unit(x, maps, kernel, name=f"{name}_{number}")
    return x


def _halve(x: Any, chains: Sequence[Chain], padding: str, name: str) -> Any:
    """Max pool 3x3/2 beside chains whose last convolution has stride 2."""
    branches = [keras.layers.MaxPooling2D(3, 2, padding=padding, name=f"{name}_pool")(x)]
    for number, chain in enumerate(chains, start=1):
        *first, (maps, kernel) = chain
        y = _lay_chain(x, first, f"{name}_branch{number}")
        last = f"{name}_branch{number}_last"
        branches.append(conv_unit(y, maps, kernel, stride=2, padding=padding, name=last))
    return keras.layers.Concatenate(name=f"{name}_join")(branches)


def _pool_branch(x: Any, maps: int, name: str) -> Any:
    x = keras.layers.AveragePooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    return conv_unit(x, maps, 1, name=f"{name}_pool")


def _lay_block(x: Any, chains: Sequence[Chain], pooled: int, name: str) -> Any:
    branches = [_pool_branch(x, pooled, name)]
    branches += [
        _lay_chain(x, chain, f"{name}_branch{number}") for number, chain in enumerate(chains, start=1)
    ]
    return keras.layers.Concatenate(name=f"{name}_join")(branches)


def _lay_block_c(x: Any, name: str) -> Any:
    """Figure 6: two of the branches fork at their ends into 1x3 and 3x1."""
    branches = [_pool_branch(x, 256, name), conv_unit(x, 256, 1, name=f"{name}_branch1_1")]
    chains: tuple[Chain, ...] = ([(384, 1)], [(384, 1), (448, (1, 3)), (512, (3, 1))])
    for number, chain in enumerate(chains, start=2):
        y = _lay_chain(x, chain, f"{name}_branch{number}")
        for kernel in ((1, 3), (3, 1)):
            fork = f"{name}_branch{number}_fork{kernel[0]}x{kernel[1]}"
            branches.append(conv_unit(y, 256, kernel, name=fork))
    return keras.layers.Concatenate(name=f"{name}_join")(branches)
