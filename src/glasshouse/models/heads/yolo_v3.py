"""YOLO, third version: three strides, sizes relative to anchors taken from the data, independent classes.

After Redmon and Farhadi, "YOLOv3: An Incremental Improvement", arXiv:1804.02767; anchors as in their
"YOLO9000", arXiv:1612.08242.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from glasshouse.geometry.anchors import (
    choose_count,
    compare_counts,
    describe_anchors,
    fit_anchors,
    lay_boxes,
    sort_anchors,
    weigh_classes,
)
from glasshouse.models.contracts import Tensors
from glasshouse.models.layers.predictor import flat_predictor
from glasshouse.models.layers.units import conv_unit
from glasshouse.models.lazy import keras, ops
from glasshouse.models.losses.elementwise import binary_cross_entropy
from glasshouse.models.losses.task_aligned import pairwise_iou
from glasshouse.params import FineTuning, Strict
from glasshouse.params.strict import Share

STRIDES = (8, 16, 32)  # of the neck's levels
COUNTS = (3, 6, 9, 12, 15)  # of anchors, among which `auto` chooses
GAIN = 0.02  # average IoU that three anchors more must bring
PRIOR_SCORE = 0.01  # of objectness at the start
BOX_WEIGHT = 2.0
CHOICES = 3  # anchors that an object tries before it goes without
STRETCH = 6.0  # largest log of a size relative to its anchor
SMALLEST_PX = 0.1  # sides of objects are taken to be so long at least, for their logarithm

Anchors = int | Literal["auto"] | tuple[tuple[float, float], ...]


class Params(Strict):
    """`model.head` for `name: yolo_v3`."""

    task: ClassVar[str] = "detect"
    neck: ClassVar[str] = "either"
    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=12, learning_rate=6.0e-3)

    name: Literal["yolo_v3"]
    # how many to fit to the training boxes by k-means | auto (that too) | a list of [width, height] px
    anchors: Anchors = 9
    # An anchor whose shape overlaps an object's so much learns it beside the best one; 1: the best alone, as
    # in the paper. More anchors learn more from few pictures.
    match_iou: Share = 0.3
    # A box that overlaps an object so much is not taught that it is background. At less, more boxes that are
    # no object's own stay untaught than suppression removes.
    ignore_iou: Share = 0.7
    # Which cells learn an object: 1, that of its centre | 3, also the nearest beside and the nearest above or
    # below. Three suit few pictures whose classes differ in size, and harm where neighbours share anchors.
    cells: Literal[1, 3] = 1

    @field_validator("anchors", mode="plain")
    @classmethod
    def _check_anchors(cls, anchors: Any) -> Anchors:
        if anchors == "auto" or (type(anchors) is int and anchors in COUNTS):
            return anchors  # type: ignore[no-any-return]
        try:
            given = np.array(anchors, np.float64)
        except (TypeError, ValueError):
            given = np.zeros(0)
        sound = given.ndim == 2 and given.shape[1] == 2 and len(given) and len(given) % len(STRIDES) == 0
        if isinstance(anchors, int | str) or not sound or not (np.isfinite(given) & (given > 0)).all():
            counts = ", ".join(map(str, COUNTS))
            raise ValueError(f"must be auto, {counts}, or a list of 3, 6, ... pairs [width, height] in px")
        return tuple((width, height) for width, height in given.tolist())


def learn_priors(
    params: Params,
    boxes_xyxy_px: NDArray[np.floating[Any]],
    classes: NDArray[np.integer[Any]],
    size: tuple[int, int],
    seed: int,
) -> dict[str, Any]:
    """Anchors for the training boxes, in the pixels of the prepared pictures.

    Every class counts alike, however many boxes it has: of nine anchors for blood cells, plain k-means gives
    seven to the red ones, which are 85 % of the boxes and a third of the score.

    Args:
        params: how many, or which.
        boxes_xyxy_px: (N, 4).
        classes: (N,) ids.
        size: (height, width) px of the pictures.
        seed: of the k-means.

    Returns:
        `anchors_wh_px` by rising area, and how they meet the boxes (`geometry.anchors.describe_anchors`), the
        `size_px` of the pictures, and for `auto` the average IoU, of all classes alike, of each of the
        `counts` looked at.

    Raises:
        ValueError: there are no boxes to fit anchors to, or one without area.
    """
    sides = np.asarray(boxes_xyxy_px, np.float64)[:, 2:] - np.asarray(boxes_xyxy_px, np.float64)[:, :2]
    if not len(sides):
        raise ValueError("model.head.anchors: the training split has no boxes to fit anchors to.")
    weights = weigh_classes(classes)
    counts = compare_counts(sides, COUNTS, seed, weights) if params.anchors == "auto" else {}
    wanted = choose_count(counts, GAIN) if counts else params.anchors
    fit = fit_anchors(sides, wanted, seed, weights) if isinstance(wanted, int) else None
    anchors = np.array(wanted) if fit is None else fit.anchors_wh
    kept = sort_anchors(np.round(anchors, 2))
    strides = np.repeat(STRIDES, len(kept) // len(STRIDES)).tolist()  # the smallest for the finest level
    return {
        **describe_anchors(sides, kept, strides),
        "size_px": list(size),
        "counts": {str(count): round(value, 4) for count, value in counts.items()},
    }


class Head:
    """Detector head.

    Raw outputs: `boxes` (B, A, 4): log-odds of the centre in its cell and log sizes relative to the
        anchor; `objectness` (B, A, 1) and `logits` (B, A, C): log-odds. A counts the anchors of all cells of
        all levels, finest first.
    """

    outputs = ("boxes", "objectness", "logits")
    terms = ("class", "box", "objectness")

    def __init__(
        self,
        params: Params,
        *,
        classes: int,
        height_px: int,
        width_px: int,
        priors: dict[str, Any] | None = None,
    ) -> None:
        """Fix the number of classes C, the size of the input, px, and the anchors of each level.

        Raises:
            ValueError: no `priors` although `params` leaves the anchors to the data.
        """
        given = params.anchors if isinstance(params.anchors, tuple) else None
        if priors is None and given is None:
            raise ValueError(
                "Head of yolo_v3 needs the priors that learn_priors takes from the training boxes."
            )
        anchors = sort_anchors(priors["anchors_wh_px"] if priors else given or ())
        self.params, self.classes, self.size = params, classes, (height_px, width_px)
        self.anchors = anchors.reshape(len(STRIDES), -1, 2)  # the smallest for the finest level
        self.centres, self.sides, self.strides = self._lay_anchors()
        self.span = 1.0 if params.cells == 1 else 2.0  # cells over which a centre can lie

    def _lay_anchors(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Cell centres (A, 2) px, anchor sides (A, 2) px and strides (A, 1) of all A anchors."""
        height, width = self.size
        laid = lay_boxes(height, width, STRIDES, list(self.anchors))
        parts = [len(lay_boxes(height, width, [stride], [self.anchors[0]])) for stride in STRIDES]
        strides = np.repeat(np.array(STRIDES, np.float32), parts)[:, None]
        return laid[:, :2], laid[:, 2:], strides

    def build(self, features: Tensors) -> Tensors:
        """Put two branches on each level (B, H_l, W_l, F): one for classes, one for boxes.

        The paper has one for both. Where pictures are few, the classes, learnt in few cells, go under in it.
        """
        shapes, unsure = self.anchors.shape[1], math.log(PRIOR_SCORE / (1 - PRIOR_SCORE))
        parts: dict[str, list[Any]] = {name: [] for name in self.outputs}
        for name in sorted(features):
            x, width = features[name], int(features[name].shape[-1])
            for_class = conv_unit(x, width, 3, name=f"head_{name}_class")
            for_box = conv_unit(x, width, 3, name=f"head_{name}_box")
            for output, branch, numbers, bias in (
                ("boxes", for_box, 4, 0.0),
                ("objectness", for_box, 1, unsure),
                ("logits", for_class, self.classes, 0.0),
            ):
                parts[output].append(
                    flat_predictor(branch, numbers, boxes=shapes, bias=bias, name=f"head_{name}_{output}")
                )
        return {
            name: keras.layers.Concatenate(axis=1, dtype="float32", name=name)(each)
            for name, each in parts.items()
        }

    def encode(self, labels: Tensors) -> Tensors:
        """Labels `boxes` (B, N, 4) xyxy px and `labels` (B, N), -1 = padding -> the anchors of every object.

        In the cell that holds the object's centre, it has the anchor whose shape overlaps its own most. Where
        that is another object's already, the later one takes its next best, and at last goes without. Other
        anchors of the cell that overlap it by `match_iou` and are nobody's it has too; with three cells also
        those of the same shapes in the two nearest cells, where they are nobody's.

        Returns:
            `boxes` (B, N, 4) xyxy px, `one_hot` (B, N, C), and `place` (B, N, K) int32: for each anchor shape
            (of one cell after the other) the object's place among the A anchors, or -1.
        """
        boxes, label = ops.cast(labels["boxes"], "float32"), ops.cast(labels["labels"], "int32")
        overlap = self._shape_iou(boxes[..., 2:] - boxes[..., :2])  # (B, N, K)
        real = label[..., None] >= 0
        cells = [ops.where(real, each, -1) for each in self._find_places(boxes)]
        place = self._give_best(overlap, cells[0], label >= 0)
        # A place says its shape, so only objects' wishes for the same shape can meet.
        more = self._give_free(ops.where(overlap >= self.params.match_iou, cells[0], -1), [place])
        given = [ops.maximum(place, more)]
        for beside in cells[1:]:
            given.append(self._give_free(ops.where(given[0] >= 0, beside, -1), given))
        return {
            "boxes": boxes,
            "one_hot": ops.one_hot(label, self.classes, dtype="float32"),
            "place": ops.concatenate(given, axis=-1),
        }

    def _give_best(self, overlap: Any, places: Any, waiting: Any) -> Any:
        """The place (B, N, K) of every object's best anchor that no earlier object has, or -1."""
        place, untried = ops.full_like(places, -1), overlap
        before = _earlier(places)
        for _ in range(CHOICES):
            best = ops.one_hot(ops.argmax(untried, axis=-1), overlap.shape[-1], dtype="bool")  # (B, N, K)
            wish = ops.max(ops.where(ops.logical_and(best, waiting[..., None]), places, -1), axis=-1)
            taken = ops.any(wish[:, :, None, None] == place[:, None], axis=(2, 3))
            outrun = ops.any(ops.logical_and(wish[:, :, None] == wish[:, None, :], before), axis=2)
            waiting = ops.logical_and(waiting, ops.logical_or(taken, outrun))
            won = ops.logical_and(best, ops.logical_and(wish >= 0, ops.logical_not(waiting))[..., None])
            place = ops.where(won, places, place)
            untried = ops.where(best, -1.0, untried)
        return place

    def _give_free(self, wish: Any, given: list[Any]) -> Any:
        """The wishes (B, N, K) for places in none of `given` (B, N, K), else -1; of equal ones the first."""
        outrun = ops.any(
            ops.logical_and(wish[:, :, None] == wish[:, None], _earlier(wish)[..., None]), axis=2
        )
        for each in given:
            outrun = ops.logical_or(outrun, ops.any(wish[:, :, None] == each[:, None], axis=2))
        return ops.where(outrun, -1, wish)

    def count_lost(self, labels: Tensors) -> Any:
        """Objects of each picture (B,) whose best anchors are all taken by others of their cell."""
        lost = ops.logical_and(labels["labels"] >= 0, ops.max(self.encode(labels)["place"], axis=-1) < 0)
        return ops.sum(ops.cast(lost, "float32"), axis=1)

    def _shape_iou(self, sides: Any) -> Any:
        """IoU on one corner of sides (B, N, 2) with all anchor shapes, (B, N, K)."""
        shapes = self.anchors.reshape(-1, 2).astype(np.float32)
        shared = ops.prod(ops.minimum(sides[..., None, :], shapes), axis=-1)
        return shared / (ops.prod(sides, axis=-1)[..., None] + shapes.prod(axis=-1) - shared)

    def _find_places(self, boxes: Any) -> list[Any]:
        """Place among the A anchors of every shape in the cell of each box's centre, (B, N, K); with three
        cells also in the nearest beside and in the nearest above or below, -1 outside of the picture."""
        middle = (boxes[..., None, :2] + boxes[..., None, 2:]) / 2
        places, start = [], 0
        for stride, shapes in zip(STRIDES, self.anchors, strict=True):
            rows, columns = (-(-side // stride) for side in self.size)
            cell = ops.clip(
                ops.cast(ops.floor(middle / stride), "int32"), 0, np.array([columns - 1, rows - 1])
            )
            nearest = ops.where(middle / stride - ops.cast(cell, "float32") < 0.5, -1, 1)
            level = []
            for step in ((0, 0), (1, 0), (0, 1))[: self.params.cells]:
                stepped = cell + nearest * np.array(step, np.int32)
                column, row = stepped[..., 0], stepped[..., 1]
                at = start + (row * columns + column) * len(shapes) + np.arange(len(shapes), dtype=np.int32)
                inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
                level.append(ops.where(inside, at, -1))
            places.append(level)
            start += rows * columns * len(shapes)
        return [ops.concatenate(cells, axis=-1) for cells in zip(*places, strict=True)]

    def loss(self, targets: Tensors, raw: Tensors) -> Tensors:
        """Cross-entropies of classes and centres and squared errors of log sizes for objects' own anchors,
        and cross-entropy of objectness for all but those that overlap an object well and are not its own.

        Each is divided by the mean number of objects' anchors in a picture of the batch.
        """
        shapes = int(targets["place"].shape[2])
        place = ops.reshape(targets["place"], (-1, targets["place"].shape[1] * shapes))  # (B, N * K)
        own = ops.cast(place >= 0, "float32")
        at = ops.maximum(place, 0)
        norm = ops.maximum(ops.mean(ops.sum(own, axis=1)), 1.0)
        one_hot = ops.repeat(targets["one_hot"], shapes, axis=1)
        wrong = binary_cross_entropy(ops.take_along_axis(raw["logits"], at[..., None], axis=1), one_hot)
        said = ops.take_along_axis(raw["boxes"], at[..., None], axis=1)
        box = self._box_loss(said, ops.repeat(targets["boxes"], shapes, axis=1), at)

        is_own = self._mark_own(place)  # (B, A)
        overlap = pairwise_iou(targets["boxes"], ops.stop_gradient(self._boxes(raw)))  # (B, N, A)
        real = ops.any(targets["one_hot"] > 0, axis=-1)
        near = ops.max(ops.where(real[..., None], overlap, 0.0), axis=1) > self.params.ignore_iou
        counts = ops.maximum(is_own, ops.cast(ops.logical_not(near), "float32"))
        sure = binary_cross_entropy(raw["objectness"][..., 0], is_own)
        return {
            "class": ops.sum(own * ops.sum(wrong, axis=-1), axis=1) / norm,
            "box": BOX_WEIGHT * ops.sum(own * box, axis=1) / norm,
            "objectness": ops.sum(counts * sure, axis=1) / norm,
        }

    def _mark_own(self, place: Any) -> Any:
        """1 for the anchors that are some object's, else 0, (B, A), from places (B, M), -1 for none.

        Written place by place: one-hot vectors of thousands of anchors for each of a mosaic's hundreds of
        places would be hundreds of megabytes a step.
        """
        pictures, anchors = ops.shape(place)[0], len(self.sides)
        rows = ops.broadcast_to(ops.arange(pictures, dtype="int32")[:, None], ops.shape(place))
        at = ops.where(place >= 0, place, anchors)  # those of nobody go to a column that is cut off again
        indices = ops.stack([ops.reshape(rows, (-1,)), ops.reshape(at, (-1,))], axis=-1)
        marks = ops.zeros((pictures, anchors + 1), dtype="float32")
        ones = ops.ones_like(indices[:, 0], dtype="float32")
        return ops.scatter_update(marks, indices, ones)[:, :anchors]

    def _box_loss(self, said: Any, boxes: Any, at: Any) -> Any:
        """Loss (B, M) of raw boxes `said` (B, M, 4) for objects `boxes` (B, M, 4) at anchors `at` (B, M).

        A small object's error counts up to twice, as in the authors' code.
        """
        centres, anchors, strides = (
            ops.take(each, at, axis=0) for each in (self.centres, self.sides, self.strides)
        )
        middle, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
        share = ops.clip((middle - centres) / (self.span * strides) + 0.5, 0.0, 1.0)
        stretch = ops.log(ops.maximum(sides, SMALLEST_PX) / anchors)
        # Less the cross-entropy of the best answer, which is not zero.
        rest = binary_cross_entropy(ops.log(share + 1e-6) - ops.log(1.0 - share + 1e-6), share)
        centre = ops.sum(binary_cross_entropy(said[..., :2], share) - rest, axis=-1)
        size = 0.5 * ops.sum(ops.square(said[..., 2:] - stretch), axis=-1)
        height, width = self.size
        return (centre + size) * (2.0 - ops.prod(ops.maximum(sides, 0.0), axis=-1) / (height * width))

    def decode(self, raw: Tensors) -> Tensors:
        """Raw outputs -> `boxes` (B, A, 4) xyxy px clipped to the picture and `scores` (B, A, C) in 0..1:
        class times objectness, before non-max suppression."""
        height, width = self.size
        high = np.array([width, height] * 2, np.float32)
        scores = ops.sigmoid(raw["logits"]) * ops.sigmoid(raw["objectness"])
        return {"boxes": ops.clip(self._boxes(raw), 0.0, high), "scores": scores}

    def _boxes(self, raw: Tensors) -> Any:
        """xyxy px, (B, A, 4)."""
        middle = self.centres + (ops.sigmoid(raw["boxes"][..., :2]) - 0.5) * (self.span * self.strides)
        half = ops.exp(ops.clip(raw["boxes"][..., 2:], -STRETCH, STRETCH)) * (self.sides / 2)
        return ops.concatenate([middle - half, middle + half], axis=-1)


def _earlier(places: Any) -> NDArray[np.bool_]:
    """For places (B, N, K): (1, N, N), whether the object of the column stands before that of the row."""
    slots = int(places.shape[1])
    return np.tril(np.ones((1, slots, slots), bool), -1)
