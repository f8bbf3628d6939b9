"""Classifier: global average pool, dense softmax (the text's head for transfer learning)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Literal

from pydantic import Field

from glasshouse.models.contracts import Tensors
from glasshouse.models.layers.pooled import Pool, pool_features
from glasshouse.models.layers.shares import class_shares
from glasshouse.models.lazy import keras, ops
from glasshouse.params import FineTuning, Strict


class Params(Strict):
    """`model.head` for `name: classify`."""

    task: ClassVar[str] = "classify"
    neck: ClassVar[str] = "either"
    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=20, learning_rate=1.0e-3)
    one_object: ClassVar[bool] = True
    one_size: ClassVar[dict[str, Collection[Any]]] = {"pool": ("flatten",)}

    name: Literal["classify"]
    pool: Pool = "average"
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # share of the pooled features
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)


class Head:
    """Classifier head. Raw output: `logits` (B, C)."""

    outputs = ("logits",)
    terms = ("class",)
    one_object = Params.one_object

    def __init__(self, params: Params, *, classes: int, height_px: int, width_px: int) -> None:
        """Fix the number of classes C; the size of the input does not matter."""
        del height_px, width_px
        self.params, self.classes = params, classes

    def build(self, features: Tensors) -> Tensors:
        """Pool the coarsest level (B, H, W, F) and classify it."""
        x = pool_features(features[max(features)], self.params.pool, self.params.dropout)
        return {"logits": keras.layers.Dense(self.classes, dtype="float32", name="logits")(x)}

    def encode(self, labels: Tensors) -> Tensors:
        """Labels `label` (B,) class index -> `one_hot` (B, C), smoothed if so asked."""
        one_hot = ops.one_hot(ops.cast(labels["label"], "int32"), self.classes, dtype="float32")
        smooth = self.params.label_smoothing
        return {"one_hot": one_hot * (1.0 - smooth) + smooth / self.classes}

    def loss(self, targets: Tensors, raw: Tensors) -> Tensors:
        """Cross-entropy (B,)."""
        return {"class": -ops.sum(targets["one_hot"] * ops.log_softmax(raw["logits"], axis=-1), axis=-1)}

    def decode(self, raw: Tensors) -> Tensors:
        """Raw outputs -> `probabilities` (B, C)."""
        return {"probabilities": class_shares(raw["logits"])}
