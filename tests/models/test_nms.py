from __future__ import annotations

import importlib.util
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ANCHORS, CLASSES, TOP_K, KEPT = 12, 2, 16, 8


def suppress_one_by_one(
    boxes: Any, scores: Any, score_threshold: float, iou_threshold: float, kept_at_most: int, top_k: int
) -> list[tuple[int, int]]:
    """The sequential algorithm for one picture: (anchor, class) of what is kept."""
    single = np.float32
    pairs = [
        (a, c)
        for a, row in enumerate(scores)
        for c, score in enumerate(row)
        if score >= single(score_threshold)
    ]
    pairs.sort(key=lambda pair: -scores[pair])  # stable: ties by anchor, then class
    kept: list[tuple[int, int]] = []
    for anchor, label in pairs[:top_k]:
        if all(
            label != other_label or not overlaps(boxes[other], boxes[anchor], single(iou_threshold))
            for other, other_label in kept
        ):
            kept.append((anchor, label))
    return kept[:kept_at_most]


def overlaps(one: Any, other: Any, iou_threshold: Any) -> bool:
    zero = np.float32(0)
    width = max(min(one[2], other[2]) - max(one[0], other[0]), zero)
    height = max(min(one[3], other[3]) - max(one[1], other[1]), zero)
    shared = width * height
    areas = [max(box[2] - box[0], zero) * max(box[3] - box[1], zero) for box in (one, other)]
    return bool(shared > iou_threshold * (areas[0] + areas[1] - shared))


def check_against_reference(found: Any, boxes: Any, scores: Any, **settings: Any) -> None:
    rows = settings["max_detections"]
    for picture in range(len(boxes)):
        kept = suppress_one_by_one(
            boxes[picture],
            scores[picture],
            settings["score_threshold"],
            settings["iou_threshold"],
            rows,
            settings["pre_nms_top_k"],
        )
        empty = rows - len(kept)
        assert found["valid"][picture] == len(kept)
        labels = [label for _, label in kept] + [-1] * empty
        np.testing.assert_array_equal(found["labels"][picture], labels)
        wanted = [scores[picture][pair] for pair in kept] + [0.0] * empty
        np.testing.assert_array_equal(found["scores"][picture], np.array(wanted, np.float32))
        wanted = [boxes[picture][anchor] for anchor, _ in kept] + [np.zeros(4)] * empty
        np.testing.assert_array_equal(found["boxes"][picture], np.array(wanted, np.float32).reshape(rows, 4))


def to_arrays(found: Any) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in found.items()}


coordinates = st.integers(0, 12)
shares = st.integers(0, 8).map(lambda step: step / 8)  # coarse: ties and exact thresholds are common


@settings(max_examples=60, deadline=None)
@given(
    corners=st.lists(st.tuples(*[coordinates] * 4), min_size=2 * ANCHORS, max_size=2 * ANCHORS),
    flat_scores=st.lists(shares, min_size=2 * ANCHORS * CLASSES, max_size=2 * ANCHORS * CLASSES),
    score_threshold=shares,
    iou_threshold=shares,
)
def test_equals_the_sequential_algorithm(
    corners: Any, flat_scores: Any, score_threshold: float, iou_threshold: float
) -> None:
    from glasshouse.models.layers.nms import suppress

    boxes = np.array(corners, np.float32).reshape(2, ANCHORS, 4)
    scores = np.array(flat_scores, np.float32).reshape(2, ANCHORS, CLASSES)
    settings = {
        "score_threshold": score_threshold,
        "iou_threshold": iou_threshold,
        "max_detections": KEPT,
        "pre_nms_top_k": TOP_K,
    }
    check_against_reference(to_arrays(suppress(boxes, scores, **settings)), boxes, scores, **settings)


