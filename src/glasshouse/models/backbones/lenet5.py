"""LeNet-5 (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, figure 2), as the
text has it: every map of C3 sees all of S2, pooling is a plain average, the output a softmax.

Colour is turned into grey. C5 and F6 are convolutions, so that pictures of any size do: at 32 px they are the
paper's dense layers, weight for weight.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from glasshouse.models.layers.pixels import to_grey
from glasshouse.models.layers.tops import predict_classes
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (32, 32, 1)
MIN_SIZE_PX = 32  # F6 is one place
SQUASH = (2 / 3, 1.7159)  # S and A of A tanh(S a), the paper's appendix A


class Params(Untrained):
    """`model.backbone` for `name: lenet5`."""

    pyramid: ClassVar[bool] = False  # its coarsest stride is 4

    name: Literal["lenet5"]
    pooling: Literal["average", "trainable"] = "average"  # trainable: times a coefficient, plus a bias, tanh
    pad_px: int = Field(default=0, ge=0, le=16)  # zeros at each side: 2 makes MNIST's 28 px the paper's 32


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 1 or 3), 0..255; scaled to -0.1..1.175, so that pictures with a black background
            have a mean near 0 and a variance near 1.
        params: padding and kind of pooling.

    Returns:
        c1, C3 at stride 2, (B, H/2 - 6, W/2 - 6, 16), and c2, F6 at stride 4, (B, H/4 - 7, W/4 - 7, 84).
    """
    layers = keras.layers
    x = to_grey(pixels)
    if params.pad_px:
        x = layers.ZeroPadding2D(params.pad_px, name="pad")(x)
    x = layers.Rescaling(1.275 / 255, offset=-0.1, name="rescale")(x)
    x = layers.Conv2D(6, 5, activation="tanh", name="block1_conv")(x)  # C1 (B, 28, 28, 6)
    x = _pool(x, params, "block1_pool")  # S2 (B, 14, 14, 6)
    c1 = x = layers.Conv2D(16, 5, activation="tanh", name="block2_conv")(x)  # C3 (B, 10, 10, 16)
    x = _pool(x, params, "block2_pool")  # S4 (B, 5, 5, 16)
    x = layers.Conv2D(120, 5, activation="tanh", name="block3_conv")(x)  # C5 (B, 1, 1, 120)
    c2 = layers.Conv2D(84, 1, activation="tanh", name="block4_conv")(x)  # F6 (B, 1, 1, 84)
    return {"c1": c1, "c2": c2}


def _pool(x: Any, params: Params, name: str) -> Any:
    """Average of 2x2; trainable: with a coefficient and a bias for each map, and tanh."""
    layers = keras.layers
    x = layers.AveragePooling2D(2, name=name)(x)
    if params.pooling == "average":
        return x
    return layers.DepthwiseConv2D(
        1, depthwise_initializer="ones", activation="tanh", name=f"{name}_coefficient"
    )(x)


def build_classifier(params: Params, classes: int = 10, *, rbf: bool = False) -> Any:
    """The network with the paper's top: pixels (B, 32, 32, 1), 0..255 -> probabilities (B, classes).

    The sides are smaller by twice `params.pad_px`. With `rbf` the output measures how far F6, squashed as in
    the paper so that it can reach -1 and +1, is from a fixed code of each class.
    """
    side = INPUT_SIZE_PX[0] - 2 * params.pad_px
    pixels = keras.Input((side, side, INPUT_SIZE_PX[2]), name="pixels")
    network = keras.Model(pixels, build(pixels, params)["c2"])
    if not rbf:
        x = keras.layers.Flatten(name="top_flat")(network.output)
        return keras.Model(pixels, predict_classes(x, classes), name="lenet5")
    return keras.Model(pixels, _measure(network, classes), name="lenet5")


def _measure(network: Any, classes: int) -> Any:
    """F6 with the paper's squashing, and the distances to the codes as probabilities."""
    from glasshouse.models.layers.radial import RadialBasis

    layers = keras.layers
    x = network.get_layer("block3_conv").output
    x = layers.Flatten(name="top_flat")(layers.Conv2D(84, 1, name="block4_conv")(x))
    x = layers.Activation("tanh", name="block4_tanh")(layers.Rescaling(SQUASH[0], name="block4_slope")(x))
    x = layers.Rescaling(SQUASH[1], name="block4_amplitude")(x)
    x = RadialBasis(classes, dtype="float32", name="distances")(x)
    return layers.Softmax(dtype="float32", name="predictions")(x)
