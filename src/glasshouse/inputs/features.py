"""Features of a frozen backbone, computed once and kept for all epochs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm


@dataclass(frozen=True)
class FeatureCache:
    """Features and targets of `count` examples, in the order in which the augmented stream gave them.

    features: name -> (count, h, w, c) float16, memory-mapped from a file that goes with the process.
        targets: name -> (count, ...).
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

        return tf.data.Dataset.range(first_step, last_step).map(load, num_parallel_calls=1).prefetch(4)


def cache_features(backbone: Any, stream: Any, batches: int) -> FeatureCache:
    """Run a frozen backbone over a stream once.

    Half precision keeps eleven bits, finer than what augmentation changes, and halves the file.

    Args:
        backbone: Keras model, pixels -> {name: (B, h, w, c)}; its batch normalization must be frozen.
        stream: of (pixels (B, H, W, 3), targets).
        batches: how many it gives, all of one size.
    """
    import tensorflow as tf

    run = tf.function(lambda pixels: backbone(pixels, training=False))
    features: dict[str, NDArray[np.float16]] = {}
    targets: dict[str, list[NDArray[Any]]] = {}
    count = 0
    for pixels, answer in tqdm(stream, total=batches, desc="features", unit="batch", disable=None):
        values = {name: value.numpy() for name, value in run(pixels).items()}
        batch = len(pixels)
        for name, value in values.items():
            if name not in features:
                features[name] = _map_temporary((batches * batch, *value.shape[1:]))
            features[name][count : count + batch] = value  # rounded to half precision here
        for name, value in answer.items():
            targets.setdefault(name, []).append(value.numpy())
        count += batch
    return FeatureCache(features, {name: np.concatenate(parts) for name, parts in targets.items()}, count)


def _map_temporary(shape: tuple[int, ...]) -> NDArray[np.float16]:
    """An array on disk that is gone when the process ends, however it ends: its file has no name."""
    folder = Path(".glasshouse")  # beside the project's data: /tmp may live in memory
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.float16, "w+", shape=shape)
