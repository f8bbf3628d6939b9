"""The process that trains: memory, seeds, determinism, precision."""

from __future__ import annotations

import ctypes
from typing import Any

from glasshouse.training.quiet import quiet

# Names and numbers of glibc's malloc.h, and what they are set to, bytes.
TRIM_THRESHOLD, MMAP_MAX = (-1, 2**31 - 1), (-4, 0)


def prepare_runtime(seed: int) -> None:
    """Make every later computation of this process a function of `seed`; call once, before a network is
    built.

    On a GPU the network computes in half precision (its losses and outputs stay in float32); on a CPU that
    gains nothing. Memory that is freed stays with the process (`keep_memory`).

    Args:
        seed: of Python, NumPy and Keras.
    """
    keep_memory()
    with quiet():
        import keras

        on_tensorflow = keras.backend.backend() == "tensorflow"
        gpus = prepare_tensorflow() if on_tensorflow else 0
        keras.ops.zeros(1)  # the backend says hello twice: when it is imported and when it first computes
    keras.utils.set_random_seed(seed)
    if gpus:
        keras.mixed_precision.set_global_policy("mixed_float16")


def keep_memory() -> bool:
    """Let the C library keep what is freed for the next step instead of giving it back to the system.

    TensorFlow on a CPU allocates every activation anew. glibc asks the system for those of more than 32 MB
    each time, and the system clears them page by page: half of the time that batch normalization takes.

    Returns:
        Whether there is such a setting: glibc has it, other C libraries have not.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all([mallopt(*each) for each in (TRIM_THRESHOLD, MMAP_MAX)])


def training_seed(params: Any) -> int:
    """Seed of both trainings: `seed`, which data and split follow too, plus `model.seed`, theirs alone."""
    return int(params.seed + params.model.seed)


def prepare_tensorflow() -> int:
    """Make TensorFlow deterministic and modest with memory, before it computes anything.

    Returns:
        The number of GPUs.
    """
    import tensorflow as tf

    # Seeds alone are not enough: threads would still add in any order.
    tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return len(gpus)
