"""Losses of single numbers at worked values and at their ends."""

from __future__ import annotations

import math

import numpy as np
import pytest


def test_binary_cross_entropy() -> None:
    from glasshouse.models.losses.elementwise import binary_cross_entropy

    logits = np.array([0.0, math.log(3), math.log(3), -1e4, 1e4, 1e4], np.float32)
    targets = np.array([0.5, 1.0, 0.0, 0.0, 1.0, 0.0], np.float32)
    # log 2; 3/4 sure and right: -log(3/4); and wrong: -log(1/4).
    wanted = [math.log(2), math.log(4 / 3), math.log(4), 0, 0, 1e4]
    np.testing.assert_allclose(binary_cross_entropy(logits, targets), wanted, rtol=1e-6)


def test_smooth_l1_is_smooth() -> None:
    import tensorflow as tf

    from glasshouse.models.losses.elementwise import smooth_l1

    errors = tf.constant([0.0, 0.5, -0.5, 1.0, -3.0, 1e4])
    with tf.GradientTape() as tape:
        tape.watch(errors)
        losses = smooth_l1(errors)
    np.testing.assert_allclose(losses, [0, 0.125, 0.125, 0.5, 2.5, 1e4 - 0.5])
    assert tape.gradient(losses, errors).numpy() == pytest.approx([0, 0.5, -0.5, 1, -1, 1])
