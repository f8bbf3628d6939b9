"""Radial basis functions as the output of a classifier: how far a vector is from the code of every class."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


@keras.saving.register_keras_serializable(package="glasshouse")
class RadialBasis(keras.layers.Layer):
    """Minus the squared distance of x to the fixed code of each class: (B, F) -> logits (B, classes).

    Softmax and cross-entropy of these logits are the paper's criterion (equation 9) without its rubbish
    class. The codes are of -1 and +1, drawn at random by a fixed seed: the paper names that as one way, and
    uses drawings of the ten digits itself.

    Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, equation 7.
    """

    def __init__(self, classes: int, **more: Any) -> None:
        """Fix the number of classes."""
        super().__init__(**more)
        self.classes = classes

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Draw the codes."""

        def draw(shape: tuple[int, ...], dtype: str | None = None) -> Any:
            return ops.convert_to_tensor(draw_codes(*shape), dtype=dtype)

        shape = (self.classes, int(input_shape[-1] or 0))
        self.codes = self.add_weight(shape=shape, initializer=draw, trainable=False, name="codes")
        self.built = True

    def call(self, x: Any) -> Any:
        """Measure."""
        return -ops.sum(ops.square(ops.expand_dims(x, 1) - self.codes), axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(B, F) -> (B, classes)."""
        return (*input_shape[:-1], self.classes)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made again from."""
        return {**super().get_config(), "classes": self.classes}


def draw_codes(classes: int, length: int) -> NDArray[np.float32]:
    """(classes, length) of -1 and +1, the same at every call."""
    return np.random.default_rng(1998).choice(np.array([-1, 1], np.float32), size=(classes, length))
