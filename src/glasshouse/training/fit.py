"""One training: epochs, resuming, and a stop on numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from glasshouse.training.checkpoints import Checkpoint
from glasshouse.training.learner import Learner

Row = dict[str, Any]


class NotFinite(ArithmeticError):
    """A loss became infinite or not a number."""


class _Epochs(keras.callbacks.Callback):
    """After each epoch: look at the losses, validate on the averaged weights, note, save."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        history: list[Row],
        validate: Callable[[int], Row] | None,
        on_epoch: Callable[[int, Row], None] | None,
    ) -> None:
        super().__init__()
        self.checkpoint, self.history, self.validate, self.on_epoch = checkpoint, history, validate, on_epoch

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
        row: Row = {"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}}
        if bad := [name for name, value in row.items() if not math.isfinite(value)]:
            raise NotFinite(
                f"epoch {epoch + 1}: {', '.join(bad)} is no finite number; lower learning_rate or clip_norm."
            )
        if self.validate:
            row |= self._validated(epoch)
        self.history.append(row)
        self.checkpoint.save(self.model, self.history)
        if self.on_epoch:
            self.on_epoch(epoch + 1, row)

    def _validated(self, epoch: int) -> Row:
        assert self.validate is not None
        # Copies, not Keras's SwapEMAWeights: that one swaps by adding and subtracting, which changes the last
        # bits of the weights in training.
        weights = self.model.trainable_variables
        in_training = [weight.numpy() for weight in weights]
        self.model.optimizer.finalize_variable_values(weights)
        try:
            return self.validate(epoch + 1)
        finally:
            for weight, value in zip(weights, in_training, strict=True):
                weight.assign(value)


def fit(
    learner: Learner,
    optimizer: Any,
    stream: Callable[[int, int], Any],
    *,
    steps: int,
    epochs: int,
    checkpoint: Checkpoint,
    validate: Callable[[int], Row] | None = None,
    on_epoch: Callable[[int, Row], None] | None = None,
) -> list[Row]:
    """Train, or go on training; at the end the learner holds the averaged weights.

    Args:
        learner: what to train.
        optimizer: fresh.
        stream: (first step, last step) -> tf.data of exactly these batches.
        steps: batches an epoch.
        epochs: in all.
        checkpoint: where the state is kept, and taken up again if it is of this very training.
        validate: epoch from 1 -> scores, on the averaged weights; an empty dict to skip.
        on_epoch: told each new row of the history.

    Returns:
        One row an epoch: epoch from 1, loss, loss_TERM, whatever `validate` gave.

    Raises:
        NotFinite: a loss is infinite or not a number.
    """
    # XLA makes TensorFlow's convolutions on a CPU several times slower; JAX is nothing without it.
    learner.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    learner.optimizer.build(learner.trainable_variables)
    history = checkpoint.load(learner)
    done = len(history)
    if done < epochs:
        learner.fit(
            stream(done * steps, epochs * steps),
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=epochs,
            verbose=2,
            shuffle=False,  # the stream has its order
            callbacks=[_Epochs(checkpoint, history, validate, on_epoch)],
        )
    else:
        learner.optimizer.finalize_variable_values(learner.trainable_weights)
    return history
