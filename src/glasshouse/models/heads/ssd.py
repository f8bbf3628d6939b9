"""SSD: offsets from default boxes of several shapes on every cell of every stride, and one softmax over the
classes and background.

After Liu et al., "SSD: Single Shot MultiBox Detector", arXiv:1512.02325.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from glasshouse.geometry.anchors import Floats, describe_anchors, lay_boxes, shape_default_boxes
from glasshouse.models.contracts import Tensors
from glasshouse.models.layers.predictor import flat_predictor
from glasshouse.models.layers.units import conv_unit
from glasshouse.models.lazy import keras, ops
from glasshouse.models.losses.default_boxes import match, mine_negatives
from glasshouse.models.losses.elementwise import smooth_l1
from glasshouse.models.losses.task_aligned import pairwise_iou
from glasshouse.params import FineTuning, Strict
from glasshouse.params.strict import FromList, OpenShare

STRIDES = (8, 16, 32)  # of the neck's levels
# Offsets are divided by these, so that they spread like class scores.
VARIANCES = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
NEGATIVES = 3  # mined for every positive box
PRIOR_SCORE = 0.1  # of all classes together at the start
STRETCH = 4.0  # largest log of a size relative to its default box
SMALLEST_PX = 0.1  # sides of objects are taken to be so long at least, for their logarithm


class Params(Strict):
    """`model.head` for `name: ssd`."""

    task: ClassVar[str] = "detect"
    neck: ClassVar[str] = "either"
    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=12, learning_rate=6.0e-3)

    name: Literal["ssd"]
    smallest: OpenShare = (
        0.1  # side of the finest level's default squares, share of the picture's shorter side
    )
    largest: OpenShare = 0.8  # of the coarsest level's
    # each adds a wide and a tall box to the two squares
    aspect_ratios: Annotated[tuple[Annotated[float, Field(gt=1, le=10)], ...], FromList] = (2.0,)
    match_iou: OpenShare = 0.5  # a default box that overlaps an object so much learns it

    @field_validator("largest")
    @classmethod
    def _check_largest(cls, largest: float, info: ValidationInfo) -> float:
        if largest <= info.data.get("smallest", 0.0):
            raise ValueError("must be above smallest")
        return largest


def shape_levels(params: Params, size: tuple[int, int]) -> list[Floats]:
    """Widths and heights (n, 2) px of each level's default boxes in pictures of `size` (height, width).

    The paper's scales rise by equal steps over six levels. Over three that leaves sizes between them that no
    default box overlaps by half; equal factors do not.
    """
    scales = np.geomspace(params.smallest, params.largest, len(STRIDES)).tolist()
    return [each * min(size) for each in shape_default_boxes(scales, params.aspect_ratios)]


def learn_priors(
    params: Params,
    boxes_xyxy_px: NDArray[np.floating[Any]],
    classes: NDArray[np.integer[Any]],
    size: tuple[int, int],
    seed: int,
) -> dict[str, Any] | None:
    """How the default boxes meet the training boxes (N, 4), for the report (`describe_anchors`); the head is
    the same whatever they are. None without boxes."""
    del classes, seed
    boxes, shapes = np.asarray(boxes_xyxy_px, np.float64), shape_levels(params, size)
    if not len(boxes):
        return None
    strides = np.repeat(STRIDES, [len(each) for each in shapes]).tolist()
    sides = boxes[:, 2:] - boxes[:, :2]
    return describe_anchors(sides, np.round(np.concatenate(shapes), 2), strides) | {"size_px": list(size)}


class Head:
    """Detector head.

    Raw outputs: `offsets` (B, A, 4): of the centre, in sides of the default box, and logs of width and height
        relative to it, each divided by its variance; `logits` (B, A, 1 + C), background first. A counts the
        default boxes of all cells of all levels, finest first.
    """

    outputs = ("offsets", "logits")
    terms = ("class", "box")

    def __init__(
        self, params: Params, *, classes: int, height_px: int, width_px: int, priors: Any = None
    ) -> None:
        """Fix the number of classes C, the size of the input, px, and the default boxes on it."""
        del priors  # they only describe
        self.params, self.classes, self.size = params, classes, (height_px, width_px)
        shapes = shape_levels(params, self.size)
        self.shapes = len(shapes[0])
        # (A, 4) centre x, centre y, width, height
        self.defaults: NDArray[np.float32] = lay_boxes(height_px, width_px, STRIDES, shapes)

    def build(self, features: Tensors) -> Tensors:
        """Put one branch on each level (B, H_l, W_l, F)."""
        background = math.log(self.classes * (1 - PRIOR_SCORE) / PRIOR_SCORE)
        offsets, logits = [], []
        for name in sorted(features):
            x = conv_unit(features[name], int(features[name].shape[-1]), 3, name=f"head_{name}")
            offsets.append(flat_predictor(x, 4, boxes=self.shapes, name=f"head_{name}_offsets"))
            bias = [background] + [0.0] * self.classes
            logits.append(
                flat_predictor(x, len(bias), boxes=self.shapes, bias=bias, name=f"head_{name}_logits")
            )
        join = keras.layers.Concatenate
        return {
            "offsets": join(axis=1, dtype="float32", name="offsets")(offsets),
            "logits": join(axis=1, dtype="float32", name="logits")(logits),
        }

    def encode(self, labels: Tensors) -> Tensors:
        """Labels `boxes` (B, N, 4) xyxy px and `labels` (B, N), -1 = padding -> what each default box learns.

        Returns:
            `offsets` (B, A, 4) as the raw ones, 0 for background, and `label` (B, A) int32: 0 for background,
            else 1 + class.
        """
        boxes, label = ops.cast(labels["boxes"], "float32"), ops.cast(labels["labels"], "int32")
        middle, half = self.defaults[:, :2], self.defaults[:, 2:] / 2
        laid = np.concatenate([middle - half, middle + half], axis=1)[None]
        owner = match(pairwise_iou(boxes, laid), label >= 0, threshold=self.params.match_iou)
        is_object, row = owner >= 0, ops.maximum(owner, 0)
        mine = ops.take_along_axis(boxes, row[..., None], axis=1)  # (B, A, 4)
        sides = ops.maximum(mine[..., 2:] - mine[..., :2], SMALLEST_PX)
        shift = ((mine[..., :2] + mine[..., 2:]) / 2 - middle) / self.defaults[:, 2:]
        offsets = ops.concatenate([shift, ops.log(sides / self.defaults[:, 2:])], axis=-1) / VARIANCES
        return {
            "offsets": ops.where(is_object[..., None], offsets, 0.0),
            "label": ops.where(is_object, 1 + ops.take_along_axis(label, row, axis=1), 0),
        }

    def loss(self, targets: Tensors, raw: Tensors) -> Tensors:
        """Smooth L1 of matched boxes' offsets; cross-entropy of these and of the hardest of the others.

        Both are divided by the mean number of matched boxes in a picture of the batch.
        """
        positive = targets["label"] > 0  # (B, A)
        norm = ops.maximum(ops.mean(ops.sum(ops.cast(positive, "float32"), axis=1)), 1.0)
        one_hot = ops.one_hot(targets["label"], 1 + self.classes, dtype="float32")
        log_shares = ops.log_softmax(raw["logits"], axis=-1)
        as_background = ops.stop_gradient(-log_shares[..., 0])
        mined = mine_negatives(as_background, positive, ratio=NEGATIVES)
        wrong = -ops.sum(one_hot * log_shares, axis=-1)
        away = ops.sum(smooth_l1(raw["offsets"] - targets["offsets"]), axis=-1)
        return {
            "class": ops.sum(ops.where(ops.logical_or(positive, mined), wrong, 0.0), axis=1) / norm,
            "box": ops.sum(ops.where(positive, away, 0.0), axis=1) / norm,
        }

    def decode(self, raw: Tensors) -> Tensors:
        """Raw outputs -> `boxes` (B, A, 4) xyxy px clipped to the picture and `scores` (B, A, C) in 0..1,
        before non-max suppression."""
        offsets = raw["offsets"] * VARIANCES
        middle, sides = self.defaults[:, :2], self.defaults[:, 2:]
        middle = middle + ops.clip(offsets[..., :2], -100.0, 100.0) * sides
        half = ops.exp(ops.clip(offsets[..., 2:], -STRETCH, STRETCH)) * sides / 2
        boxes = ops.concatenate([middle - half, middle + half], axis=-1)
        height, width = self.size
        high = np.array([width, height] * 2, np.float32)
        return {
            "boxes": ops.clip(boxes, 0.0, high),
            "scores": ops.softmax(raw["logits"], axis=-1)[..., 1:],
        }
