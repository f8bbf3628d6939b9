"""tf.data without its tuner."""

from __future__ import annotations

from typing import Any


def without_tuner(dataset: Any) -> Any:
    """The same elements of a tf.data stream, without the thread that tunes buffers and numbers of workers.

    Nothing is to be tuned: both are given. And who lets go of the iterator waits for that thread, which
    now and then sleeps its time out, up to a minute after a long training, while the machine idles (seen with
    TensorFlow 2.21: `LogicalThreadWrapper` in the destructor of `RootDataset::Iterator`).
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
