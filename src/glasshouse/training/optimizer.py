"""AdamW and its schedule; on TensorFlow a variable's step is the one kernel that it has for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

UNDECAYED = frozenset(("bias", "gamma", "beta"))  # the last two are batch normalization's


class FusedAdamW(keras.optimizers.Adam):
    """Keras's AdamW, but a variable's step is one kernel on TensorFlow instead of fifteen operations, and its
    moving average two instead of eight.

    The results are Keras's but for rounding. What is the same for all variables (rate, powers of the decays,
    momentum of the average) is computed once a step; Keras computes it again for each.
    """

    def __init__(self, learning_rate: Any, *, decay: float, **settings: Any) -> None:
        """Start at step 0.

        Args:
            learning_rate: a number or a schedule.
            decay: of weights other than UNDECAYED; times the learning rate it is the share that they lose a
                step, apart from the gradient (Loshchilov and Hutter, arXiv:1711.05101).
            settings: Adam's.
        """
        super().__init__(learning_rate, **settings)
        self.decay = decay
        self._powers: tuple[Any, ...] = ()

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Move all variables by one step; see Keras's own."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            step = tf.cast(self.iterations + 1, tf.float32)
            self._powers = tuple(tf.pow(tf.constant(beta), step) for beta in (self.beta_1, self.beta_2))
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable and its two moments: Kingma and Ba, arXiv:1412.6980, end of section 2."""
        # On TensorFlow the name is LAYER/WEIGHT:0, elsewhere WEIGHT.
        decays = self.decay and variable.name.partition(":")[0].rpartition("/")[2] not in UNDECAYED
        if keras.backend.backend() != "tensorflow":
            if decays:
                self.assign_sub(variable, variable * (learning_rate * self.decay))
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index, rate = self._get_variable_index(variable), tf.cast(learning_rate, variable.dtype)
        if decays:
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=rate * self.decay, delta=tf.convert_to_tensor(variable)
            )
        beta1_power, beta2_power = (tf.cast(power, variable.dtype) for power in self._powers)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta1_power,
            beta2_power=beta2_power,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )

    def _update_model_variables_moving_average(self, trainable_variables: Sequence[Any]) -> None:
        """average <- average - (1 - momentum) * (average - variable); after the first step the variable."""
        if not self.use_ema or keras.backend.backend() != "tensorflow":
            super()._update_model_variables_moving_average(trainable_variables)
            return
        import tensorflow as tf

        share = tf.where(tf.equal(self.iterations.value, 0), 1.0, 1.0 - self.ema_momentum)
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=average.value.handle,
                alpha=tf.cast(share, variable.dtype),
                delta=average.value - tf.convert_to_tensor(variable),
            )


def build_optimizer(
    *,
    learning_rate: float,
    warmup_steps: int,
    total_steps: int,
    weight_decay: float = 0.0,
    clip_norm: float = 10.0,
    ema_momentum: float = 0.0,
) -> Any:
    """AdamW with linear warm-up and cosine decay to a hundredth of the peak.

    Biases and the scales and shifts of batch normalization do not decay.

    Args:
        learning_rate: peak.
        warmup_steps: steps from 0 to the peak.
        total_steps: steps of the whole training.
        weight_decay: AdamW's.
        clip_norm: of all gradients together.
        ema_momentum: of the moving average of the weights that replaces them at the end; 0 for none.
    """
    warmup = min(warmup_steps, max(total_steps - 1, 0))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else learning_rate,
        decay_steps=max(total_steps - warmup, 1),
        alpha=0.01,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    average: dict[str, Any] = {"use_ema": True, "ema_momentum": ema_momentum} if ema_momentum else {}
    return FusedAdamW(rate, decay=weight_decay, global_clipnorm=clip_norm, **average)