def make_crowd(pictures: int, anchors: int, classes: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    centre, size = rng.uniform(0, 128, (pictures, anchors, 2)), rng.uniform(5, 60, (pictures, anchors, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], -1).astype(np.float32)
    return boxes, rng.uniform(0, 1, (pictures, anchors, classes)).astype(np.float32)


def test_graph_equals_eager_and_reference_on_a_crowd() -> None:
    import tensorflow as tf

    from glasshouse.models.layers.nms import suppress

    boxes, scores = make_crowd(4, 336, 5, seed=1)
    settings = {"score_threshold": 0.001, "iou_threshold": 0.3, "max_detections": 300, "pre_nms_top_k": 300}
    eager = to_arrays(suppress(boxes, scores, **settings))
    spec = [tf.TensorSpec((None, 336, 4)), tf.TensorSpec((None, 336, 5))]
    graph = tf.function(lambda b, s: suppress(b, s, **settings), input_signature=spec)(boxes, scores)
    for name, value in eager.items():
        np.testing.assert_array_equal(value, graph[name].numpy())
    check_against_reference(eager, boxes, scores, **settings)
    assert (eager["valid"] > 100).all() and (eager["valid"] < 290).all()  # many are suppressed, many are not


def test_longest_chain_needs_every_round() -> None:
    """Each box overlaps only its neighbours: greedy keeps every other one, and one round settles one box."""
    from glasshouse.models.layers.nms import suppress

    count = 40
    left = np.arange(count, dtype=np.float32) * 4
    boxes = np.stack([left, np.zeros(count), left + 10, np.full(count, 10)], -1).astype(np.float32)
    scores = np.linspace(1, 0.5, count, dtype=np.float32)[:, None]
    # IoU of neighbours: 6 * 10 / (100 + 100 - 60) = 0.43; of the next but one: 2 * 10 / 180 = 0.11.
    found = to_arrays(suppress(boxes, scores, iou_threshold=0.4, max_detections=count))
    assert found["valid"] == count // 2
    np.testing.assert_array_equal(found["boxes"][: count // 2, 0], left[::2])


def test_threshold_is_exclusive_above_and_classes_are_apart() -> None:
    """Boxes 0..10 and 5..15 wide: intersection 50, union 150, IoU exactly 1/3."""
    from glasshouse.models.layers.nms import suppress

    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10]], np.float32)
    one_class, two_classes = np.array([[0.9], [0.8]], np.float32), np.array([[0.9, 0], [0, 0.8]], np.float32)
    assert suppress(boxes, one_class, iou_threshold=0.34)["valid"] == 2
    assert suppress(boxes, one_class, iou_threshold=0.33)["valid"] == 1
    assert suppress(boxes, two_classes, iou_threshold=0.33)["valid"] == 2
    assert suppress(boxes[[0, 0]], one_class, iou_threshold=1.0)["valid"] == 2


def test_nothing_found_and_nan_give_padding() -> None:
    from glasshouse.models.layers.nms import suppress

    boxes = np.ones((1, 3, 4), np.float32)
    found = to_arrays(suppress(boxes, np.full((1, 3, 2), [0.0005, np.nan], np.float32), max_detections=5))
    assert found["valid"].tolist() == [0]
    assert not found["boxes"].any() and not found["scores"].any() and (found["labels"] == -1).all()
    assert found["boxes"].shape == (1, 5, 4)


def test_single_picture_is_a_batch_of_one() -> None:
    from glasshouse.models.layers.nms import suppress

    boxes, scores = make_crowd(1, 20, 3, seed=2)
    single, batch = to_arrays(suppress(boxes[0], scores[0])), to_arrays(suppress(boxes, scores))
    for name, value in batch.items():
        np.testing.assert_array_equal(single[name], value[0])


def test_layer_in_a_model_survives_saving_and_half_precision(tmp_path: Any) -> None:
    import keras

    from glasshouse.models.layers.nms import NonMaxSuppression, suppress

    boxes, scores = make_crowd(2, 30, 3, seed=3)
    layer = NonMaxSuppression(iou_threshold=0.5, max_detections=7, dtype="mixed_float16")
    inputs = [keras.Input(array.shape[1:], dtype="float32") for array in (boxes, scores)]
    model = keras.Model(inputs, layer(*inputs))
    assert {name: tuple(value.shape) for name, value in model.output.items()} == {
        "boxes": (None, 7, 4),
        "scores": (None, 7),
        "labels": (None, 7),
        "valid": (None,),
    }
    model.save(tmp_path / "model.keras")
    found = to_arrays(keras.models.load_model(tmp_path / "model.keras")([boxes, scores]))
    wanted = to_arrays(suppress(boxes, scores, iou_threshold=0.5, max_detections=7))
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"iou_threshold": 1.5}, "iou_threshold parameter of NonMaxSuppression must lie in 0..1. Got 1.5"),
        ({"score_threshold": -0.1}, "score_threshold parameter"),
        ({"max_detections": 0}, "max_detections parameter of NonMaxSuppression must be at least 1. Got 0"),
        ({"pre_nms_top_k": 0}, "pre_nms_top_k parameter"),
        ({"soft_sigma": -0.5}, "soft_sigma parameter of NonMaxSuppression must be at least 0. Got -0.5"),
        ({"soft_sigma": float("nan")}, "soft_sigma parameter"),
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, Any], message: str) -> None:
    from glasshouse.models.layers.nms import NonMaxSuppression

    with pytest.raises(ValueError, match=message):
        NonMaxSuppression(**setting)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_backend_gives_the_same(tmp_path: Any) -> None:
    boxes, scores = make_crowd(2, 40, 3, seed=4)
    np.savez(tmp_path / "in.npz", boxes=boxes, scores=scores)
    program = (
        "import sys, jax, numpy as np; from glasshouse.models.layers.nms import suppress\n"
        "data = np.load(sys.argv[1]); found = jax.jit(suppress)(data['boxes'], data['scores'])\n"
        "np.savez(sys.argv[2], **{name: np.asarray(value) for name, value in found.items()})"
    )
    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "in.npz", tmp_path / "out.npz"],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    settings = {"score_threshold": 0.001, "iou_threshold": 0.6, "max_detections": 100, "pre_nms_top_k": 300}
    check_against_reference(dict(np.load(tmp_path / "out.npz")), boxes, scores, **settings)
