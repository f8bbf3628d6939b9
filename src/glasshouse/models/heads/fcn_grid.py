"""Grid detector: the localiser's dense layers as convolutions, so that every cell of a feature map names one
object whose centre lies in it.

Per cell a softmax over the classes, a sigmoid objectness, a sigmoid centre within the cell, linear height and
width. `models/convolutional.py` turns a trained `localize` into this form by copying its weights.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

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
from glasshouse.models.layers.predictor import flat_predictor
from glasshouse.models.layers.shares import class_shares
from glasshouse.models.layers.units import conv_unit
from glasshouse.models.lazy import ops
from glasshouse.models.losses.elementwise import binary_cross_entropy
from glasshouse.params import FineTuning, Strict


class Params(Strict):
    """`model.head` for `name: fcn_grid`. Weights are of the terms of the loss."""

    task: ClassVar[str] = "detect"
    neck: ClassVar[str] = "either"
    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=16, learning_rate=2.0e-3)

    name: Literal["fcn_grid"]
    level: Literal["p3", "p4", "p5"] = (
        "p5"  # without a neck the backbone's c3, c4, c5: a cell has 8, 16, 32 px
    )
    channels: int = Field(default=128, ge=8, le=2048)  # of the convolution before the outputs
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    square_root: bool = True  # heights and widths are learned as their roots
    box_loss: BoxLoss = "mse"
    class_weight: float = Field(default=1.0, ge=0.0)
    box_weight: float = Field(default=5.0, ge=0.0)
    objectness_weight: float = Field(default=1.0, ge=0.0)


class Head:
    """Grid detector head.

    Raw outputs over the A cells, row by row: `objectness` (B, A, 1), `logits` (B, A, C), `box` (B, A, 4).
    """

    outputs = ("objectness", "logits", "box")
    terms = ("objectness", "class", "box")

    def __init__(self, params: Params, *, classes: int, height_px: int, width_px: int) -> None:
        """Fix the number of classes C and the size of the input, px; both sides multiples of the cells'."""
        self.params, self.classes = params, classes
        self.height_px, self.width_px = height_px, width_px
        self.stride = 2 ** int(params.level[1:])
        self.rows, self.columns = height_px // self.stride, width_px // self.stride

    def build(self, features: Tensors) -> Tensors:
        """Put one convolution and three 1x1 outputs on the chosen level (B, rows, columns, F)."""
        level = self.params.level
        x = conv_unit(features[level], self.params.channels, 3, name=f"head_{level}")
        start = start_bias(self.params.square_root)
        return {
            "objectness": flat_predictor(x, 1, name="objectness"),
            "logits": flat_predictor(x, self.classes, name="logits"),
            "box": flat_predictor(x, 4, bias=start, name="box"),
        }

    def encode(self, labels: Tensors) -> Tensors:
        """Labels `boxes` (B, N, 4) xyxy px and `labels` (B, N), -1 = padding -> `real` (B, A), `one_hot`
        (B, A, C) and `code` (B, A, 4), zeros where `real` is.

        An object belongs to the cell of its centre; of several in one cell the largest stays.
        """
        boxes, names = ops.cast(labels["boxes"], "float32"), ops.cast(labels["labels"], "int32")
        owns = self._owners(boxes, names)  # (B, N, A) 0/1
        centres, sizes = to_centre_size(boxes, self.height_px, self.width_px)
        cells = centres * ops.convert_to_tensor([self.columns, self.rows], dtype="float32")
        code = ops.concatenate(
            [cells - self._cell_xy(boxes), encode_sizes(sizes, self.params.square_root)], axis=-1
        )
        one_hot, smooth = ops.one_hot(names, self.classes, dtype="float32"), self.params.label_smoothing
        to_cells = ops.transpose(owns, (0, 2, 1))
        return {
            "real": ops.sum(owns, axis=1),
            "one_hot": ops.matmul(to_cells, one_hot * (1.0 - smooth) + smooth / self.classes),
            "code": ops.matmul(to_cells, code),
        }

    def _cell_xy(self, boxes_xyxy_px: Any) -> Any:
        """Column and row of the cells that hold the centres, (B, N, 2) whole float32."""
        cells = ops.floor((boxes_xyxy_px[..., :2] + boxes_xyxy_px[..., 2:]) / 2 / self.stride)
        last = ops.convert_to_tensor([self.columns - 1, self.rows - 1], dtype="float32")
        return ops.clip(cells, 0.0, last)

    def _owners(self, boxes_xyxy_px: Any, names: Any) -> Any:
        """Which object owns which cell, (B, N, A) 0/1: the largest of those with their centre in it."""
        xy = self._cell_xy(boxes_xyxy_px)
        cell = ops.cast(xy[..., 1] * self.columns + xy[..., 0], "int32")
        is_real = ops.cast(names >= 0, "float32")[..., None]
        wants = ops.one_hot(cell, self.rows * self.columns, dtype="float32") * is_real  # (B, N, A)
        area = ops.prod(ops.maximum(boxes_xyxy_px[..., 2:] - boxes_xyxy_px[..., :2], 0.0), axis=-1)
        winner = ops.argmax(wants * (area[..., None] + 1.0), axis=1)  # (B, A); of equal ones the first
        return wants * ops.one_hot(winner, boxes_xyxy_px.shape[1], axis=1, dtype="float32")

    def loss(self, targets: Tensors, raw: Tensors) -> Tensors:
        """Objectness over all cells, class and box over those with an object.

        All are divided by the mean number of objects in a picture of the batch, so that crowded batches do
        not take larger steps.
        """
        params, real = self.params, targets["real"]
        norm = ops.maximum(ops.mean(ops.sum(real, axis=-1)), 1.0)
        entropy = -ops.sum(targets["one_hot"] * ops.log_softmax(raw["logits"], axis=-1), axis=-1)
        error = self._box_error(activate(raw["box"]), targets["code"], real)
        weighted = {
            "objectness": params.objectness_weight * binary_cross_entropy(raw["objectness"][..., 0], real),
            "class": params.class_weight * entropy * real,
            "box": params.box_weight * error * real,
        }
        return {name: ops.sum(value, axis=-1) / norm for name, value in weighted.items()}

    def _box_error(self, code: Any, target: Any, real: Any) -> Any:
        if self.params.box_loss != "ciou":
            return code_error(self.params.box_loss, code, target)
        # A box without sides would give gradients that no mask can take out again.
        safe = ops.where(real[..., None] > 0, target, ops.stop_gradient(ops.full_like(target, 0.5)))
        return ciou_error(self._shares(code), self._shares(safe))

    def _shares(self, code: Any) -> Any:
        """Codes (B, A, 4) -> boxes xyxy in shares of the picture."""
        y, x = ops.meshgrid(ops.arange(self.rows), ops.arange(self.columns), indexing="ij")
        cell = ops.cast(ops.reshape(ops.stack([x, y], axis=-1), (-1, 2)), "float32")  # (A, 2)
        grid = ops.convert_to_tensor([self.columns, self.rows], dtype="float32")
        sizes = decode_sizes(code[..., 2:], self.params.square_root)
        return from_centre_size((cell + code[..., :2]) / grid, sizes)

    def decode(self, raw: Tensors) -> Tensors:
        """Raw outputs -> `boxes` (B, A, 4) xyxy px clipped to the picture and `scores` (B, A, C) in 0..1, the
        probability of an object times that of its class; before non-max suppression."""
        side = ops.convert_to_tensor([self.width_px, self.height_px] * 2, dtype="float32")
        return {
            "boxes": ops.clip(self._shares(activate(raw["box"])), 0.0, 1.0) * side,
            "scores": class_shares(raw["logits"]) * ops.sigmoid(raw["objectness"]),
        }

    def count_lost(self, labels: Tensors) -> Any:
        """Objects of each picture that are no target, (B,): a larger one has its centre in the same cell."""
        boxes, names = ops.cast(labels["boxes"], "float32"), ops.cast(labels["labels"], "int32")
        kept = ops.sum(self._owners(boxes, names), axis=(1, 2))
        return ops.sum(ops.cast(names >= 0, "int32"), axis=-1) - ops.cast(kept, "int32")
