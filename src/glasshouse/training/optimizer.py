"""AdamW and its schedule; on TensorFlow a variable's step is the one kernel that it has for that."""

from __future__ import annotations

from typing import Any

import keras

UNDECAYED = frozenset(("bias", "gamma", "beta"))  # the last two are batch normalization's


class FusedAdamW(keras.optimizers.Adam):
    """Keras's AdamW, but a variable's step is one kernel on TensorFlow instead of fifteen operations.

    The results are Keras's but for rounding. The learning rate is computed once a step; Keras computes it
    again for each variable that decays.
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

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable and its two moments: Kingma and Ba, arXiv:1412.6980, end of section 2."""
        # On TensorFlow the name is LAYER/WEIGHT:0, elsewhere WEIGHT.
        if self.decay and variable.name.partition(":")[0].rpartition("/")[2] not in UNDECAYED:
            self.assign_sub(variable, variable * (learning_rate * self.decay))
        if keras.backend.backend() != "tensorflow":
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.constant(self.beta_1, step.dtype), step),
            beta2_power=tf.pow(tf.constant(self.beta_2, step.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
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
