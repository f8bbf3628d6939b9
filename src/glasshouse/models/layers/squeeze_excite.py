"""Squeeze and excitation: what all of a picture says decides how much every map counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glasshouse.models.lazy import keras


@dataclass(frozen=True)
class SqueezeExcite:
    """Global average, dense to C / ratio with ReLU, dense to C with sigmoid, and the maps times that.

    Goes around any unit: a residual one takes it before its addition (`ResidualUnit(excite=...)`), an
    inception module after its concatenation (`Inception(excite=...)`).

    Source: Hu et al., "Squeeze-and-Excitation Networks", arXiv:1709.01507, equations 2 to 4.

    Args:
        ratio: how many times fewer numbers the squeezed vector has; r = 16 in the paper.
    """

    ratio: int = 16

    def __call__(self, x: Any, *, name: str) -> Any:
        """Lay the block on `x` (B, H, W, C); `name` is the prefix of its layers. Returns (B, H, W, C).

        Raises:
            ValueError: fewer maps than the ratio.
        """
        maps = x.shape[-1]
        if maps < self.ratio:
            raise ValueError(f"{name}: {maps} maps cannot be squeezed by {self.ratio}.")
        layers = keras.layers
        squeezed = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)  # (B, 1, 1, C)
        few = layers.Dense(
            maps // self.ratio, activation="relu", kernel_initializer="he_normal", name=f"{name}_reduce"
        )(squeezed)
        gates = layers.Dense(maps, activation="sigmoid", name=f"{name}_excite")(few)
        return layers.Multiply(name=f"{name}_rescale")([x, gates])
