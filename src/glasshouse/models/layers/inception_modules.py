"""GoogLeNet's stem and nine inception modules (Szegedy et al., arXiv:1409.4842, table 1), which SE-Inception
takes too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glasshouse.models.layers.inception import Inception, biased_unit
from glasshouse.models.layers.squeeze_excite import SqueezeExcite
from glasshouse.models.lazy import keras

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
