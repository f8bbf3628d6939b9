"""Batches for training.

Batch number `step` is a pure function of (seed, step), so a training can go on anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.strips import ellipse_strips
from glasshouse.inputs.augment import Plan, draw_plan, resize_plan
from glasshouse.inputs.masks import Masks
from glasshouse.inputs.moving import Seen, find_seen, lay_out
from glasshouse.inputs.order import are_uneven, batch_rows, draw_epoch, steps_per_epoch, weigh_partners
from glasshouse.inputs.painting import lay_over, move_tiles, recolour
from glasshouse.inputs.pasting import draw_pasting, hide_objects, paste_objects
from glasshouse.inputs.prepared import Prepared
from glasshouse.inputs.shapes import Shapes
from glasshouse.inputs.untuned import without_tuner
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
    shapes: of the objects; None where no mask tells any.  masks: of the objects; None where none has one.
    """

    pixels: Pixels
    size: tuple[int, int]
    boxes_xyxy_px: NDArray[np.float32]
    labels: NDArray[np.int32]
    label: NDArray[np.int32] | None = None
    weights: NDArray[np.float64] | None = None
    shapes: Shapes | None = None
    masks: Masks | None = None

    def __len__(self) -> int:
        return len(self.pixels)


def pictures_of(prepared: Prepared, task: str) -> Pictures:
    """The prepared training split as a stream draws from it.

    Args:
        prepared: the split.
        task: detect, localize or classify.

    Raises:
        ValueError: a picture without a class where it is to be classified; else no object in any picture,
            from which a detector would learn in silence that nothing is ever there.
    """
    if task != "classify":
        prepared.demand_objects("train", task)
    boxes, labels = prepared.labels()
    size = prepared.pixels.shape[1:3]
    label = prepared.class_labels() if task == "classify" else None
    weights = prepared.images["weight"].to_numpy(np.float64)
    return Pictures(prepared.pixels, size, boxes, labels, label, weights, prepared.shapes(), prepared.masks())


def may_compose(pictures: Pictures, head: Any, augment: Augment) -> bool:
    """Whether a head can learn from mosaics, mixtures and pasted objects: all that look for several objects.

    Mosaics are on by default, so where a head has to do without, that is printed and no fault.

    Raises:
        ValueError: `augment.copy_paste` or `augment.mix_up` is asked for where it can do nothing.
    """
    able = pictures.label is None and not getattr(head, "one_object", False)
    for name, what in (("copy_paste", "pasted objects"), ("mix_up", "mixtures")):
        if getattr(augment, name) and not able:
            raise ValueError(
                f"augment.{name}: the chosen head learns one thing a picture, which {what} would "
                "change; set it to 0, or take a head that finds several objects."
            )
    if augment.mosaic and not able:
        print("note: augment.mosaic is left out, as the chosen head learns one thing a picture.", flush=True)
    if augment.copy_paste and (pictures.masks is None or not len(pictures.masks.holders)):
        raise ValueError(
            "augment.copy_paste: no object of the training split has a mask to be cut out by; set it to 0, "
            "or take labels with masks (COCO segmentations, VIA polygons, the drawn blooms)."
        )
    return able


