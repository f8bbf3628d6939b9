"""Localiser: a classifier with a second dense output of four numbers, one box a picture.

The text's step from classification to detection. A picture with several objects is asked for its largest.
One without any is left out of the loss, unless `objectness` is on: then it teaches that nothing is there.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from glasshouse.models.layers.one_box import OneBox, OneBoxOptions
from glasshouse.params import FineTuning


class Params(OneBoxOptions):
    """`model.head` for `name: localize`."""

    task: ClassVar[str] = "localize"
    neck: ClassVar[str] = "either"
    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=16, learning_rate=2.0e-3)

    name: Literal["localize"]
    objectness: bool = False  # a third output: is there an object at all


class Head(OneBox):
    """Localiser head; outputs, targets, loss and decoding are those of `OneBox`."""

    def __init__(self, params: Params, *, classes: int, height_px: int, width_px: int) -> None:
        """Fix the number of classes C and the size of the input, px."""
        super().__init__(
            params, classes=classes, height_px=height_px, width_px=width_px, objectness=params.objectness
        )
