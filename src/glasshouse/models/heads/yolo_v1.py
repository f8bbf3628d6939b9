"""YOLO, first version: one grid of cells, two boxes with a confidence each and one class map a cell.

After Redmon et al., "You Only Look Once", arXiv:1506.02640. As there, all losses are sums of squares of
linear outputs. Unlike there, a cell can hold two objects: they share its class map and take a box each.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from glasshouse.geometry.grids import grid_points
from glasshouse.models.contracts import Tensors
from glasshouse.models.layers.predictor import flat_predictor
from glasshouse.models.layers.units import conv_unit
from glasshouse.models.lazy import keras, ops
from glasshouse.models.losses.task_aligned import pairwise_iou
from glasshouse.params import FineTuning, Strict

BOXES = 2  # a cell
BOX_WEIGHT, EMPTY_WEIGHT = 5.0, 0.5  # lambda_coord, lambda_noobj: section 2.2


class Params(Strict):
    """`model.head` for `name: yolo_v1`."""

    task: ClassVar[str] = "detect"
    neck: ClassVar[str] = "either"
    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=16, learning_rate=2.0e-3)
    one_size: ClassVar[dict[str, Collection[Any]]] = {"grid": range(1, 65)}  # pooling wants to know the size

    name: Literal["yolo_v1"]
    level: Literal["p3", "p4", "p5"] = "p4"  # the neck's level that the grid stands on: stride 8, 16 or 32
    grid: int = Field(default=0, ge=0, le=64)  # 0: the level's own cells; S: pooled to S x S, 7 in the paper


class Head:
    """Detector head.

    Raw outputs: `boxes` (B, G * 2, 4): centre in its cell, in cells, and the square roots of width and
        height, in pictures; `confidence` (B, G * 2, 1); `classes` (B, G, C). G counts cells row by row.
    """

    outputs = ("boxes", "confidence", "classes")
    terms = ("class", "box", "confidence")

    def __init__(self, params: Params, *, classes: int, height_px: int, width_px: int) -> None:
        """Fix the number of classes C, the size of the input, px, and the grid on it."""
        self.params, self.classes = params, classes
        stride = 2 ** int(params.level[1:])
        own = (-(-height_px // stride), -(-width_px // stride))
        self.grid = (params.grid, params.grid) if params.grid else own  # (rows, columns)
        self.cells_xy = np.array(self.grid[::-1], np.float32)
        self.picture_xy_px = np.array([width_px, height_px], np.float32)

    def build(self, features: Tensors) -> Tensors:
        """Put two branches on the chosen level (B, H, W, F): one for classes, one for boxes.

        The paper has one for both. Where pictures are few, the classes, learnt in few cells, go under in it.
        """
        x = features[self.params.level]
        if tuple(x.shape[1:3]) != self.grid:
            x = keras.layers.AdaptiveAveragePooling2D(self.grid, name="head_pool")(x)
        width = int(x.shape[-1])
        for_class = conv_unit(x, width, 3, name="head_class")
        x = conv_unit(x, width, 3, name="head_box")
        return {
            # Half way across the cell, a quarter of the picture wide and high.
            "boxes": flat_predictor(x, 4, boxes=BOXES, bias=0.5, name="head_boxes"),
            "confidence": flat_predictor(x, 1, boxes=BOXES, name="head_confidence"),
            "classes": flat_predictor(for_class, self.classes, bias=1.0 / self.classes, name="head_classes"),
        }

    def encode(self, labels: Tensors) -> Tensors:
        """Labels `boxes` (B, N, 4) xyxy px and `labels` (B, N), -1 = padding -> what each cell holds.

        An object belongs to the cell that holds its centre, the first two of a cell are kept.

        Returns:
            `boxes` (B, G, 2, 4) as the raw ones, `present` (B, G, 2) 0 or 1, `classes` (B, G, C): an object's
            class 1, those of two objects a half each, unless they are of one.
        """
        rows, columns = self.grid
        boxes, label = ops.cast(labels["boxes"], "float32"), ops.cast(labels["labels"], "int32")
        middle = (boxes[..., :2] + boxes[..., 2:]) / 2 * (self.cells_xy / self.picture_xy_px)  # in cells
        corner = ops.clip(ops.floor(middle), 0.0, self.cells_xy - 1.0)
        cell = ops.cast(corner[..., 1] * columns + corner[..., 0], "int32")
        sides = ops.sqrt(ops.maximum(boxes[..., 2:] - boxes[..., :2], 0.0) / self.picture_xy_px)
        values = ops.concatenate([middle - corner, sides], axis=-1)  # (B, N, 4)

        inside = ops.one_hot(ops.where(label >= 0, cell, -1), rows * columns, dtype="int32")  # (B, N, G)
        order = ops.cumsum(inside, axis=1) * inside  # 1 for the first object of a cell, 2 for the second
        held = ops.stack([order == 1, order == 2], axis=-1)  # (B, N, G, 2)
        owner = ops.reshape(ops.argmax(held, axis=1), (-1, rows * columns * BOXES))
        present = ops.cast(ops.any(held, axis=1), "float32")
        held_boxes = ops.take_along_axis(values, owner[..., None], axis=1)
        one_hot = ops.one_hot(ops.take_along_axis(label, owner, axis=1), self.classes, dtype="float32")
        one_hot = ops.reshape(one_hot, (-1, rows * columns, BOXES, self.classes)) * present[..., None]
        return {
            "boxes": ops.reshape(held_boxes, (-1, rows * columns, BOXES, 4)) * present[..., None],
            "present": present,
            "classes": ops.sum(one_hot, axis=2) / ops.maximum(ops.sum(present, axis=2), 1.0)[..., None],
        }

    def count_lost(self, labels: Tensors) -> Any:
        """Objects of each picture (B,) that share their cell with two others that stand before them."""
        objects = ops.sum(ops.cast(labels["labels"] >= 0, "float32"), axis=1)
        return objects - ops.sum(self.encode(labels)["present"], axis=(1, 2))

    def loss(self, targets: Tensors, raw: Tensors) -> Tensors:
        """Squared errors (equation 3), divided by the mean number of objects in a picture of the batch.

        Of a cell's two boxes the one that overlaps an object more is responsible for it: it learns the
        object's box, and its own overlap as its confidence. The confidence of all others is to be 0.
        """
        cells = self.grid[0] * self.grid[1]
        boxes = ops.reshape(raw["boxes"], (-1, cells, BOXES, 4))
        confidence = ops.reshape(raw["confidence"], (-1, cells, BOXES))
        target, present, overlap = self._responsible(targets, ops.stop_gradient(boxes))
        norm = ops.maximum(ops.mean(ops.sum(present, axis=(1, 2))), 1.0)
        box = ops.sum(present * ops.sum(ops.square(boxes - target), axis=-1), axis=(1, 2))
        weight = present + EMPTY_WEIGHT * (1.0 - present)
        sure = ops.sum(weight * ops.square(confidence - overlap * present), axis=(1, 2))
        occupied = ops.max(present, axis=2)
        wrong = ops.sum(ops.square(raw["classes"] - targets["classes"]), axis=-1)
        return {
            "class": ops.sum(occupied * wrong, axis=1) / norm,
            "box": BOX_WEIGHT * box / norm,
            "confidence": sure / norm,
        }

    def _responsible(self, targets: Tensors, boxes: Any) -> tuple[Any, Any, Any]:
        """Each box's target (B, G, 2, 4), whether it has one, and their IoU (B, G, 2).

        A lone object takes the better box; of two objects' two ways to share, the one of more overlap in all:
        for both, cross over where that overlaps more. Where nothing overlaps, distance decides.
        """
        held, present = targets["boxes"], targets["present"]
        flat, held_flat = (ops.reshape(each, (-1, BOXES, 4)) for each in (boxes, held))
        iou = pairwise_iou(self._to_xyxy(held_flat), self._to_xyxy(flat))  # (B * G, objects, boxes)
        away = ops.sum(ops.square(held_flat[:, :, None] - flat[:, None]), axis=-1)
        fit = (iou - 1e-3 * away / (1.0 + away)) * ops.reshape(present, (-1, BOXES, 1))
        straight, crossed = fit[:, 0, 0] + fit[:, 1, 1], fit[:, 0, 1] + fit[:, 1, 0]
        turn = ops.reshape(crossed > straight, (-1, boxes.shape[1], 1))
        iou = ops.reshape(iou, (-1, boxes.shape[1], BOXES, BOXES))
        along = ops.stack([iou[..., 0, 0], iou[..., 1, 1]], axis=-1)
        across = ops.stack([iou[..., 1, 0], iou[..., 0, 1]], axis=-1)
        return (
            ops.where(turn[..., None], ops.flip(held, axis=2), held),
            ops.where(turn, ops.flip(present, axis=2), present),
            ops.where(turn, across, along),
        )

    def decode(self, raw: Tensors) -> Tensors:
        """Raw outputs -> `boxes` (B, G * 2, 4) xyxy px clipped to the picture and `scores` (B, G * 2, C) in
        0..1: class times confidence, before non-max suppression."""
        rows, columns = self.grid
        centres, _ = grid_points(rows, columns, [1])
        corners = centres.repeat(BOXES, axis=0) - np.float32(0.5)  # (G * 2, 2)
        boxes = self._to_xyxy(raw["boxes"], corners) * np.tile(self.picture_xy_px / self.cells_xy, 2)
        classes = ops.repeat(ops.clip(raw["classes"], 0.0, 1.0), BOXES, axis=1)
        return {
            "boxes": ops.clip(boxes, 0.0, np.tile(self.picture_xy_px, 2)),
            "scores": classes * ops.clip(raw["confidence"], 0.0, 1.0),
        }

    def _to_xyxy(self, boxes: Any, corners: Any = 0.0) -> Any:
        """Raw boxes (..., 4) as xyxy in cells, counted from `corners`."""
        middle = boxes[..., :2] + corners
        half = ops.square(ops.clip(boxes[..., 2:], 0.0, 2.0)) * (self.cells_xy / 2)
        return ops.concatenate([middle - half, middle + half], axis=-1)
