"""Soft suppression against the paper's sequential algorithm, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.geometry.boxes import compute_iou_matrix

ANCHORS, CLASSES, TOP_K, KEPT = 10, 2, 14, 6


def soften_one_by_one(
    boxes: Any, scores: Any, score_threshold: float, sigma: float, kept_at_most: int, top_k: int
) -> list[tuple[float, int, int]]:
    """(score, anchor, class) of what the sequential algorithm takes from one picture."""
    iou = compute_iou_matrix(boxes, boxes)
    pairs = [(float(scores[a, c]), a, c) for a in range(len(boxes)) for c in range(scores.shape[1])]
    left = [pair for pair in sorted(pairs, key=lambda pair: -pair[0]) if pair[0] >= score_threshold][:top_k]
    taken = []
    while left and len(taken) < kept_at_most:
        best = max(left, key=lambda pair: pair[0])
        left.remove(best)
        taken.append(best)
        left = [
            (score * math.exp(-(iou[best[1], a] ** 2) / sigma) if c == best[2] else score, a, c)
            for score, a, c in left
        ]
    return [pair for pair in taken if pair[0] >= score_threshold]


def to_arrays(found: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in found.items()}


def test_golden_scores() -> None:
    """Boxes 0..10 and 5..15 wide: intersection 50, union 150, IoU 1/3: the weaker keeps exp(-1/9 / 0.5)."""
    from glasshouse.models.layers.nms import suppress

    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [40, 40, 50, 50]], np.float32)
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    found = to_arrays(suppress(boxes, scores, soft_sigma=0.5, max_detections=4))
    # 0.8 * exp(-2/9) = 0.6406: it falls behind the third, which overlaps nothing.
    np.testing.assert_allclose(found["scores"], [0.9, 0.7, 0.8 * math.exp(-2 / 9), 0], rtol=1e-6)
    np.testing.assert_array_equal(found["boxes"][:3], boxes[[0, 2, 1]])
    assert found["valid"] == 3
    apart = to_arrays(suppress(boxes[:2], np.array([[0.9, 0], [0, 0.8]], np.float32), soft_sigma=0.5))
    np.testing.assert_allclose(apart["scores"][:2], [0.9, 0.8])  # classes do not touch each other


def test_what_falls_below_the_threshold_is_dropped() -> None:
    from glasshouse.models.layers.nms import suppress

    boxes = np.array([[0, 0, 10, 10]] * 3, np.float32)
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    # Equal boxes: 0.8 * exp(-1 / 0.5) = 0.108, 0.7 * exp(-4) = 0.0128.
    found = to_arrays(suppress(boxes, scores, score_threshold=0.05, soft_sigma=0.5))
    assert found["valid"] == 2
    np.testing.assert_allclose(found["scores"][:3], [0.9, 0.8 * math.exp(-2), 0], rtol=1e-6)


def test_a_tiny_sigma_is_hard_suppression_of_everything_that_touches() -> None:
    from glasshouse.models.layers.nms import suppress

    rng = np.random.default_rng(0)
    corner = 4 * rng.integers(0, 15, (1, 40, 2))  # what touches overlaps by 4 x 4 of 20 x 20 at least
    boxes = np.concatenate([corner, corner + 20], axis=-1).astype(np.float32)
    scores = rng.uniform(0.1, 1, (1, 40, 2)).astype(np.float32)
    soft = to_arrays(suppress(boxes, scores, soft_sigma=1e-9))
    hard = to_arrays(suppress(boxes, scores, iou_threshold=1e-3))
    for name, value in hard.items():
        np.testing.assert_array_equal(soft[name], value, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    score_threshold=st.sampled_from([0.0, 0.001, 0.2]),
    sigma=st.sampled_from([0.1, 0.5, 2.0]),
)
def test_equals_the_sequential_algorithm(seed: int, score_threshold: float, sigma: float) -> None:
    from glasshouse.models.layers.nms import suppress

    rng = np.random.default_rng(seed)
    corner, sides = rng.uniform(0, 30, (2, ANCHORS, 2)), rng.uniform(0, 30, (2, ANCHORS, 2))
    boxes = np.concatenate([corner, corner + sides], axis=-1).astype(np.float32)
    scores = rng.uniform(0, 1, (2, ANCHORS, CLASSES)).astype(np.float32)
    options = {"score_threshold": score_threshold, "max_detections": KEPT, "pre_nms_top_k": TOP_K}
    found = to_arrays(suppress(boxes, scores, soft_sigma=sigma, **options))
    for picture in range(2):
        wanted = soften_one_by_one(boxes[picture], scores[picture], score_threshold, sigma, KEPT, TOP_K)
        close = abs(np.array([score for score, _, _ in wanted]) - score_threshold) < 1e-6
        assert found["valid"][picture] == len(wanted) or close.any()
        for row, (score, anchor, label) in enumerate(wanted):
            np.testing.assert_allclose(found["scores"][picture, row], score, rtol=1e-4)
            assert found["labels"][picture, row] == label
            np.testing.assert_array_equal(found["boxes"][picture, row], boxes[picture, anchor])


def test_scores_fall_and_never_rise_above_the_hard_ones() -> None:
    from glasshouse.models.layers.nms import suppress

    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 100, (3, 200, 2))
    boxes = np.concatenate([corner, corner + 30], axis=-1).astype(np.float32)
    scores = rng.uniform(0, 1, (3, 200, 3)).astype(np.float32)
    found = to_arrays(suppress(boxes, scores, soft_sigma=0.5))
    assert (np.diff(found["scores"], axis=1) <= 0).all()
    assert (found["valid"] == 100).all()
    plain = to_arrays(suppress(boxes, scores, iou_threshold=1.0))
    assert (found["scores"] <= plain["scores"]).all()


def test_graph_equals_eager_and_the_layer_survives_saving(tmp_path: Any) -> None:
    import keras
    import tensorflow as tf

    from glasshouse.models.layers.nms import NonMaxSuppression, suppress

    rng = np.random.default_rng(2)
    corner = rng.uniform(0, 60, (2, 30, 2))
    boxes = np.concatenate([corner, corner + 25], axis=-1).astype(np.float32)
    scores = rng.uniform(0, 1, (2, 30, 3)).astype(np.float32)
    eager = to_arrays(suppress(boxes, scores, soft_sigma=0.5, max_detections=12))
    spec = [tf.TensorSpec((None, 30, 4)), tf.TensorSpec((None, 30, 3))]
    run = tf.function(lambda b, s: suppress(b, s, soft_sigma=0.5, max_detections=12), input_signature=spec)
    inputs = [keras.Input(array.shape[1:], dtype="float32") for array in (boxes, scores)]
    model = keras.Model(inputs, NonMaxSuppression(soft_sigma=0.5, max_detections=12)(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for other in (to_arrays(run(boxes, scores)), to_arrays(loaded([boxes, scores]))):
        for name, value in eager.items():
            np.testing.assert_allclose(other[name], value, rtol=1e-6, err_msg=name)


def test_nothing_to_take_gives_padding() -> None:
    from glasshouse.models.layers.nms import suppress

    found = to_arrays(
        suppress(np.ones((1, 3, 4), np.float32), np.full((1, 3, 2), np.nan, np.float32), soft_sigma=0.5)
    )
    assert found["valid"].tolist() == [0]
    assert (found["labels"] == -1).all() and not found["scores"].any()
