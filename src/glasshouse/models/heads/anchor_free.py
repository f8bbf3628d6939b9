"""Anchor-free detector: every cell of every level predicts class scores and the distances to the four sides
of one box.

After Tian et al., "FCOS", arXiv:1904.01355 (distances, exp scaling), Feng et al., "TOOD", arXiv:2108.07755
(assignment, soft targets) and Zheng et al., "Distance-IoU loss", arXiv:1911.08287 (CIoU).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from glasshouse.geometry.grids import grid_points
from glasshouse.models.contracts import Tensors
from glasshouse.models.layers.units import conv_unit
from glasshouse.models.lazy import keras, ops
from glasshouse.models.losses.task_aligned import assign
from glasshouse.params import FineTuning, Strict

PRIOR_SCORE = 0.01  # of every class at the start (Lin et al., "Focal loss", arXiv:1708.02002, section 3.3)
BOX_WEIGHT, CLASS_WEIGHT = 7.5, 0.5
REACH = 0.6  # of the finest stride: even the smallest object holds the centre of one cell


class Params(Strict):
    """`model.head` for `name: anchor_free`."""

    task: ClassVar[str] = "detect"
    neck: ClassVar[str] = "either"
    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=10, learning_rate=6.0e-3)

    name: Literal["anchor_free"]


class Head:
    """Detector head.

    Raw outputs: `distances` (B, A, 4), log of left, top, right, bottom in strides; `logits` (B, A, C). A
        counts the cells of all levels, finest first.
    """

    outputs = ("distances", "logits")
    terms = ("class", "box")

    def __init__(self, params: Params, *, classes: int, height_px: int, width_px: int) -> None:
        """Fix the number of classes C and the size of the input, px."""
        del params
        self.classes, self.height_px, self.width_px = classes, height_px, width_px
        self._strides: tuple[int, ...] = ()

    def build(self, features: Tensors) -> Tensors:
        """Put two branches on each level (B, H_l, W_l, F): one for classes, one for boxes."""
        self._strides = tuple(2 ** int(name[1:]) for name in sorted(features))
        boxes, logits = [], []
        for name in sorted(features):
            x = features[name]
            width = int(x.shape[-1])
            for_class = conv_unit(x, width, 3, name=f"head_{name}_class")
            for_box = conv_unit(x, width, 3, name=f"head_{name}_box")
            logits.append(
                self._predictor(
                    for_class, self.classes, -math.log(1 / PRIOR_SCORE - 1), f"head_{name}_logits"
                )
            )
            boxes.append(self._predictor(for_box, 4, math.log(2.0), f"head_{name}_distances"))
        join = keras.layers.Concatenate
        return {
            "distances": join(axis=1, dtype="float32", name="distances")(boxes),
            "logits": join(axis=1, dtype="float32", name="logits")(logits),
        }

    def _predictor(self, x: Any, outputs: int, bias: float, name: str) -> Any:
        x = keras.layers.Conv2D(
            outputs,
            1,
            bias_initializer=keras.initializers.Constant(bias),
            name=name,
        )(x)
        return keras.layers.Reshape((-1, outputs), dtype="float32", name=f"{name}_flat")(
            x
        )  # (B, H_l * W_l, outputs)

    def encode(self, labels: Tensors) -> Tensors:
        """Labels `boxes` (B, N, 4) xyxy px and `labels` (B, N), -1 = padding -> `boxes` and `one_hot` (B, N,
        C).

        The assignment of objects to cells depends on what the network already predicts, so it is made in
        `loss`.
        """
        one_hot = ops.one_hot(
            ops.cast(labels["labels"], "int32"), self.classes, dtype="float32"
        )  # -1 gives a row of zeros
        return {"boxes": ops.cast(labels["boxes"], "float32"), "one_hot": one_hot}

    def loss(self, targets: Tensors, raw: Tensors) -> Tensors:
        """Soft-target cross-entropy over all cells, 1 - CIoU over the assigned ones.

        Both are divided by the mean over the batch of the summed target scores, so that crowded batches do
        not take larger steps.
        """
        boxes, logits = self._boxes(raw), raw["logits"]
        centres, strides = self._grid()
        target_boxes, target_scores, _ = assign(
            ops.stop_gradient(ops.sigmoid(logits)),
            ops.stop_gradient(boxes),
            centres,
            targets["boxes"],
            targets["one_hot"],
            reach_px=REACH * min(self._strides),
        )
        target_scores = ops.stop_gradient(target_scores)
        weight = ops.sum(target_scores, axis=-1)  # (B, A)
        norm = ops.maximum(ops.mean(ops.sum(weight, axis=-1)), 1.0)
        entropy = ops.maximum(logits, 0.0) - logits * target_scores + ops.log1p(ops.exp(-ops.abs(logits)))
        safe = ops.where(weight[..., None] > 0, ops.stop_gradient(target_boxes), ops.stop_gradient(boxes))
        ciou = keras.utils.bounding_boxes.compute_ciou(boxes / strides, safe / strides, "xyxy")
        return {
            "class": CLASS_WEIGHT * ops.sum(entropy, axis=(1, 2)) / norm,
            "box": BOX_WEIGHT * ops.sum((1.0 - ciou) * weight, axis=1) / norm,
        }

    def decode(self, raw: Tensors) -> Tensors:
        """Raw outputs -> `boxes` (B, A, 4) xyxy px clipped to the picture and `scores` (B, A, C) in 0..1,
        before non-max suppression."""
        low, high = ops.zeros(4), ops.convert_to_tensor([self.width_px, self.height_px] * 2, dtype="float32")
        return {"boxes": ops.clip(self._boxes(raw), low, high), "scores": ops.sigmoid(raw["logits"])}

    def _grid(self) -> tuple[Any, Any]:
        centres, strides = grid_points(self.height_px, self.width_px, self._strides)
        return ops.convert_to_tensor(centres), ops.convert_to_tensor(strides)

    def _boxes(self, raw: Tensors) -> Any:
        """xyxy px, (B, A, 4)."""
        centres, strides = self._grid()
        distances = ops.exp(ops.clip(raw["distances"], -6.0, 6.0)) * strides
        return ops.concatenate([centres - distances[..., :2], centres + distances[..., 2:]], axis=-1)
