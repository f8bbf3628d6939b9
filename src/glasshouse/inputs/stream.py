"""Batches for training.

Batch number `step` is a pure function of (seed, step), so a training can go on anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.hulls import ellipse_hull, square_hull
from glasshouse.inputs.augment import Plan, draw_plan, move_boxes
from glasshouse.inputs.painting import paint, projections
from glasshouse.inputs.prepared import Prepared
from glasshouse.params import Augment


class Pixels(Protocol):
    """Prepared pictures that can be reached at random."""

    def __len__(self) -> int: ...

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures at `rows` (n,): (n, H, W, 3)."""


@dataclass(frozen=True)
class Pictures:
    """What a stream draws from: P pictures of one size and their labels.

    boxes_xyxy_px (P, N, 4) float32 and labels (P, N) int32, -1 = padding, for detection; label (P,) int32 for
    classification.  weights (P,) float64: how often one is drawn beside the others; None for all alike.
    hulls (P, N, S, 2): outlines of the objects in units of their boxes, NaN where no mask tells, or None.
    """

    pixels: Pixels
    size: tuple[int, int]
    boxes_xyxy_px: NDArray[np.float32]
    labels: NDArray[np.int32]
    label: NDArray[np.int32] | None = None
    weights: NDArray[np.float64] | None = None
    hulls: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.pixels)


def pictures_of(prepared: Prepared, task: str) -> Pictures:
    """One prepared split as a stream draws from it.

    Args:
        prepared: the split.
        task: detect or classify; the latter needs a label for every picture.
    """
    boxes, labels = prepared.labels()
    size = prepared.pixels.shape[1:3]
    label = prepared.class_labels() if task == "classify" else None
    weights = prepared.images["weight"].to_numpy(np.float64)
    return Pictures(prepared.pixels, size, boxes, labels, label, weights, prepared.hulls())


