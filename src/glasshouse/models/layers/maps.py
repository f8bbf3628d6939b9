"""Layers that look across neighbouring maps instead of neighbouring places."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="glasshouse")
class LocalResponseNormalization(keras.layers.Layer):
    """A strong answer at one place subdues the same place in neighbouring maps.

    b_i = a_i / (bias + alpha * sum of a_j^2)^beta, over the maps j from i - depth_radius to i + depth_radius.

    `depth_radius` is TensorFlow's: radius 5 is a window of 11 maps, fewer at either end. The paper counts the
    window instead: its n = 5 is `depth_radius` 2. Its alpha multiplies the sum, as here; Caffe and PyTorch
    multiply the mean, so that their alpha is that of here times their window.

    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", section 3.3.

    (B, H, W, C) -> (B, H, W, C), computed in float32.
    """

    def __init__(
        self,
        depth_radius: int = 5,
        bias: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **more: Any,
    ) -> None:
        """Fix the radius (maps to either side, at least 0) and the constants.

        Raises:
            ValueError: a negative radius, or a bias that is not positive: silent places would divide by 0.
        """
        super().__init__(**more)
        if depth_radius < 0:
            raise ValueError(f"depth_radius must be at least 0. Got {depth_radius} instead.")
        if bias <= 0:
            raise ValueError(f"bias must be positive. Got {bias} instead.")
        self.depth_radius, self.bias, self.alpha, self.beta = depth_radius, bias, alpha, beta

    def call(self, x: Any) -> Any:
        """Normalize."""
        wide = ops.cast(x, "float32")
        radius, maps = self.depth_radius, x.shape[-1]
        squares = ops.pad(ops.square(wide), [(0, 0)] * (len(x.shape) - 1) + [(radius, radius)])
        total = squares[..., :maps]
        for offset in range(1, 2 * radius + 1):
            total = total + squares[..., offset : offset + maps]
        return ops.cast(wide * ops.power(self.bias + self.alpha * total, -self.beta), x.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What the layer is made again from."""
        own = {name: getattr(self, name) for name in ("depth_radius", "bias", "alpha", "beta")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="glasshouse")
class DepthPool(keras.layers.Layer):
    """Depth-wise max pooling: the largest of every `pool_size` neighbouring maps.

    A network can learn to see past a rotation, or whatever else its maps are variants of.

    Maps are reshaped into groups, so that it runs on CPU, GPU and every backend: TensorFlow's own depth-wise
    pooling kernel is for CPUs only.

    (B, ..., C) -> (B, ..., C / pool_size), stride = pool size.
    """

    def __init__(self, pool_size: int = 2, **more: Any) -> None:
        """Fix how many maps become one; at least 1.

        Raises:
            ValueError: a smaller `pool_size`, or, once it is called, maps that it does not divide.
        """
        super().__init__(**more)
        if pool_size < 1:
            raise ValueError(f"pool_size must be at least 1. Got {pool_size} instead.")
        self.pool_size = pool_size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Refuse maps that do not fall into whole groups."""
        if not input_shape[-1] or input_shape[-1] % self.pool_size:
            raise ValueError(
                f"The number of maps must be a multiple of pool_size {self.pool_size}. "
                f"Got {input_shape[-1]} instead."
            )
        self.built = True

    def call(self, x: Any) -> Any:
        """Pool."""
        sides = ops.shape(x)[:-1]
        groups = ops.reshape(x, (*sides, x.shape[-1] // self.pool_size, self.pool_size))
        return ops.max(groups, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(..., C) -> (..., C / pool_size)."""
        return (*input_shape[:-1], int(input_shape[-1] or 0) // self.pool_size)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made again from."""
        return {**super().get_config(), "pool_size": self.pool_size}
