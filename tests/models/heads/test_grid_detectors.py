"""What YOLO's versions one and three and SSD have in common: codecs, losses, gradients, learning by heart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.models.catalog import find_part
from glasshouse.models.necks import top_down

SIDE, CLASSES = 64, 3
NAMES = ("yolo_v1", "yolo_v3", "ssd")
SURE = 40.0  # log-odds: as good as certain in float32


def build_head(name: str, side: int = SIDE, boxes: Any = None, classes: int = CLASSES, **options: Any) -> Any:
    """A head on three levels, with the priors that it takes from `boxes` (N, 4)."""
    import keras

    part = find_part("heads", name)
    params = part.Params(name=name, **options)
    known = {}
    if hasattr(part, "learn_priors"):
        boxes = draw_boxes(200, side) if boxes is None else boxes
        known["priors"] = part.learn_priors(params, boxes, np.zeros(len(boxes), int), (side, side), 7)
    head = part.Head(params, classes=classes, height_px=side, width_px=side, **known)
    features = {f"p{level}": keras.Input((side // 2**level, side // 2**level, 8)) for level in (3, 4, 5)}
    head.built = head.build(features)
    return head


def draw_boxes(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Boxes of a tenth to two thirds of the side, anywhere."""
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.uniform(np.log(side / 10), np.log(side / 1.5), (count, 2)))
    corner = rng.uniform(0, side - sides)
    return np.concatenate([corner, corner + sides], axis=1)


def raw_of(head: Any) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """The raw outputs that say exactly what `head.encode` gave."""
    ideal = SAYINGS[type(head).__module__.rpartition(".")[2]]
    return lambda targets: {name: value.astype(np.float32) for name, value in ideal(head, targets).items()}


