"""The process that trains: seeds, determinism, precision."""

from __future__ import annotations


def prepare_runtime(seed: int) -> None:
    """Make every later computation of this process a function of `seed`; call once, before a network is
    built.

    On a GPU the network computes in half precision (its losses and outputs stay in float32); on a CPU that
    gains nothing.

    Args:
        seed: of Python, NumPy and Keras.
    """
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    # Seeds alone are not enough: threads would still add in any order.
    tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
        keras.mixed_precision.set_global_policy("mixed_float16")
