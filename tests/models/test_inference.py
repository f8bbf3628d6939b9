"""The network as people use it: pixels in, decoded predictions out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.models.backbones import csp_compact
from glasshouse.models.heads import anchor_free, classify
from glasshouse.models.necks import none, top_down

SIDE, CLASSES, KEPT, CANDIDATES = 64, 3, 20, 300


def settings(**more: Any) -> Any:
    return SimpleNamespace(
        **{
            "score_threshold": 0.05,
            "nms": "hard",
            "nms_iou": 0.5,
            "max_detections": KEPT,
            "batch_size": 4,
            **more,
        }
    )


def build(task: str) -> Any:
    import keras

    from glasshouse.models.network import build_network

    keras.utils.set_random_seed(2)
    neck: Any = top_down.Params(name="top_down", channels=16)
    head: Any = anchor_free.Params(name="anchor_free")
    if task == "classify":
        neck, head = none.Params(name="none"), classify.Params(name="classify")
    model: Any = SimpleNamespace(
        task=task,
        backbone=csp_compact.Params(name="csp_compact", weights="none"),
        neck=neck,
        head=head,
    )
    return build_network(model, height_px=SIDE, width_px=SIDE, classes=CLASSES)


@pytest.fixture(scope="module")
def detecting() -> Any:
    """A detector that speaks up: a fresh one gives every cell the same low score."""
    network = build("detect")
    rng = np.random.default_rng(0)
    for layer in network.top.layers:
        if layer.name.endswith(("logits", "distances")) and layer.weights:
            kernel, bias = layer.get_weights()
            spread = rng.normal(0, 1.5 if layer.name.endswith("logits") else 0.3, kernel.shape)
            layer.set_weights([spread / np.sqrt(len(kernel.reshape(-1, kernel.shape[-1]))) * 6, bias])
    return network


@pytest.fixture(scope="module")
def inference(detecting: Any) -> Any:
    from glasshouse.models.inference import build_inference

    return build_inference(detecting, settings())


def draw_pixels(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.float32)


def to_arrays(values: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in values.items()}


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(sides[0], 0) * max(sides[1], 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return float(shared / union) if union > 0 else 0.0


def suppress_by_hand(boxes: np.ndarray, scores: np.ndarray) -> list[tuple[int, int]]:
    """(cell, class) of what one picture keeps: the best first, none that a kept one of its class covers."""
    order = np.argsort(-scores.reshape(-1), kind="stable")[:CANDIDATES]
    kept: list[tuple[int, int]] = []
    for cell, label in (divmod(int(place), CLASSES) for place in order):
        if scores[cell, label] < 0.05:
            break
        if all(label != other or overlap(boxes[cell], boxes[at]) <= 0.5 for at, other in kept):
            kept.append((cell, label))
    return kept[:KEPT]


def test_detections_have_the_promised_form(inference: Any) -> None:
    assert [tensor.name for tensor in inference.inputs] == ["pixels"]
    assert inference.inputs[0].shape == (None, SIDE, SIDE, 3)
    out = to_arrays(inference(draw_pixels()))
    assert {name: (value.shape, str(value.dtype)) for name, value in out.items()} == {
        "boxes": ((3, KEPT, 4), "float32"),
        "scores": ((3, KEPT), "float32"),
        "labels": ((3, KEPT), "int32"),
        "valid": ((3,), "int32"),
    }
    assert (out["valid"] > 0).all()
    for boxes, scores, labels, valid in zip(
        *(out[k] for k in ("boxes", "scores", "labels", "valid")), strict=True
    ):
        assert (np.diff(scores) <= 0).all()
        assert (scores[:valid] >= 0.05).all()
        assert set(labels[:valid]) <= set(range(CLASSES))
        assert (boxes >= 0).all() and (boxes <= SIDE).all()
        assert (boxes[:valid, 2:] >= boxes[:valid, :2]).all()
        assert (boxes[valid:] == 0).all() and (scores[valid:] == 0).all() and (labels[valid:] == -1).all()


@pytest.mark.parametrize(("kept", "candidates"), [(20, 300), (100, 300), (400, 1200)])
def test_more_detections_are_chosen_from_more_candidates(detecting: Any, kept: int, candidates: int) -> None:
    from glasshouse.models.inference import build_inference

    model = build_inference(detecting, settings(max_detections=kept))
    assert model.get_layer("suppress").pre_nms_top_k == candidates


def test_detections_are_decoding_and_suppression_by_hand(detecting: Any, inference: Any) -> None:
    from glasshouse.geometry.grids import grid_points

    raw = to_arrays(detecting.full(draw_pixels()))
    centres, strides = grid_points(SIDE, SIDE, (8, 16, 32))
    reach = np.exp(raw["distances"]) * strides
    boxes = np.concatenate([centres - reach[..., :2], centres + reach[..., 2:]], axis=-1).clip(0, SIDE)
    scores = 1 / (1 + np.exp(-raw["logits"]))
    out = to_arrays(inference(draw_pixels()))
    suppressed = 0
    for picture in range(3):
        kept = suppress_by_hand(boxes[picture], scores[picture])
        suppressed += int((scores[picture] >= 0.05).sum()) - len(kept)
        count = out["valid"][picture]
        assert count == len(kept)
        assert out["labels"][picture, :count].tolist() == [label for _, label in kept]
        assert out["scores"][picture, :count] == pytest.approx([scores[picture][at] for at in kept], rel=1e-4)
        wanted = np.array([boxes[picture, cell] for cell, _ in kept])
        assert out["boxes"][picture, :count] == pytest.approx(wanted, abs=1e-2)
    assert suppressed > 10  # there was something to suppress


def test_nothing_above_the_threshold_is_all_padding(detecting: Any) -> None:
    from glasshouse.models.inference import build_inference

    out = to_arrays(
        build_inference(detecting, settings(score_threshold=1.0, max_detections=7))(draw_pixels())
    )
    assert out["boxes"].shape == (3, 7, 4)
    assert not out["boxes"].any() and not out["scores"].any() and not out["valid"].any()
    assert (out["labels"] == -1).all()


@pytest.mark.parametrize("task", ["detect", "classify"])
def test_a_picture_alone_gives_what_it_gives_in_a_batch(task: str, inference: Any, classifying: Any) -> None:
    model = inference if task == "detect" else classifying[1]
    together = to_arrays(model(draw_pixels()))
    for picture in range(3):
        for name, value in to_arrays(model(draw_pixels()[picture : picture + 1])).items():
            np.testing.assert_allclose(value[0], together[name][picture], rtol=1e-4, atol=1e-3)


def test_a_graph_gives_what_eager_code_gives(inference: Any) -> None:
    import tensorflow as tf

    run = tf.function(lambda pixels: inference(pixels, training=False))
    eager = to_arrays(inference(draw_pixels()))
    for name, value in to_arrays(run(tf.constant(draw_pixels()))).items():
        np.testing.assert_allclose(value, eager[name], rtol=1e-4, atol=1e-3)


@pytest.fixture(scope="module")
def classifying() -> tuple[Any, Any]:
    from glasshouse.models.inference import build_inference

    network = build("classify")
    return network, build_inference(network, settings())


def test_a_classifier_gives_probabilities(classifying: tuple[Any, Any]) -> None:
    network, model = classifying
    out = to_arrays(model(draw_pixels()))
    logits = np.asarray(network.full(draw_pixels())["logits"], np.float64)
    assert list(out) == ["probabilities"]
    assert out["probabilities"].dtype == np.float32
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(out["probabilities"], wanted, rtol=1e-4, atol=1e-7)


def test_the_weights_are_the_networks_own(classifying: tuple[Any, Any]) -> None:
    """What trains on changes what is predicted, without building anew."""
    network, model = classifying
    dense = network.top.get_layer("logits")
    before = dense.get_weights()
    dense.set_weights([np.zeros_like(before[0]), np.log(np.array([1, 2, 5], np.float32))])
    try:
        assert np.asarray(model(draw_pixels(1))["probabilities"])[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    finally:
        dense.set_weights(before)