def say_yolo_v1(head: Any, targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    batch = len(targets["boxes"])
    boxes = targets["boxes"].reshape(batch, -1, 4)
    # A box without area overlaps nothing, not even itself.
    sure = targets["present"].reshape(batch, -1, 1) * (boxes[..., 2:].prod(axis=-1, keepdims=True) > 0)
    return {
        "boxes": boxes,
        "confidence": sure,
        "classes": targets["classes"],
    }


def say_yolo_v3(head: Any, targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    batch, places = len(targets["boxes"]), len(head.centres)
    boxes = np.zeros((batch, places, 4))
    objectness, logits = np.full((batch, places, 1), -SURE), np.full((batch, places, head.classes), -SURE)
    row, slot, shape = np.nonzero(targets["place"] >= 0)
    at, truth = targets["place"][row, slot, shape], targets["boxes"][row, slot]
    middle, sides = (truth[:, :2] + truth[:, 2:]) / 2, np.maximum(truth[:, 2:] - truth[:, :2], 0.1)
    share = np.clip((middle - head.centres[at]) / head.strides[at] + 0.5, 1e-5, 1 - 1e-5)
    boxes[row, at] = np.concatenate([np.log(share / (1 - share)), np.log(sides / head.sides[at])], axis=1)
    objectness[row, at] = SURE
    logits[row, at] = np.where(targets["one_hot"][row, slot] > 0, SURE, -SURE)
    return {"boxes": boxes, "objectness": objectness, "logits": logits}


def say_ssd(head: Any, targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    chosen = targets["label"][..., None] == np.arange(1 + head.classes)
    return {"offsets": targets["offsets"], "logits": np.where(chosen, SURE, -SURE)}


def say_anchor_free(head: Any, targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Its assignment follows what the network says: here one that knows nothing yet."""
    from glasshouse.geometry.grids import grid_points
    from glasshouse.models.heads.anchor_free import REACH
    from glasshouse.models.losses.task_aligned import assign

    batch = len(targets["boxes"])
    centres, strides = grid_points(head.height_px, head.width_px, (8, 16, 32))
    squares = np.concatenate([centres - 2 * strides, centres + 2 * strides], axis=1)[None].repeat(batch, 0)
    scores = np.full((batch, len(centres), head.classes), 0.01, np.float32)
    truth = (targets["boxes"], targets["one_hot"])
    boxes, found, _ = map(np.asarray, assign(scores, squares, centres, *truth, reach_px=8 * REACH))
    around = np.concatenate([centres - boxes[..., :2], boxes[..., 2:] - centres], axis=-1)
    return {
        "distances": np.log(np.maximum(around, 1e-3) / strides),
        "logits": np.where(found > 0, SURE, -SURE),
    }


SAYINGS: dict[str, Callable[[Any, dict[str, np.ndarray]], dict[str, np.ndarray]]] = {
    "yolo_v1": say_yolo_v1,
    "yolo_v3": say_yolo_v3,
    "ssd": say_ssd,
    "anchor_free": say_anchor_free,
}


@pytest.fixture(scope="module", params=NAMES)
def head(request: pytest.FixtureRequest) -> Any:
    return build_head(request.param)


def encode(head: Any, labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in head.encode(labels).items()}


def one_picture(codec: Any, boxes: Any, labels: list[int]) -> dict[str, np.ndarray]:
    return codec.pad([np.reshape(boxes, (-1, 4))], [np.array(labels, np.int32)])  # type: ignore[no-any-return]


def loss_of(head: Any, labels: Any, raw: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in head.loss(head.encode(labels), raw).items()}


def draw_raw(head: Any, batch: int, spread: float = 1.0, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: (spread * rng.normal(size=(batch, *value.shape[1:]))).astype(np.float32)
        for name, value in head.built.items()
    }


EDGES = {
    "one": ([[10, 12, 30, 40]], [1]),
    "none": ([], []),
    "on cell borders": ([[0, 0, 32, 32], [32, 32, 64, 64], [16, 16, 48, 48]], [0, 1, 2]),
    "the whole picture": ([[0, 0, 64, 64]], [2]),
    "at the far corner": ([[62, 62, 64, 64]], [0]),
    "tiny": ([[20, 20, 20.5, 20.25], [40.1, 40.1, 40.2, 40.2]], [0, 1]),
    "no area": ([[20, 20, 20, 20]], [0]),
    "two in a cell": ([[20, 20, 30, 30], [21, 19, 29, 31]], [0, 1]),
    "five in a cell": ([[20, 20, 30 + i, 30 + i] for i in range(5)], [0, 1, 2, 0, 1]),
    "twice the same": ([[20, 20, 30, 30], [20, 20, 30, 30]], [1, 1]),
    "long": ([[0, 30, 64, 32]], [1]),
}


# name, parameters, side of the picture in px, ceiling
CEILINGS = [
    ("yolo_v1", {"grid": 7}, 224, 0.9992),
    ("yolo_v1", {}, 128, 0.9988),  # 8 x 8 cells
    ("yolo_v3", {}, 128, 0.9998),
    ("yolo_v3", {}, 320, 1.0),
    ("ssd", {}, 128, 1.0),
    ("anchor_free", {}, 128, 0.9975),
    ("anchor_free", {}, 320, 1.0),
]


@pytest.mark.parametrize(("name", "options", "side", "ceiling"), CEILINGS)
def test_recall_of_decoded_truth_on_blood_cells(
    codec: Any, name: str, options: dict[str, Any], side: int, ceiling: float
) -> None:
    labels = codec.bccd(side)
    head = build_head(name, side, labels["boxes"][labels["labels"] >= 0], **options)
    recall = codec.recall(head, labels, raw_of(head))
    assert recall == pytest.approx(ceiling, abs=1e-3)
    if hasattr(head, "count_lost"):
        # What the head says it has no place for is what is missing; the grid has lost nothing else.
        lost = np.asarray(head.count_lost(labels)).sum() / (labels["labels"] >= 0).sum()
        assert recall == pytest.approx(1 - lost, abs=1e-9)


def test_decoding_inverts_encoding(head: Any, codec: Any) -> None:
    boxes = np.array([[3.0, 5, 21, 33], [30, 10, 62, 58], [40, 44, 47, 61]])
    decoded = head.decode(raw_of(head)(encode(head, one_picture(codec, boxes, [0, 2, 1]))))
    found, scores = np.asarray(decoded["boxes"])[0], np.asarray(decoded["scores"])[0]
    for box, label in zip(boxes, [0, 2, 1], strict=True):
        mine = found[scores[:, label] > 0.5]
        assert len(mine)
        assert np.abs(mine - box).max() < 0.01
    assert ((scores > 0.5).sum(axis=1) <= 1).all()
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", EDGES)
def test_edges_are_encoded_and_what_is_said_of_them_costs_least(head: Any, codec: Any, name: str) -> None:
    labels = one_picture(codec, *EDGES[name])
    ideal = raw_of(head)(encode(head, labels))
    least = sum(loss_of(head, labels, ideal).values())[0]
    assert -1e-6 <= least < 0.02
    for seed in range(3):
        away = draw_raw(head, 1, seed=seed)
        for share in (0.01, 0.1, 1.0):
            other = {key: (1 - share) * ideal[key] + share * away[key] for key in ideal}
            assert sum(loss_of(head, labels, other).values())[0] >= least - 1e-6
        assert sum(loss_of(head, labels, away).values())[0] > least + 0.1
    decoded = {key: np.asarray(value) for key, value in head.decode(ideal).items()}
    assert (decoded["boxes"] >= 0).all() and (decoded["boxes"] <= SIDE).all()


@pytest.mark.parametrize("level", [-1e4, -50.0, 0.0, 50.0, 1e4])
def test_losses_and_gradients_stay_finite_at_extreme_outputs(head: Any, codec: Any, level: float) -> None:
    import tensorflow as tf

    labels = codec.pad(
        [np.reshape(boxes, (-1, 4)) for boxes, _ in EDGES.values()],
        [np.array(names, np.int32) for _, names in EDGES.values()],
    )
    raw = {key: tf.constant(np.full_like(value, level)) for key, value in draw_raw(head, len(EDGES)).items()}
    with tf.GradientTape() as tape:
        tape.watch(raw)
        total = tf.add_n([tf.reduce_sum(value) for value in head.loss(head.encode(labels), raw).values()])
    assert np.isfinite(total.numpy())
    for key, gradient in zip(raw, tape.gradient(total, list(raw.values())), strict=True):
        assert np.isfinite(np.asarray(gradient)).all(), key
    decoded = head.decode({key: value.numpy() for key, value in raw.items()})
    assert all(np.isfinite(np.asarray(value)).all() for value in decoded.values())


def test_pictures_without_objects_teach_silence(head: Any, codec: Any) -> None:
    """A batch of padding alone: a step down the gradient lowers every score that it touches."""
    import tensorflow as tf

    labels = codec.pad([np.zeros((0, 4))] * 2, [np.zeros(0, np.int32)] * 2)
    raw = {key: tf.constant(value) for key, value in draw_raw(head, 2).items()}
    with tf.GradientTape() as tape:
        tape.watch(raw)
        losses = head.loss(head.encode(labels), raw)
        total = tf.add_n([tf.reduce_sum(value) for value in losses.values()])
    assert (losses["box"].numpy() == 0).all()
    assert total.numpy() > 0.1
    gradients = tape.gradient(total, raw, unconnected_gradients="zero")
    before = np.asarray(head.decode(raw)["scores"])
    after = np.asarray(head.decode({key: raw[key] - 0.01 * gradients[key] for key in raw})["scores"])
    assert after.sum() < before.sum()
    # Of both pictures: none is left out for having nothing to show.
    assert (after.sum(axis=(1, 2)) < before.sum(axis=(1, 2))).all()


def test_padding_changes_nothing(head: Any, codec: Any) -> None:
    short = one_picture(codec, [[10, 12, 30, 40], [31, 31, 60, 50]], [1, 0])
    long = {
        "boxes": np.pad(short["boxes"], ((0, 0), (0, 5), (0, 0)), constant_values=7.0),
        "labels": np.pad(short["labels"], ((0, 0), (0, 5)), constant_values=-1),
    }
    raw = draw_raw(head, 1)
    for name, value in loss_of(head, short, raw).items():
        np.testing.assert_allclose(loss_of(head, long, raw)[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", [*NAMES, "anchor_free", "fcn_grid"])
def test_losses_are_divided_by_the_mean_number_of_objects_in_a_picture_of_the_batch(
    codec: Any, name: str
) -> None:
    """A picture with n alone by n, beside one with m by (n + m) / 2: it then costs n, and the other m, over
    that of what it costs alone, together twice."""
    head = build_head(name)
    four = np.array([[2, 2, 18, 18], [24, 4, 60, 40], [4, 40, 20, 60], [36, 44, 60, 62]])
    labels = codec.pad([four, four[1:3]], [np.array([0, 1, 2, 0]), np.array([1, 2])])
    raw = draw_raw(head, 2, spread=0.1)
    together = loss_of(head, labels, raw)
    for term in head.terms:
        shares = []
        for row in (0, 1):
            mine, said = ({key: part[[row]] for key, part in whole.items()} for whole in (labels, raw))
            shares.append(together[term][row] / loss_of(head, mine, said)[term][0])
        assert sum(shares) == pytest.approx(2, rel=1e-4), term
        assert shares[0] > 1.1 > 0.9 > shares[1], term


def test_the_order_of_objects_does_not_matter(head: Any, codec: Any) -> None:
    boxes, names = np.array([[3.0, 5, 21, 33], [30, 10, 62, 58], [40, 44, 47, 61]]), [0, 2, 1]
    raw = draw_raw(head, 1)
    one = loss_of(head, one_picture(codec, boxes, names), raw)
    other = loss_of(head, one_picture(codec, boxes[::-1], names[::-1]), raw)
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-5, err_msg=name)


def test_encoding_inside_of_tf_data_is_encoding_outside(head: Any, codec: Any) -> None:
    import tensorflow as tf

    labels = codec.pad(
        [np.reshape(boxes, (-1, 4)) for boxes, _ in EDGES.values()],
        [np.array(names, np.int32) for _, names in EDGES.values()],
    )
    kept = {name: value.copy() for name, value in labels.items()}
    outside = encode(head, labels)
    stream = tf.data.Dataset.from_tensors(labels).map(head.encode)
    assert all(spec.shape.is_fully_defined() for spec in stream.element_spec.values())
    inside = next(iter(stream))
    assert inside.keys() == outside.keys()
    for name, value in outside.items():
        np.testing.assert_allclose(inside[name], value, rtol=1e-6, err_msg=name)
    for name, value in kept.items():
        np.testing.assert_array_equal(labels[name], value)  # and nothing was changed on the way


def test_a_graph_gives_what_eager_code_gives(head: Any, codec: Any) -> None:
    import tensorflow as tf

    labels = one_picture(codec, *EDGES["two in a cell"])
    raw = draw_raw(head, 1)
    run = tf.function(lambda given, said: (head.loss(head.encode(given), said), head.decode(said)))
    losses, decoded = run(labels, raw)
    for name, value in loss_of(head, labels, raw).items():
        np.testing.assert_allclose(losses[name], value, rtol=1e-5, err_msg=name)
    for name, value in head.decode(raw).items():
        np.testing.assert_allclose(decoded[name], value, rtol=1e-5, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", NAMES)
def test_a_written_network_loads_without_this_project_and_starts_unsure(name: str, tmp_path: Path) -> None:
    import keras

    from glasshouse.models.archive import save_network
    from glasshouse.models.backbones import csp_compact
    from glasshouse.models.network import build_network

    keras.utils.set_random_seed(3)
    head = build_head(name)
    model: Any = SimpleNamespace(
        task="detect",
        backbone=csp_compact.Params(name="csp_compact", weights="builtin"),
        neck=top_down.Params(name="top_down", channels=16),
        head=head.params,
    )
    known = {"priors": {"anchors_wh_px": head.anchors.reshape(-1, 2).tolist()}} if name == "yolo_v3" else {}
    network = build_network(model, height_px=SIDE, width_px=SIDE, classes=CLASSES, **known)
    assert network.head.outputs == tuple(network.full.output)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.float32)
    raw = network.full(pixels)
    assert {value.dtype for value in map(np.asarray, raw.values())} == {np.dtype("float32")}
    assert np.median(np.asarray(network.head.decode(raw)["scores"])) < 0.15
    save_network(network.full, tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras", compile=False)
    for key, value in loaded(pixels).items():
        np.testing.assert_allclose(value, raw[key], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "steps"), [("yolo_v1", 90), ("yolo_v3", 70), ("ssd", 70)])
def test_eight_pictures_are_learnt_by_heart(by_heart: Any, name: str, steps: int, tmp_path: Path) -> None:
    drawn = by_heart.draw(96, True)
    part = find_part("heads", name)
    params, known = part.Params(name=name), {}
    if hasattr(part, "learn_priors"):
        there = drawn.labels["labels"] >= 0
        boxes, labels = drawn.labels["boxes"][there], drawn.labels["labels"][there]
        known["priors"] = part.learn_priors(params, boxes, labels, (96, 96), 7)
    neck = top_down.Params(name="top_down", channels=32)
    network = by_heart.train(params, drawn, tmp_path, neck=neck, steps=steps, **known)
    assert by_heart.score(network, drawn) >= 0.99
