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


def training_stream(
    pictures: Pictures,
    *,
    batch_size: int,
    seed: int,
    augment: Augment,
    mosaic: Callable[[int], float],
    encode: Callable[[dict[str, Any]], dict[str, Any]],
    first_step: int,
    last_step: int,
    fill: float,
) -> Any:
    """A tf.data stream of (pixels (B, H, W, 3) float32 0..255, targets).

    Args:
        pictures: what to draw from.
        batch_size: B.
        seed: of order and augmentation.
        augment: ranges.
        mosaic: probability of a mosaic as a function of the epoch, from 0.
        encode: the head's, from a batch of labels to targets.
        first_step: number of the first batch, from 0.
        last_step: exclusive.
        fill: level, 0..255, of what lies outside a moved picture.
    """
    import tensorflow as tf

    steps = steps_per_epoch(len(pictures), batch_size)
    slots = 4 * pictures.labels.shape[1]

    def draw(step: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        number = int(step)
        rows = batch_rows(len(pictures), batch_size, seed, number)
        rng = np.random.default_rng([seed, 1, number])
        plan = draw_plan(rng, rows, len(pictures), pictures.size, augment, mosaic=mosaic(number // steps))
        boxes, labels = move_boxes(plan, pictures.boxes_xyxy_px, pictures.labels, batch_size)
        label = pictures.label[rows] if pictures.label is not None else np.full(batch_size, -1, np.int32)
        tiles = pictures.pixels.gather(plan.rows)
        return (
            tiles,
            projections(plan),
            plan.region_xyxy_px,
            plan.picture.astype(np.int32),
            plan.colour,
            plan.offset,
            boxes,
            labels,
            label,
        )

    shapes = [
        (None, *pictures.size, 3),
        (None, 8),
        (None, 4),
        (None,),
        (batch_size, 3, 3),
        (batch_size, 3),
        (batch_size, slots, 4),
        (batch_size, slots),
        (batch_size,),
    ]
    types = [
        tf.uint8,
        tf.float32,
        tf.float32,
        tf.int32,
        tf.float32,
        tf.float32,
        tf.float32,
        tf.int32,
        tf.int32,
    ]

    def load(step: Any) -> tuple[Any, ...]:
        values = tf.numpy_function(draw, [step], types, stateful=False)
        return tuple(tf.ensure_shape(value, shape) for value, shape in zip(values, shapes, strict=True))

    def finish(*values: Any) -> tuple[Any, Any]:
        *tiles, boxes, labels, label = values
        pixels = tf.ensure_shape(paint(*tiles, fill=fill), (batch_size, *pictures.size, 3))
        return pixels, encode({"boxes": boxes, "labels": labels, "label": label})

    stream = (
        tf.data.Dataset.range(first_step, last_step)
        .map(load, num_parallel_calls=1)
        .map(finish, num_parallel_calls=2)
    )
    return stream.prefetch(4)