def steps_per_epoch(pictures: int, batch_size: int) -> int:
    """Whole batches in an epoch; a smaller set makes one batch, with repetitions."""
    return max(pictures // batch_size, 1)


def draw_epoch(
    pictures: int, seed: int, epoch: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """The order of the pictures in an epoch, (pictures,): every one once, or by weight.

    By weight an epoch is as long as without. A picture of weight w comes w / mean(w) times, rounded down or
    up, on average over the epochs exactly: the weights are laid end to end in a random order, and points at
    equal distances pick from them (systematic resampling; Kitagawa, "Monte Carlo filter and smoother", 1996).
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(pictures)
    if not are_uneven(weights):
        return order
    ends = np.cumsum(np.asarray(weights)[order])
    points = (np.arange(pictures) + rng.random()) / pictures * ends[-1]
    picks = np.searchsorted(ends, points, side="right")
    drawn = order[np.minimum(picks, pictures - 1)]  # rounding may set the last point on the last end
    return rng.permutation(drawn)


def are_uneven(weights: NDArray[np.float64] | None) -> bool:
    """Whether there are weights, and not all the same."""
    return weights is not None and bool((weights != weights[0]).any())


def batch_rows(
    pictures: int, batch_size: int, seed: int, step: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """The pictures of batch `step`.

    A new order every epoch, what is left over waits for another one.
    """
    epoch, place = divmod(step, steps_per_epoch(pictures, batch_size))
    order = draw_epoch(pictures, seed, epoch, weights)
    return np.take(order, np.arange(place * batch_size, (place + 1) * batch_size), mode="wrap")


def weigh_partners(plan: Plan, order: NDArray[np.int64]) -> Plan:
    """The plan with the three partners in each mosaic drawn from an epoch's order, so by weight too."""
    first = np.diff(plan.picture, prepend=-1) > 0
    return replace(plan, rows=np.where(first, plan.rows, order[plan.rows]))


@dataclass(frozen=True)
class TrainingStream:
    """Batches for training; called with (first step, last step) it gives a tf.data stream of exactly these.

    pictures: what to draw from.  batch_size: B.  seed: of order and augmentation.  augment: ranges.
    composed: whether an epoch, from 0, has mosaics and mixtures; None for never.  encode: the head's, from a
    batch of labels to targets.  fill: level, 0..255, of what lies outside a moved picture.
    """

    pictures: Pictures
    batch_size: int
    seed: int
    augment: Augment
    composed: Callable[[int], bool] | None
    encode: Callable[[dict[str, Any]], dict[str, Any]]
    fill: float

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return steps_per_epoch(len(self.pictures), self.batch_size)

    def draw(self, step: int) -> tuple[NDArray[Any], ...]:
        """Batch `step` before its pixels are moved: tiles and what `paint` does to them, then the labels."""
        pictures, epoch = self.pictures, step // self.steps
        rows = batch_rows(len(pictures), self.batch_size, self.seed, step, pictures.weights)
        rng = np.random.default_rng([self.seed, 1, step])
        composed = self.composed is not None and self.composed(epoch)
        plan = draw_plan(rng, rows, len(pictures), pictures.size, self.augment, composed=composed)
        if are_uneven(pictures.weights):
            plan = weigh_partners(plan, draw_epoch(len(pictures), self.seed, epoch, pictures.weights))
        boxes, labels = move_boxes(
            plan, pictures.boxes_xyxy_px, self._hulls(plan), pictures.labels, self.batch_size, self.slots
        )
        label = pictures.label[rows] if pictures.label is not None else np.full(len(rows), -1, np.int32)
        tiles = pictures.pixels.gather(plan.rows)
        moves = (projections(plan), plan.region_xyxy_px, plan.picture.astype(np.int32))
        mixture = (plan.partner.astype(np.int32), plan.share)
        return (tiles, *moves, plan.colour, plan.offset, *mixture, boxes, labels, label)

    @property
    def slots(self) -> int:
        """Objects that a picture of a batch may have: a mosaic has those of four, a mixture those of two."""
        composed = (4 if self.augment.mosaic else 1) * (2 if self.augment.mix_up else 1)
        own: int = self.pictures.labels.shape[1]
        return own * (composed if self.composed else 1)

    def _hulls(self, plan: Plan) -> NDArray[np.float32]:
        """The tiles' outlines (M, N, S, 2).

        Where no mask tells, an object is taken to fill its box, so that nothing of it is cut off by mistake;
        where pictures are turned, for an ellipse, as the box of a turned box would be too large by far.
        """
        guess = ellipse_hull() if self.augment.rotate else square_hull()
        if self.pictures.hulls is None:
            return np.broadcast_to(guess, (len(plan.rows), self.pictures.labels.shape[1], *guess.shape))
        known = self.pictures.hulls[plan.rows]
        return np.where(np.isnan(known), guess, known)

    def __call__(self, first_step: int, last_step: int) -> Any:
        """Batches first_step (from 0) to last_step - 1: (pixels (B, H, W, 3) float32 0..255, targets)."""
        import tensorflow as tf

        batch, size = self.batch_size, self.pictures.size
        sample = self.draw(first_step)
        types = [tf.as_dtype(array.dtype) for array in sample]
        # How many tiles a batch needs differs from one to the next: mosaics take four.
        shapes = [(None, *array.shape[1:]) for array in sample[:4]] + [array.shape for array in sample[4:]]

        def load(step: Any) -> tuple[Any, ...]:
            values = tf.numpy_function(lambda number: self.draw(int(number)), [step], types, stateful=False)
            return tuple(tf.ensure_shape(value, shape) for value, shape in zip(values, shapes, strict=True))

        def finish(*values: Any) -> tuple[Any, Any]:
            *tiles, boxes, labels, label = values
            painted = paint(*tiles, fill=self.fill, mixed=bool(self.composed and self.augment.mix_up))
            pixels = tf.ensure_shape(painted, (batch, *size, 3))
            return pixels, self.encode({"boxes": boxes, "labels": labels, "label": label})

        steps = tf.data.Dataset.range(first_step, last_step)
        return steps.map(load, num_parallel_calls=1).map(finish, num_parallel_calls=2).prefetch(4)
