"""The inception module: convolutions of several sizes side by side, each behind a 1x1 that narrows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from glasshouse.models.layers.squeeze_excite import SqueezeExcite
from glasshouse.models.lazy import keras


def biased_unit(
    x: Any, filters: int, kernel: int, *, stride: int = 1, padding: str = "same", name: str
) -> Any:
    """Convolution with bias, ReLU, as before batch normalization; the counterpart of `conv_unit`."""
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=padding,
        activation="relu",
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


@dataclass(frozen=True)
class Inception:
    """Four branches, concatenated: 1x1; 1x1 and 3x3; 1x1 and 5x5; 3x3 max pooling and 1x1.

    Source: Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842, figure 2 b, and the columns of
    table 1.

    Args:
        one: maps of the 1x1 branch.
        three: maps of the narrowing 1x1 ("#3x3 reduce") and of the 3x3.
        five: the same for the 5x5.
        pooled: maps of the 1x1 behind the pooling ("pool proj").
        unit: convolution with its activation: `biased_unit` or `conv_unit`.
        excite: squeeze and excitation of the concatenated maps.
    """

    one: int
    three: tuple[int, int]
    five: tuple[int, int]
    pooled: int
    unit: Callable[..., Any] = biased_unit
    excite: SqueezeExcite | None = None

    def __call__(self, x: Any, *, name: str) -> Any:
        """Lay the module on `x` (B, H, W, C); `name` is the prefix of its layers.

        Returns:
            (B, H, W, one + three[1] + five[1] + pooled).
        """
        unit = self.unit
        branches = [unit(x, self.one, 1, name=f"{name}_1x1")]
        for side, (few, many) in ((3, self.three), (5, self.five)):
            y = unit(x, few, 1, name=f"{name}_{side}x{side}_reduce")
            branches.append(unit(y, many, side, name=f"{name}_{side}x{side}"))
        pool = keras.layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
        branches.append(unit(pool, self.pooled, 1, name=f"{name}_pool_proj"))
        x = keras.layers.Concatenate(name=f"{name}_join")(branches)
        return self.excite(x, name=f"{name}_se") if self.excite else x
