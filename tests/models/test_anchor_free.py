from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glasshouse.models.heads.anchor_free import Head, Params
from glasshouse.models.losses.task_aligned import assign, pairwise_iou

SIDE = 64
STRIDES = (8, 16, 32)
POINTS = 8 * 8 + 4 * 4 + 2 * 2


@pytest.fixture(scope="module")
def head() -> Head:
    """A head on three levels of a 64 px picture, three classes."""
    import keras

    head = Head(Params(name="anchor_free"), classes=3, height_px=SIDE, width_px=SIDE)
    features = {f"p{level}": keras.Input((SIDE // 2**level, SIDE // 2**level, 8)) for level in (3, 4, 5)}
    raw = head.build(features)
    assert raw["distances"].shape == (None, POINTS, 4)
    assert raw["logits"].shape == (None, POINTS, 3)
    return head


def test_decoding_puts_distances_around_the_cell_centre(head: Head) -> None:
    # First cell of the finest level: centre (4, 4), stride 8; log distances 0 -> one stride to each side,
    # cut at 0.
    # Cell 64 is the first of stride 16: centre (8, 8); exp(log 0.25) * 16 = 4 px to each side.
    distances = np.zeros((1, POINTS, 4), np.float32)
    distances[0, 64] = np.log(0.25)
    logits = np.zeros((1, POINTS, 3), np.float32)
    decoded = {
        name: np.asarray(value)
        for name, value in head.decode({"distances": distances, "logits": logits}).items()
    }
    assert decoded["boxes"][0, 0] == pytest.approx([0, 0, 12, 12])
    assert decoded["boxes"][0, 64] == pytest.approx([4, 4, 12, 12])
    assert decoded["scores"] == pytest.approx(0.5)


def test_a_fresh_head_says_one_in_a_hundred_and_two_strides_to_each_side() -> None:
    import keras

    fresh = Head(Params(name="anchor_free"), classes=3, height_px=SIDE, width_px=SIDE)
    features = {
        f"p{level}": keras.Input((SIDE // 2**level, SIDE // 2**level, 8), name=f"p{level}")
        for level in (3, 4, 5)
    }
    silent = {name: np.zeros((1, *feature.shape[1:]), np.float32) for name, feature in features.items()}
    raw = keras.Model(features, fresh.build(features))(silent)
    assert np.exp(np.asarray(raw["distances"])) == pytest.approx(2.0)
    assert np.asarray(fresh.decode(raw)["scores"]) == pytest.approx(0.01)


def test_distances_end_where_exponentials_would_overflow(head: Head) -> None:
    raw = {
        "distances": np.full((1, POINTS, 4), -20, np.float32),
        "logits": np.zeros((1, POINTS, 3), np.float32),
    }
    x_min, _, x_max, _ = np.asarray(head.decode(raw)["boxes"])[0, 27]  # of stride 8
    assert x_max - x_min == pytest.approx(2 * 8 * np.exp(-6), rel=1e-2)


def test_iou_of_pairs() -> None:
    a = np.array([[[0, 0, 10, 10], [0, 0, 0, 0]]], np.float32)
    b = np.array([[[5, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 30]]], np.float32)
    # 50 / (100 + 100 - 50) = 1/3; an empty box overlaps nothing.
    assert np.asarray(pairwise_iou(a, b))[0] == pytest.approx(np.array([[1 / 3, 1, 0], [0, 0, 0]]), abs=1e-6)


def truth(boxes: list[list[float]], labels: list[int], slots: int = 4) -> dict[str, np.ndarray]:
    padded = np.zeros((1, slots, 4), np.float32)
    names = np.full((1, slots), -1, np.int32)
    padded[0, : len(boxes)], names[0, : len(labels)] = np.reshape(boxes, (-1, 4)), labels
    return {"boxes": padded, "labels": names}


def ideal_raw(head: Head, labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a network would have to say for its decoding to give the labels back."""
    from glasshouse.geometry.grids import grid_points

    targets = head.encode(labels)
    centres, strides = grid_points(SIDE, SIDE, STRIDES)
    # A network that knows nothing: one score everywhere, every cell a square of two strides to each side.
    boxes = np.concatenate([centres - 2 * strides, centres + 2 * strides], axis=1)[None].astype(np.float32)
    scores = np.full((1, POINTS, 3), 0.01, np.float32)
    target_boxes, target_scores, owner = (
        np.asarray(value)
        for value in assign(
            scores, boxes, centres, np.asarray(targets["boxes"]), np.asarray(targets["one_hot"]), reach_px=4.8
        )
    )
    around = np.concatenate([centres - target_boxes[0, :, :2], target_boxes[0, :, 2:] - centres], axis=1)
    raw = {
        "distances": np.log(np.maximum(around, 1e-3) / strides)[None].astype(np.float32),
        "logits": np.where(target_scores > 0, 10.0, -10.0).astype(np.float32),
    }
    assert ((owner >= 0) == (target_scores.sum(-1) > 0)).all()
    return raw


def test_decode_inverts_encode(head: Head) -> None:
    boxes = [[2, 3, 20, 25], [30, 10, 62, 60], [40, 4, 50, 14]]
    decoded = head.decode(ideal_raw(head, truth(boxes, [0, 2, 1])))
    found, scores = np.asarray(decoded["boxes"])[0], np.asarray(decoded["scores"])[0]
    for box, label in zip(boxes, [0, 2, 1], strict=True):
        mine = found[scores[:, label] > 0.5]
        assert np.abs(mine - box).max(axis=1).min() < 0.1


def test_recall_of_decoded_truth_is_nearly_whole(head: Head) -> None:
    """Objects of 6 to 40 px thrown at random: the share that the grid can hold."""
    rng = np.random.default_rng(0)
    kept = total = 0
    for _ in range(80):
        sides = rng.uniform(6, 40, (3, 2))
        corner = rng.uniform(0, SIDE - sides)
        boxes = np.concatenate([corner, corner + sides], axis=1)
        decoded = head.decode(ideal_raw(head, truth(boxes.tolist(), [0, 1, 2])))
        found, scores = np.asarray(decoded["boxes"])[0], np.asarray(decoded["scores"])[0]
        overlap = np.asarray(pairwise_iou(boxes[None].astype(np.float32), found[None]))[0]
        for row, label in zip(overlap, [0, 1, 2], strict=True):
            kept += bool((row[scores[:, label] > 0.5] > 0.9).any())
            total += 1
    assert kept / total > 0.98


def test_every_object_gets_at_most_top_k_points_and_a_point_one_object(head: Head) -> None:
    rng = np.random.default_rng(1)
    centres = rng.uniform(0, SIDE, (50, 2)).astype(np.float32)
    boxes = np.concatenate([centres - 8, centres + 8], axis=1)[None]
    one_hot = np.eye(3, dtype=np.float32)[[0, 1]][None]
    objects = np.array([[[0, 0, 40, 40], [20, 20, 64, 64]]], np.float32)
    target_boxes, target_scores, owner = (
        np.asarray(value)
        for value in assign(
            rng.uniform(0, 1, (1, 50, 3)).astype(np.float32),
            boxes,
            centres,
            objects,
            one_hot,
            reach_px=4,
            top_k=5,
        )
    )
    assert set(owner[0].tolist()) <= {-1, 0, 1}
    assert max((owner == 0).sum(), (owner == 1).sum()) <= 5
    assert target_scores.max() <= 1
    for point in np.flatnonzero(owner[0] >= 0):
        assert target_boxes[0, point] == pytest.approx(objects[0, owner[0, point]])
    # The best point of an object is asked for its overlap.
    overlap = np.asarray(pairwise_iou(objects, boxes))[0]
    for number in (0, 1):
        mine = owner[0] == number
        assert target_scores[0, mine].max() == pytest.approx(overlap[number, mine].max(), rel=1e-4)


def test_an_object_gets_its_ten_best_points_if_nothing_else_is_said() -> None:
    places = np.arange(1, 17)  # all of them inside the object; each predicts its left half, so IoU 0.5
    centres = np.stack([places, places], axis=1).astype(np.float32)
    boxes = np.tile(np.array([0, 0, 10, 20], np.float32), (1, 16, 1))
    scores = ((places / 16) ** 2).astype(np.float32)[None, :, None]
    target_boxes, target_scores, owner = (
        np.asarray(value)
        for value in assign(
            scores,
            boxes,
            centres,
            np.array([[[0, 0, 20, 20]]], np.float32),
            np.ones((1, 1, 1), np.float32),
            reach_px=4.8,
        )
    )
    # Alignment (k / 16)^(2 * 0.5) * 0.5^6, so the ten best are k = 7 .. 16. The best is asked for its IoU,
    # the others for as much less as they are aligned less: 0.5 * k / 16.
    wanted = np.where(places >= 7, places / 32, 0.0)
    assert owner[0].tolist() == [-1] * 6 + [0] * 10
    assert target_scores[0, :, 0] == pytest.approx(wanted, abs=1e-5)
    assert (target_boxes[0, 6:] == [0, 0, 20, 20]).all()


def test_the_overlap_weighs_with_its_sixth_power_and_the_score_with_its_root() -> None:
    centres = np.array([[4, 10], [10, 10], [16, 10]], np.float32)
    boxes = np.array([[[0, 0, 20, 20], [0, 0, 10, 20], [0, 0, 20, 20]]], np.float32)  # IoU 1, 0.5 and 1
    _, target_scores, _ = assign(
        np.array([[[0.64], [0.64], [0.16]]], np.float32),
        boxes,
        centres,
        np.array([[[0, 0, 20, 20]]], np.float32),
        np.ones((1, 1, 1), np.float32),
        reach_px=4.8,
    )
    # 0.8 * 1, 0.8 * 0.5^6 and 0.4 * 1, scaled so that the best is asked for its IoU, 1.
    assert np.asarray(target_scores)[0, :, 0] == pytest.approx([1.0, 1 / 64, 0.5], abs=1e-6)


def loss_of(head: Head, raw: dict[str, Any], labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in head.loss(head.encode(labels), raw).items()}


def test_the_loss_of_one_object_with_one_point(head: Head) -> None:
    # Cell 27 of the finest level, row 3 and column 3, is the only one whose centre, (28, 28), lies nearer
    # than REACH * 8 = 4.8 px to the object's, (30, 30). Log distances 0 give it the box (20, 20, 36, 36).
    logits = np.zeros((1, POINTS, 3), np.float32)
    logits[0, 27, 1] = 2.0
    raw = {"distances": np.zeros((1, POINTS, 4), np.float32), "logits": logits}
    loss = loss_of(head, raw, truth([[26, 26, 34, 34]], [1]))
    # IoU 8^2 / 16^2 = 0.25, what the point is asked for and its weight; the sum of weights counts as 1.
    # CIoU 0.25 - (2^2 + 2^2) / (16^2 + 16^2) = 0.234375, both being squares; 7.5 * 0.765625 * 0.25.
    assert loss["box"] == pytest.approx([1.435547], abs=1e-4)
    # 84 * 3 - 1 scores of 0.5 cost log 2 each; the one of logit 2, asked for 0.25, costs
    # 2 - 2 * 0.25 + log(1 + exp(-2)) = 1.626928: 0.5 * (251 * 0.693147 + 1.626928).
    assert loss["class"] == pytest.approx([87.803435], abs=1e-3)


def test_the_loss_of_a_perfect_answer_is_near_nothing(head: Head) -> None:
    labels = truth([[2, 3, 20, 25], [30, 10, 62, 60]], [0, 2])
    raw = ideal_raw(head, labels)
    near = loss_of(head, raw, labels)
    far = loss_of(head, {name: np.zeros_like(value) for name, value in raw.items()}, labels)
    assert near["box"][0] < 0.05 * far["box"][0]
    assert near["class"][0] < 0.2 * far["class"][0]


def test_padding_and_pictures_without_objects_add_no_box_loss(head: Head) -> None:
    rng = np.random.default_rng(2)
    raw = {
        "distances": rng.normal(size=(1, POINTS, 4)).astype(np.float32),
        "logits": rng.normal(size=(1, POINTS, 3)).astype(np.float32),
    }
    assert loss_of(head, raw, truth([], []))["box"][0] == 0
    one = loss_of(head, raw, truth([[10, 10, 30, 30]], [1], slots=1))
    padded = loss_of(head, raw, truth([[10, 10, 30, 30]], [1], slots=9))
    assert one["box"] == pytest.approx(padded["box"])
    assert one["class"] == pytest.approx(padded["class"])


@pytest.mark.parametrize("level", [-50.0, 0.0, 50.0])
def test_gradients_stay_finite_at_extreme_outputs(head: Head, level: float) -> None:
    import tensorflow as tf

    raw = {
        "distances": tf.Variable(np.full((1, POINTS, 4), level, np.float32)),
        "logits": tf.Variable(np.full((1, POINTS, 3), level, np.float32)),
    }
    with tf.GradientTape() as tape:
        losses = head.loss(head.encode(truth([[10, 10, 30, 30], [0, 0, 64, 64]], [1, 0])), raw)
        total = tf.reduce_sum(losses["box"]) + tf.reduce_sum(losses["class"])
    for gradient in tape.gradient(total, list(raw.values())):
        assert np.isfinite(np.asarray(gradient)).all()
    assert np.isfinite(total.numpy())
