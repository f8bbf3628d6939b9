"""Batches for training.

Batch number `step` is a pure function of (seed, step), so a training can go on anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glasshouse.inputs.augment import draw_plan, move_boxes, paint, projections
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
    classification.
    """

    pixels: Pixels
    size: tuple[int, int]
    boxes_xyxy_px: NDArray[np.float32]
    labels: NDArray[np.int32]
    label: NDArray[np.int32] | None = None

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
    return Pictures(
        prepared.pixels, size, boxes, labels, prepared.class_labels() if task == "classify" else None
    )


def steps_per_epoch(pictures: int, batch_size: int) -> int:
    """Whole batches in an epoch; a smaller set makes one batch, with repetitions."""
    return max(pictures // batch_size, 1)


def batch_rows(pictures: int, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
    """The pictures of batch `step`.

    A new permutation every epoch, what is left over waits for another one.
    """
    epoch, place = divmod(step, steps_per_epoch(pictures, batch_size))
    order = np.random.default_rng([seed, epoch]).permutation(pictures)
    return np.take(order, np.arange(place * batch_size, (place + 1) * batch_size), mode="wrap")


@dataclass(frozen=True)
class TrainingStream:
    """Batches for training; called with (first step, last step) it gives a tf.data stream of exactly these.

    pictures: what to draw from.  batch_size: B.  seed: of order and augmentation.  augment: ranges.
    mosaic: probability of a mosaic as a function of the epoch, from 0; None for never.  encode: the head's,
        from a batch of
    labels to targets.  fill: level, 0..255, of what lies outside a moved picture.
    """

    pictures: Pictures
    batch_size: int
    seed: int
    augment: Augment
    mosaic: Callable[[int], float] | None
    encode: Callable[[dict[str, Any]], dict[str, Any]]
    fill: float

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return steps_per_epoch(len(self.pictures), self.batch_size)

    def draw(self, step: int) -> tuple[NDArray[Any], ...]:
        """Batch `step` before its pixels are moved: tiles and what `paint` does to them, then the labels."""
        pictures = self.pictures
        rows = batch_rows(len(pictures), self.batch_size, self.seed, step)
        rng = np.random.default_rng([self.seed, 1, step])
        mosaic = self.mosaic(step // self.steps) if self.mosaic else 0.0
        slots = pictures.labels.shape[1] * (4 if self.mosaic else 1)
        plan = draw_plan(rng, rows, len(pictures), pictures.size, self.augment, mosaic=mosaic)
        boxes, labels = move_boxes(plan, pictures.boxes_xyxy_px, pictures.labels, self.batch_size, slots)
        label = pictures.label[rows] if pictures.label is not None else np.full(len(rows), -1, np.int32)
        tiles = pictures.pixels.gather(plan.rows)
        moves = (projections(plan), plan.region_xyxy_px, plan.picture.astype(np.int32))
        return (tiles, *moves, plan.colour, plan.offset, boxes, labels, label)

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
            pixels = tf.ensure_shape(paint(*tiles, fill=self.fill), (batch, *size, 3))
            return pixels, self.encode({"boxes": boxes, "labels": labels, "label": label})

        steps = tf.data.Dataset.range(first_step, last_step)
        return steps.map(load, num_parallel_calls=1).map(finish, num_parallel_calls=2).prefetch(4)
