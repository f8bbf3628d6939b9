"""GoogLeNet (Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842, table 1): inception modules.

The table's count lacks the biases: 6.8 million of kernels, 6,998,552 parameters with them.
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.layers.inception import biased_unit
from glasshouse.models.layers.inception_modules import lay_modules
from glasshouse.models.layers.pixels import standardize_rgb
from glasshouse.models.layers.tops import average_classifier, predict_classes
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (224, 224, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level
AUXILIARIES = ("4a", "4d")  # the modules that an auxiliary classifier looks at
LOSS_WEIGHTS = {"predictions": 1.0, "auxiliary_4a": 0.3, "auxiliary_4d": 0.3}  # section 5


class Params(Untrained):
    """`model.backbone` for `name: googlenet`."""

    name: Literal["googlenet"]


def build(pixels: Any, params: Params) -> dict[str, Any]:
    """Build the network on `pixels`.

    Args:
        pixels: (B, H, W, 3), 0..255; standardized by ImageNet's mean and spread (the paper: mean only).
        params: nothing in it changes the shape of the network.

    Returns:
        c2 (B, H/4, W/4, 192), c3 (B, H/8, W/8, 480), c4 (B, H/16, W/16, 832), c5 (B, H/32, W/32, 1024).
    """
    del params
    maps = lay_modules(standardize_rgb(pixels))
    return {"c2": maps["2"], "c3": maps["3b"], "c4": maps["4e"], "c5": maps["5b"]}


def build_classifier(params: Params, classes: int = 1000, *, auxiliary: bool = False) -> Any:
    """The network with the paper's top: pixels (B, 224, 224, 3), 0..255 -> probabilities (B, classes).

    With `auxiliary`, {"predictions", "auxiliary_4a", "auxiliary_4d"}, each (B, classes): two small
    classifiers half-way, thrown away after the training. Compile it with one loss for each and
    `loss_weights=LOSS_WEIGHTS`. They belong to this top: a network with heads of its own has none.
    """
    pixels = keras.Input(INPUT_SIZE_PX, name="pixels")
    del params
    maps = lay_modules(standardize_rgb(pixels))
    model = average_classifier(pixels, maps["5b"], classes, dropout=0.4, name="googlenet")
    if not auxiliary:
        return model
    outputs = {"predictions": model.output}
    for module in AUXILIARIES:
        name = f"auxiliary_{module}"
        outputs[name] = _lay_auxiliary(maps[module], classes, name)
    return keras.Model(pixels, outputs, name="googlenet")


def _lay_auxiliary(x: Any, classes: int, name: str) -> Any:
    """Average pool 5x5/3, 1x1 convolution of 128, dense 1024, dropout 0.7, softmax (section 5)."""
    layers = keras.layers
    x = layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)  # (B, 4, 4, C)
    x = biased_unit(x, 128, 1, name=name)
    x = layers.Flatten(name=f"{name}_flat")(x)
    x = layers.Dense(1024, activation="relu", kernel_initializer="he_normal", name=f"{name}_dense")(x)
    return predict_classes(layers.Dropout(0.7, name=f"{name}_dropout")(x), classes, name=name)
