"""One object a picture: its class, its box and, where asked, whether there is any. What `localize` and
`sliding` are made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from pydantic import Field

from glasshouse.models.contracts import Tensors
from glasshouse.models.layers.box_code import (
    BoxLoss,
    activate,
    ciou_error,
    code_error,
    decode_sizes,
    encode_sizes,
    from_centre_size,
    start_bias,
    to_centre_size,
)
from glasshouse.models.layers.pooled import Pool, pool_features
from glasshouse.models.layers.shares import class_shares
from glasshouse.models.lazy import keras, ops
from glasshouse.models.losses.elementwise import binary_cross_entropy
from glasshouse.params import Strict


class OneBoxOptions(Strict):
    """The parameters that heads of one box share. Weights are of the terms of the loss."""

    one_object: ClassVar[bool] = True
    one_size: ClassVar[dict[str, Collection[Any]]] = {"pool": ("flatten",)}

    pool: Pool = "average"
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # share of the pooled features
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    square_root: bool = True  # heights and widths are learned as their roots
    box_loss: BoxLoss = "mse"
    class_weight: float = Field(default=0.8, ge=0.0)
    box_weight: float = Field(default=0.2, ge=0.0)
    objectness_weight: float = Field(default=1.0, ge=0.0)


class OneBox:
    """Raw outputs: `logits` (B, C); `box` (B, 4), see box_code; `objectness` (B, 1), a logit, where asked.

    The largest object of a picture is its target. A picture without objects has neither class nor box, so
    only the objectness learns from it.
    """

    one_object = OneBoxOptions.one_object

    def __init__(
        self, options: OneBoxOptions, *, classes: int, height_px: int, width_px: int, objectness: bool
    ) -> None:
        """Fix the number of classes C, the size of the input, px, and whether there is an objectness."""
        self.options, self.classes, self.objectness = options, classes, objectness
        self.height_px, self.width_px = height_px, width_px
        last = ("objectness",) if objectness else ()
        self.outputs = ("logits", "box", *last)
        self.terms = ("class", "box", *last)

    def build(self, features: Tensors) -> Tensors:
        """Pool the coarsest level (B, H, W, F); every output is a dense layer on the same vector."""
        x = pool_features(features[max(features)], self.options.pool, self.options.dropout)
        widths = {"logits": self.classes, "box": 4, "objectness": 1}
        return {name: self._dense(widths[name], name)(x) for name in self.outputs}

    def _dense(self, units: int, name: str) -> Any:
        bias: Any = "zeros"
        if name == "box":
            start = start_bias(self.options.square_root)
            bias = keras.initializers.Constant(start)
        return keras.layers.Dense(units, bias_initializer=bias, dtype="float32", name=name)

    def encode(self, labels: Tensors) -> Tensors:
        """Labels `boxes` (B, N, 4) xyxy px and `labels` (B, N), -1 = padding -> `one_hot` (B, C), `code`
        (B, 4) and `real` (B,), 0 where there is no object, with the other two then of no meaning."""
        boxes, names = ops.cast(labels["boxes"], "float32"), ops.cast(labels["labels"], "int32")
        is_real = names >= 0  # (B, N)
        area = ops.prod(ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0), axis=-1)
        largest = ops.argmax(ops.where(is_real, area, -1.0), axis=-1)  # of equal ones the first
        chosen = ops.one_hot(largest, boxes.shape[1], dtype="float32")  # (B, N)
        one_hot = ops.sum(
            chosen[..., None] * ops.one_hot(names, self.classes, dtype="float32"), axis=1
        )  # -1 gives zeros
        smooth = self.options.label_smoothing
        return {
            "one_hot": one_hot * (1.0 - smooth) + smooth / self.classes,
            "code": self._encode_boxes(ops.sum(chosen[..., None] * boxes, axis=1)),
            "real": ops.cast(ops.any(is_real, axis=-1), "float32"),
        }

    def _encode_boxes(self, boxes_xyxy_px: Any) -> Any:
        centres, sizes = to_centre_size(boxes_xyxy_px, self.height_px, self.width_px)
        return ops.concatenate([centres, encode_sizes(sizes, self.options.square_root)], axis=-1)

    def loss(self, targets: Tensors, raw: Tensors) -> Tensors:
        """Cross-entropy of the class and error of the box where there is an object; of objectness always."""
        options, real = self.options, targets["real"]
        entropy = -ops.sum(targets["one_hot"] * ops.log_softmax(raw["logits"], axis=-1), axis=-1)
        losses = {
            "class": options.class_weight * entropy * real,
            "box": options.box_weight * self._box_error(activate(raw["box"]), targets["code"], real) * real,
        }
        if self.objectness:
            found = binary_cross_entropy(raw["objectness"][:, 0], real)
            losses["objectness"] = options.objectness_weight * found
        return losses

    def _box_error(self, code: Any, target: Any, real: Any) -> Any:
        if self.options.box_loss != "ciou":
            return code_error(self.options.box_loss, code, target)
        # A box without sides would give gradients that no mask can take out again.
        safe = ops.where(real[:, None] > 0, target, ops.stop_gradient(ops.full_like(target, 0.5)))
        return ciou_error(self._shares(code), self._shares(safe))

    def _shares(self, code: Any) -> Any:
        """Codes (..., 4) -> boxes xyxy in shares of the picture."""
        return from_centre_size(code[..., :2], decode_sizes(code[..., 2:], self.options.square_root))

    def decode(self, raw: Tensors) -> Tensors:
        """Raw outputs -> `boxes` (B, 1, 4) xyxy px clipped to the picture and `scores` (B, 1, C) in 0..1:
        probabilities of the classes, times that of an object where there is an objectness."""
        side = ops.convert_to_tensor([self.width_px, self.height_px] * 2, dtype="float32")
        boxes = ops.clip(self._shares(activate(raw["box"])), 0.0, 1.0) * side
        scores = class_shares(raw["logits"])
        if self.objectness:
            scores = scores * ops.sigmoid(raw["objectness"])
        return {"boxes": boxes[:, None], "scores": scores[:, None]}

    def count_lost(self, labels: Tensors) -> Any:
        """Objects of each picture that are no target, (B,): all but the largest."""
        count = ops.sum(ops.cast(ops.convert_to_tensor(labels["labels"]) >= 0, "int32"), axis=-1)
        return ops.maximum(count - 1, 0)
