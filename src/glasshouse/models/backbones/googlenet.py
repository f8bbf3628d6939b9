"""GoogLeNet (Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842, table 1): inception modules.

The table's count lacks the biases: 6.8 million of kernels, 6,998,552 parameters with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from glasshouse.models.layers.inception import Inception, biased_unit
from glasshouse.models.layers.pixels import standardize_rgb
from glasshouse.models.layers.squeeze_excite import SqueezeExcite
from glasshouse.models.layers.tops import average_classifier, predict_classes
from glasshouse.models.lazy import keras
from glasshouse.models.untrained import Untrained

INPUT_SIZE_PX = (224, 224, 3)
MIN_SIZE_PX = 32  # one place at the coarsest level
# Columns of table 1: 1x1, (3x3 reduce, 3x3), (5x5 reduce, 5x5), pool proj.
Module = tuple[int, tuple[int, int], tuple[int, int], int]
MODULES: dict[str, Module] = {
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}
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


def lay_modules(
    pixels: Any,
    *,
    unit: Callable[..., Any] = biased_unit,
    excite: SqueezeExcite | None = None,
    respond: bool = True,
) -> dict[str, Any]:
    """Stem and nine modules.

    Args:
        pixels: (B, H, W, 3), scaled.
        unit: convolution with its activation.
        excite: squeeze and excitation of every module's output.
        respond: whether the stem has its two local response normalizations.

    Returns:
        Maps of the stem, "2", and of the modules "3a" to "5b".
    """
    from glasshouse.models.layers.maps import LocalResponseNormalization

    def pool(x: Any, name: str) -> Any:
        return keras.layers.MaxPooling2D(3, 2, padding="same", name=name)(x)

    def normalize(x: Any, name: str) -> Any:
        # The paper gives no constants: these are of the Caffe model, whose alpha 1e-4 is of the mean of 5.
        return LocalResponseNormalization(2, bias=1.0, alpha=2e-5, beta=0.75, name=name)(x) if respond else x

    x = unit(pixels, 64, 7, stride=2, name="block1")  # (B, H/2, W/2, 64)
    x = normalize(pool(x, "block1_pool"), "block1_lrn")
    x = unit(x, 64, 1, name="block2_reduce")
    x = normalize(unit(x, 192, 3, name="block2"), "block2_lrn")
    maps = {"2": x}
    for name, columns in MODULES.items():
        if name.endswith("a"):
            x = pool(x, f"pool{name[0]}")
        maps[name] = x = Inception(*columns, unit=unit, excite=excite)(x, name=f"inception{name}")
    return maps
