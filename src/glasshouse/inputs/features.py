"""Features of a frozen backbone, computed once and kept for all epochs."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from glasshouse.inputs.untuned import without_tuner


@dataclass(frozen=True)
class FeatureCache:
    """Features and targets of `count` examples, in the order in which the augmented stream gave them.

    Attributes:
        features: name -> (count, h, w, c) float16.
        targets: name -> (count, ...), of the types that the head gave them.
        count: of examples.

    All arrays are memory-mapped from files that go with the process: a detector's targets on large pictures
    take as much room as its features.
    """

    features: dict[str, NDArray[np.float16]]
    targets: dict[str, NDArray[Any]]
    count: int

    def rows(self, steps: int, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
        """Which examples make batch `step`: each epoch takes the next variant, newly shuffled."""
        epoch, place = divmod(step, steps)
        variant = epoch % (self.count // (steps * batch_size))
        order = np.random.default_rng([seed, 2, epoch]).permutation(steps * batch_size)
        rows: NDArray[np.int64] = (
            variant * steps * batch_size + order[place * batch_size : (place + 1) * batch_size]
        )
        return rows

    def stream(self, steps: int, batch_size: int, seed: int, first_step: int, last_step: int) -> Any:
        """A tf.data stream of (features float32, targets).

        Batches first_step to last_step - 1, `steps` an epoch.
        """
        import tensorflow as tf

        names, answers = list(self.features), list(self.targets)
        arrays = [*self.features.values(), *self.targets.values()]

        def take(step: NDArray[np.int64]) -> list[NDArray[Any]]:
            rows = self.rows(steps, batch_size, seed, int(step))
            return [array[rows] for array in arrays]

        def load(step: Any) -> tuple[Any, Any]:
            values = tf.numpy_function(
                take, [step], [tf.as_dtype(array.dtype) for array in arrays], stateful=False
            )
            shaped = [
                tf.ensure_shape(value, (batch_size, *array.shape[1:]))
                for value, array in zip(values, arrays, strict=True)
            ]
            features = {
                name: tf.cast(value, tf.float32)
                for name, value in zip(names, shaped[: len(names)], strict=True)
            }
            return features, dict(zip(answers, shaped[len(names) :], strict=True))

        steps_asked = tf.data.Dataset.range(first_step, last_step)
        return without_tuner(steps_asked.map(load, num_parallel_calls=1).prefetch(4))


def select_used(backbone: Any, top: Any) -> tuple[Any, Any]:
    """The same two models without the features that the top does not look at.

    A classifier pools the coarsest level alone; the finer ones would be most of the file.

    Args:
        backbone: Keras model, pixels -> {name: features}.
        top: Keras model, {name: features} -> raw outputs.

    Returns:
        Backbone and top; the very ones given where every feature is used.
    """
    import keras
    import tensorflow as tf

    features = {name: tf.zeros((1, *x.shape[1:]), x.dtype) for name, x in top.input.items()}
    with tf.GradientTape() as tape:
        tape.watch(features)
        raw = top(features, training=False)
    # None, unlike zeros, is the gradient by what the outputs do not hang on.
    used = [name for name, slope in tape.gradient(raw, features).items() if slope is not None]
    if len(used) == len(features):
        return backbone, top
    return (
        keras.Model(backbone.input, {name: backbone.output[name] for name in used}, name=backbone.name),
        keras.Model({name: top.input[name] for name in used}, top.output, name=top.name),
    )


def cache_features(backbone: Any, stream: Any, batches: int) -> FeatureCache:
    """Run a frozen backbone over a stream once.

    Half precision keeps eleven bits, finer than what augmentation changes, and halves the file.

    Args:
        backbone: Keras model, pixels -> {name: (B, h, w, c)}; its batch normalization must be frozen.
        stream: of (pixels (B, H, W, 3), targets).
        batches: how many it gives, all of one size.

    Raises:
        ValueError: the disk has no room for the features.
    """
    import tensorflow as tf

    run = tf.function(lambda pixels: backbone(pixels, training=False))
    features: dict[str, NDArray[np.float16]] = {}
    targets: dict[str, NDArray[Any]] = {}
    count = 0
    for pixels, answer in tqdm(stream, total=batches, desc="features", unit="batch", disable=None):
        values = {name: value.numpy() for name, value in run(pixels).items()}
        answers = {name: value.numpy() for name, value in answer.items()}
        batch = len(pixels)
        if not features:
            half = {name: value.astype(np.float16) for name, value in values.items()}
            features, targets = _map_temporary(batches * batch, half, answers)
        for name, value in values.items():
            features[name][count : count + batch] = value  # rounded to half precision here
        for name, value in answers.items():
            targets[name][count : count + batch] = value
        count += batch
    return FeatureCache(features, targets, count)


def _map_temporary(count: int, *batches: dict[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """Arrays on disk for `count` rows such as those of each batch's arrays, which are gone when the process
    ends, however it ends: their files have no names."""
    folder = Path(".glasshouse")  # beside the project's data: /tmp may live in memory
    folder.mkdir(exist_ok=True)
    # A mapped file takes its room only when it is written, and a full disk then kills without a word.
    needed = sum(count * value[0].nbytes for batch in batches for value in batch.values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"train_head.features: the cached features need {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are "
            f"free in {folder.resolve()}. Make room, take fewer train_head.variants, or set live."
        )

    def map_array(value: NDArray[Any]) -> NDArray[Any]:
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, value.dtype, "w+", shape=(count, *value.shape[1:]))

    return [{name: map_array(value) for name, value in batch.items()} for batch in batches]