Encode = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class TrainingStream:
    """Batches for training; called with (first step, last step) it gives a tf.data stream of exactly these.

    pictures: what to draw from.  batch_size: B.  seed: of order and augmentation.  augment: ranges.
    composed: whether an epoch, from 0, has mosaics, mixtures and pasted objects; None for never.  encode: the
    head's, from a batch of labels to targets.  fill: level, 0..255, of what lies outside a moved picture.
    sizes: (height, width) px among which each batch's is drawn, with the head's encoding at that size; none
    for the pictures' own.  passes: how often an epoch shows the pictures.
    """

    pictures: Pictures
    batch_size: int
    seed: int
    augment: Augment
    composed: Callable[[int], bool] | None
    encode: Encode
    fill: float
    sizes: tuple[tuple[tuple[int, int], Encode], ...] = ()
    passes: int = 1

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.passes * steps_per_epoch(len(self.pictures), self.batch_size)

    def choose_size(self, step: int) -> int:
        """Which of `sizes` batch `step` has."""
        return int(np.random.default_rng([self.seed, 3, step]).integers(len(self.sizes)))

    def size_of(self, step: int) -> tuple[int, int]:
        """(height, width) px of batch `step`."""
        return self.sizes[self.choose_size(step)][0] if self.sizes else self.pictures.size

    def draw(self, step: int) -> tuple[NDArray[Any], ...]:
        """Batch `step` before its colours are changed: pixels and what `recolour` does to them, then the
        labels."""
        pictures, epoch = self.pictures, step // self.steps
        rows = batch_rows(len(pictures), self.batch_size, self.seed, step, pictures.weights)
        rng = np.random.default_rng([self.seed, 1, step])
        composed = self.composed is not None and self.composed(epoch)
        plan = draw_plan(rng, rows, len(pictures), pictures.size, self.augment, composed=composed)
        if are_uneven(pictures.weights):
            order = draw_epoch(len(pictures), self.seed, step * self.passes // self.steps, pictures.weights)
            plan = weigh_partners(plan, order)
        plan = self._fit(plan, step)
        seen = self._find_seen(plan)
        tiles = pictures.pixels.gather(plan.rows)
        pixels = move_tiles(tiles, plan, self.batch_size, self.size_of(step), round(self.fill))
        if composed and self.augment.copy_paste:
            seen = self._paste(rng, step, plan, seen, pixels)
        boxes, labels = lay_out(plan, seen, self.batch_size, self.slots)
        label = pictures.label[rows] if pictures.label is not None else np.full(len(rows), -1, np.int32)
        mixture = (plan.partner.astype(np.int32), plan.share)
        return (pixels, plan.colour, plan.offset, *mixture, boxes, labels, label)

    def _fit(self, plan: Plan, step: int) -> Plan:
        """The plan for the size of batch `step`."""
        if not self.sizes:
            return plan
        (height, width), own = self.size_of(step), self.pictures.size
        return resize_plan(plan, (width / own[1], height / own[0]))

    def _find_seen(self, plan: Plan) -> Seen:
        return find_seen(plan, self.pictures.boxes_xyxy_px, self._shapes(), self.pictures.labels)

    def _paste(
        self, rng: np.random.Generator, step: int, plan: Plan, seen: Seen, pixels: NDArray[np.uint8]
    ) -> Seen:
        """Lay objects over the pixels of a batch, in place; its objects, with these and without what they
        hide."""
        pictures, masks = self.pictures, self.pictures.masks
        assert masks is not None  # may_compose has looked
        weights = pictures.weights if are_uneven(pictures.weights) else None
        probability = self.augment.copy_paste
        drawn = draw_pasting(rng, self.batch_size, masks, weights, pictures.size, self.augment, probability)
        pasting = replace(drawn, plan=self._fit(drawn.plan, step))
        shape = (self.batch_size, *self.size_of(step))
        added, cover = paste_objects(pasting, self._find_seen(pasting.plan), masks, pictures.shapes, shape)
        lay_over(pixels, pictures.pixels.gather(pasting.plan.rows), pasting.plan, pasting.onto, cover)
        return hide_objects(plan, seen, masks, pictures.boxes_xyxy_px, cover).join(added)

    @property
    def slots(self) -> int:
        """Objects that a picture of a batch may have: a mosaic has those of four, what is pasted comes from
        one more, a mixture has those of two."""
        augment, own = self.augment, int(self.pictures.labels.shape[1])
        parts = (4 if augment.mosaic else 1) + (1 if augment.copy_paste else 0)
        return own * (parts * (2 if augment.mix_up else 1) if self.composed else 1)

    def _shapes(self) -> Shapes:
        """The objects' shapes.

        Where no mask tells, an object is taken to fill its box, so that nothing of it is cut off by mistake;
        where pictures are turned, for an ellipse, as the box of a turned box would be too large by far.
        """
        shapes = self.pictures.shapes or Shapes.unknown(self.pictures.labels.shape)
        return replace(shapes, guess=ellipse_strips()) if self.augment.rotate else shapes

    def __call__(self, first_step: int, last_step: int) -> Any:
        """Batches first_step (from 0) to last_step - 1: (pixels (B, H, W, 3) float32 0..255, targets)."""
        import tensorflow as tf

        if not self.sizes:
            steps = tf.data.Dataset.range(first_step, last_step)
            return without_tuner(self._stream(steps, first_step, self.pictures.size, self.encode))
        numbers = np.arange(first_step, last_step)
        chosen = np.array([self.choose_size(step) for step in numbers.tolist()], np.int64)
        streams = [
            self._stream(
                tf.data.Dataset.from_tensor_slices(numbers[chosen == place]), first_step, size, encode
            )
            for place, (size, encode) in enumerate(self.sizes)
        ]
        chooser = tf.data.Dataset.from_tensor_slices(chosen)
        return without_tuner(tf.data.Dataset.choose_from_datasets(streams, chooser))

    def _stream(self, steps: Any, sample_step: int, size: tuple[int, int], encode: Encode) -> Any:
        """The batches of these steps, all of one size; that of `sample_step` tells their types."""
        import tensorflow as tf

        sample = self.draw(sample_step)
        types = [tf.as_dtype(array.dtype) for array in sample]
        shapes = [(self.batch_size, *size, 3), *(array.shape for array in sample[1:])]
        mixed = bool(self.composed and self.augment.mix_up)

        def load(step: Any) -> tuple[Any, ...]:
            values = tf.numpy_function(lambda number: self.draw(int(number)), [step], types, stateful=False)
            return tuple(tf.ensure_shape(value, shape) for value, shape in zip(values, shapes, strict=True))

        def finish(*values: Any) -> tuple[Any, Any]:
            *pixels, boxes, labels, label = values
            return recolour(*pixels, mixed=mixed), encode({"boxes": boxes, "labels": labels, "label": label})

        return steps.map(load, num_parallel_calls=2).map(finish, num_parallel_calls=2).prefetch(4)
