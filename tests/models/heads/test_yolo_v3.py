"""YOLO's third version: anchors from the data and from params, who learns what, and a loss worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.models.heads.yolo_v3 import Head, Params, learn_priors
from glasshouse.models.necks import top_down

ANCHORS = ((8.0, 8.0), (16.0, 16.0), (32.0, 32.0))  # one a level of 8, 16, 32 px
PLACES = 64 + 16 + 4


def make_head(anchors: Any = ANCHORS, **options: Any) -> Head:
    """Two classes on a picture of 64 x 64 px."""
    return Head(Params(name="yolo_v3", anchors=anchors, **options), classes=2, height_px=64, width_px=64)


def make_raw(objectness: float = 0.0) -> dict[str, np.ndarray]:
    """Raw outputs of one picture: every anchor as it is, all as sure."""
    return {
        "boxes": np.zeros((1, PLACES, 4), np.float32),
        "objectness": np.full((1, PLACES, 1), objectness, np.float32),
        "logits": np.zeros((1, PLACES, 2), np.float32),
    }


def place_of(head: Head, labels: Any) -> list[list[int]]:
    return np.asarray(head.encode(labels)["place"])[0].tolist()  # type: ignore[no-any-return]


def test_the_anchor_by_hand(codec: Any) -> None:
    head = make_head()
    # 8 x 9 is most like 8 x 8; its centre (20, 28.5) lies in column 2, row 3 of 8: 3 * 8 + 2 = 26.
    # 30 x 30 is most like 32 x 32; its centre (45, 45) in column 1, row 1 of 2: 64 + 16 + 3 = 83.
    labels = codec.pad([np.array([[16, 24, 24, 33], [30, 30, 60, 60]])], [np.array([0, 1])])
    assert place_of(head, labels) == [[26, -1, -1], [-1, -1, 83]]


def test_decoding_by_hand() -> None:
    head = make_head()
    raw = make_raw()
    raw["boxes"][0, 64 + 5] = [np.log(3), 0, np.log(0.5), np.log(2)]  # stride 16, row 1, column 1
    raw["logits"][0, 64 + 5] = [np.log(3), 0]
    decoded = {name: np.asarray(value) for name, value in head.decode(raw).items()}
    # Centre (16 + 12, 16 + 8), sides 8 and 32.
    assert decoded["boxes"][0, 69] == pytest.approx([24, 8, 32, 40], abs=1e-4)
    assert decoded["scores"][0, 69] == pytest.approx([0.375, 0.25])  # classes are independent
    assert decoded["boxes"][0, 26] == pytest.approx([16, 24, 24, 32])  # an anchor as it is
    assert decoded["boxes"][0, 80] == pytest.approx([0, 0, 32, 32])


def test_a_fresh_head_takes_anchors_as_they_are_and_sees_nothing_in_them() -> None:
    import keras

    head = make_head()
    features = {
        name: keras.Input((side, side, 8), name=name) for name, side in (("p3", 8), ("p4", 4), ("p5", 2))
    }
    silent = {name: np.zeros((1, *feature.shape[1:]), np.float32) for name, feature in features.items()}
    decoded = head.decode(keras.Model(features, head.build(features))(silent))
    assert np.asarray(decoded["scores"]) == pytest.approx(0.005)  # 0.01 of an object, a half of each class
    assert np.asarray(decoded["boxes"])[0, 26] == pytest.approx([16, 24, 24, 32])


def test_sizes_end_where_exponentials_would_overflow() -> None:
    raw = make_raw()
    raw["boxes"][0, 26, 2:] = -20.0
    box = np.asarray(make_head().decode(raw)["boxes"])[0, 26]
    assert box[2:] - box[:2] == pytest.approx(8 * np.exp(-6), rel=1e-2)


def test_objects_of_one_anchor_take_their_next_best_and_at_last_go_without(codec: Any) -> None:
    head = make_head(match_iou=1.0)
    boxes = np.array([[16, 24, 24, 32]] * 4)
    labels = codec.pad([boxes], [np.array([0, 1, 0, 1])])
    assert place_of(head, labels) == [[26, -1, -1], [-1, 64 + 5, -1], [-1, -1, 80], [-1, -1, -1]]
    assert np.asarray(head.count_lost(labels)).tolist() == [1]


def test_a_later_best_anchor_goes_before_an_earlier_additional_one(codec: Any) -> None:
    # 12 x 12 overlaps 16 x 16 by 144 / 256 and 8 x 8 by 64 / 144: both its, were 8 x 8 not another's best.
    head = make_head(match_iou=0.4)
    alone = codec.pad([np.array([[18, 18, 30, 30]])], [np.array([0])])  # centre (24, 24)
    assert place_of(head, alone) == [[3 * 8 + 3, 64 + 5, -1]]
    both = codec.pad([np.array([[18, 18, 30, 30], [20, 20, 28, 28]])], [np.array([0, 1])])
    assert place_of(head, both) == [[-1, 64 + 5, -1], [3 * 8 + 3, -1, -1]]
    # 16 x 16 is additional to 8 x 8 too (0.25 is not enough), so nothing is taken twice.
    twice = codec.pad([np.array([[18, 18, 30, 30]] * 2)], [np.array([0, 1])])
    places = [place for row in place_of(head, twice) for place in row if place >= 0]
    assert sorted(places) == [27, 64 + 5]


def test_the_loss_by_hand(codec: Any) -> None:
    head = make_head(match_iou=1.0)
    labels = codec.pad([np.array([[16, 24, 24, 32]])], [np.array([1])])  # exactly anchor 26
    raw = make_raw(objectness=-40)
    raw["boxes"][0, 26] = [0, 0, 0.3, 0]
    raw["objectness"][0, 26] = 0.0
    raw["objectness"][0, 0] = 0.0
    found = {name: float(value[0]) for name, value in head.loss(head.encode(labels), raw).items()}
    assert found["class"] == pytest.approx(2 * np.log(2), rel=1e-5)
    # Twice, times half the square, times 2 less 64 of 4096 px.
    assert found["box"] == pytest.approx(2 * 0.5 * 0.09 * (2 - 64 / 4096), rel=1e-4)
    assert found["objectness"] == pytest.approx(2 * np.log(2), rel=1e-5)


def test_a_good_box_that_is_not_the_objects_own_is_left_in_peace(codec: Any) -> None:
    head = make_head(match_iou=1.0)
    labels = codec.pad([np.array([[16, 24, 24, 32]])], [np.array([1])])
    raw = make_raw(objectness=-40)
    raw["objectness"][0, 26] = 40
    raw["objectness"][0, 27] = 3.0  # the neighbour on the right, sure of itself
    calm = dict(raw, boxes=raw["boxes"].copy())
    calm["boxes"][0, 27, 0] = -40  # its box moved to the left edge of its cell: 4 of 8 px shared, IoU 1/3
    said = {
        name: float(head.loss(head.encode(labels), each)["objectness"][0])
        for name, each in (("apart", raw), ("third", calm))
    }
    assert said["apart"] == said["third"] == pytest.approx(np.log(1 + np.exp(3)), rel=1e-5)
    lenient = make_head(match_iou=1.0, ignore_iou=0.3)
    assert float(lenient.loss(lenient.encode(labels), calm)["objectness"][0]) == pytest.approx(0, abs=1e-5)


def test_three_cells_by_hand(codec: Any) -> None:
    head = make_head(match_iou=1.0, cells=3)
    # Centre (20, 28.5) is 2.5 and 3.56 cells of 8 px: the cells to the right, 27, and below, 34, are nearest.
    # Centre (45, 45) is 1.41 cells of 32 px: those to the left, 82, and above, 81.
    labels = codec.pad([np.array([[16, 24, 24, 33], [30, 30, 60, 60]])], [np.array([0, 1])])
    none = [-1, -1]
    assert place_of(head, labels) == [[26, *none, 27, *none, 34, *none], [*none, 83, *none, 82, *none, 81]]
    # Centre (3, 62) lies nearest to the left and lower edges, where there are no cells.
    corner = codec.pad([np.array([[0, 58, 6, 66]])], [np.array([0])])
    assert place_of(head, corner) == [[56] + [-1] * 8]


def test_a_cell_beside_is_an_objects_only_where_it_is_nobodys(codec: Any) -> None:
    head = make_head(match_iou=1.0, cells=3)
    # The first would have 26, 27, 34; the second 27, 28, 35; the third, whose centre is (34, 29), 28, 27, 36.
    boxes = np.array([[16, 24, 24, 33], [26, 25, 34, 33], [30, 25, 38, 33]])
    places = np.array(place_of(head, codec.pad([boxes], [np.array([0, 1, 0])])))
    assert places[:, [0, 3, 6]].tolist() == [[26, -1, 34], [27, -1, 35], [28, -1, 36]]
    assert (places[:, [1, 2, 4, 5, 7, 8]] == -1).all()


def test_of_two_that_want_one_cell_beside_the_first_has_it(codec: Any) -> None:
    head = make_head(match_iou=1.0, cells=3)
    # Centres (22, 28.5) and (34, 28.5): cells 26 and 28, both nearest to 27.
    boxes = np.array([[18, 24, 26, 33], [30, 24, 38, 33]])
    places = np.array(place_of(head, codec.pad([boxes], [np.array([0, 1])])))
    assert places[:, [0, 3, 6]].tolist() == [[26, 27, 34], [28, -1, 36]]


@pytest.mark.parametrize("cells", [1, 3])
def test_a_box_told_at_any_of_its_places_costs_nothing_and_is_decoded_to_itself(
    codec: Any, cells: int
) -> None:
    head = make_head(match_iou=0.0, cells=cells)
    box = np.array([17.0, 25.0, 29.0, 44.0])
    targets = head.encode(codec.pad([box[None]], [np.array([1])]))
    own = np.asarray(targets["place"])[0, 0]
    assert (own >= 0).sum() == 3 * cells
    raw = make_raw()
    middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    share = (middle - head.centres[own]) / (head.strides[own] * (2 if cells == 3 else 1)) + 0.5
    raw["boxes"][0, own, :2] = np.log(share / (1 - share))
    raw["boxes"][0, own, 2:] = np.log(sides / head.sides[own])
    np.testing.assert_allclose(np.asarray(head.decode(raw)["boxes"])[0, own], [box] * len(own), atol=1e-4)
    assert float(head.loss(targets, raw)["box"][0]) == pytest.approx(0, abs=1e-4)


def test_a_box_that_overlaps_by_less_than_suppression_removes_is_taught_to_be_none(codec: Any) -> None:
    labels = codec.pad([np.array([[16, 24, 24, 32]])], [np.array([1])])
    raw = make_raw(objectness=-40)
    raw["objectness"][0, 26] = 40
    # That of 16 px with its centre at (24, 24), moved to (20, 28), as wide as the object, 5/3 as high: 0.6.
    raw["boxes"][0, 64 + 5] = [-np.log(3), np.log(3), np.log(0.5), np.log(5 / 6)]
    raw["objectness"][0, 64 + 5] = 3.0
    for options, expected in (({}, np.log(1 + np.exp(3))), ({"ignore_iou": 0.5}, 0.0)):
        head = make_head(match_iou=1.0, **options)
        found = float(head.loss(head.encode(labels), raw)["objectness"][0])
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


def boxes_of(sides: Any) -> np.ndarray:
    return np.concatenate([np.full((len(sides), 2), 5.0), 5.0 + np.asarray(sides)], axis=1)


def test_priors_are_plain_fitted_and_sorted() -> None:
    rng = np.random.default_rng(0)
    boxes = boxes_of(np.exp(rng.uniform(1.5, 4, (200, 2))))
    arguments = (Params(name="yolo_v3"), boxes, np.arange(200) % 2, (64, 96), 7)
    priors = learn_priors(*arguments)
    assert json.loads(json.dumps(priors)) == priors == learn_priors(*arguments)
    anchors = np.array(priors["anchors_wh_px"])
    assert anchors.shape == (9, 2)
    assert (np.diff(anchors.prod(axis=1)) >= 0).all()
    assert priors["size_px"] == [64, 96] and priors["boxes"] == 200 and priors["counts"] == {}
    assert 0.7 < priors["average_iou"] < 1
    head = Head(Params(name="yolo_v3"), classes=2, height_px=64, width_px=96, priors=priors)
    np.testing.assert_array_equal(head.anchors.reshape(9, 2), anchors)


def test_a_count_is_chosen_by_the_data() -> None:
    params = Params(name="yolo_v3", anchors="auto")
    kinds = learn_priors(
        params, boxes_of([[10, 10], [40, 12], [20, 50]] * 20), np.arange(60) % 3, (64, 64), 7
    )
    assert len(kinds["anchors_wh_px"]) == 3
    assert kinds["counts"]["3"] == 1.0
    spread = np.exp(np.random.default_rng(0).uniform(1, 4, (300, 2)))
    chosen = learn_priors(params, boxes_of(spread), np.zeros(300, int), (64, 64), 7)
    counts = {int(count): iou for count, iou in chosen["counts"].items()}
    kept = len(chosen["anchors_wh_px"])
    assert kept > 3
    assert kept == 15 or counts[kept + 3] - counts[kept] < 0.02


@pytest.mark.parametrize(("anchors", "least"), [(3, 1), (9, 2), ("auto", 1)])
def test_a_rare_class_has_its_own_anchors(anchors: Any, least: int) -> None:
    rng = np.random.default_rng(0)
    sides = np.array([[26, 25], [68, 67], [138, 128]])[np.repeat([0, 1, 2], [20, 600, 20])]
    boxes = boxes_of(sides * np.exp(rng.normal(0, 0.1, sides.shape)))
    params = Params(name="yolo_v3", anchors=anchors)
    priors = learn_priors(params, boxes, np.repeat([0, 1, 2], [20, 600, 20]), (320, 416), 7)
    areas = np.array(priors["anchors_wh_px"]).prod(axis=1)
    cut = np.searchsorted([41**2, 95**2], areas)  # between the kinds
    assert np.bincount(cut, minlength=3).min() >= least


def test_given_anchors_are_kept_and_measured() -> None:
    params = Params(name="yolo_v3", anchors=[[32, 32], [8, 8], [16, 16]])
    priors = learn_priors(params, boxes_of([[8, 8], [16, 32]]), np.array([0, 1]), (64, 64), 7)
    assert priors["anchors_wh_px"] == [[8, 8], [16, 16], [32, 32]]
    assert priors["average_iou"] == 0.75  # 1 and a half
    assert priors["strides_px"] == [8, 16, 32]
    assert priors["shares"] == [0.5, 0.5, 0] and priors["mean_iou"] == [1.0, 0.5, None]


def test_without_boxes_or_priors_there_are_no_anchors() -> None:
    with pytest.raises(ValueError, match=r"model\.head\.anchors: the training split has no boxes"):
        learn_priors(Params(name="yolo_v3"), np.zeros((0, 4)), np.zeros(0, int), (64, 64), 7)
    with pytest.raises(ValueError, match="needs the priors"):
        Head(Params(name="yolo_v3"), classes=2, height_px=64, width_px=64)


@pytest.mark.parametrize(
    "anchors",
    [7, 0, True, "many", [], [[8, 8]], [[8, 8], [16], [3, 3]], [[8, 8], [0, 5], [3, 3]], [8, 8, 8], None],
)
def test_anchors_that_are_none_are_refused(anchors: Any) -> None:
    with pytest.raises(ValueError, match=r"must be auto, 3, 6, 9, 12, 15, or a list of 3, 6, \.\.\. pairs"):
        Params(name="yolo_v3", anchors=anchors)


def test_the_anchors_travel_in_the_networks_file(tmp_path: Path) -> None:
    import keras

    from glasshouse.models.backbones import csp_compact
    from glasshouse.training.network_files import open_network, start_network, write_training

    class Pictures:
        """All that is looked at."""

        pixels, categories = SimpleNamespace(shape=(1, 64, 64, 3)), ("a", "b")

        def labels(self) -> tuple[np.ndarray, np.ndarray]:
            sides = np.exp(np.random.default_rng(1).uniform(1.5, 4, (20, 3, 2)))
            boxes = np.concatenate([np.zeros_like(sides), sides], axis=-1)
            return boxes, np.tile(np.array([0, 1, -1], np.int32), (20, 1))

    model: Any = SimpleNamespace(
        task="detect",
        backbone=csp_compact.Params(name="csp_compact", weights="none"),
        neck=top_down.Params(name="top_down", channels=8),
        head=Params(name="yolo_v3"),
    )
    pictures: Any = Pictures()
    keras.utils.set_random_seed(6)
    network = start_network(model, pictures, 7)
    assert network.priors["boxes"] == 40  # padding is no box
    write_training(network, [{"epoch": 1, "loss": 1.0}], tmp_path / "head.keras")
    opened = open_network(model, pictures, tmp_path / "head.keras")
    np.testing.assert_array_equal(opened.head.anchors, network.head.anchors)  # type: ignore[attr-defined]
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    for name, value in network.full(pixels).items():
        np.testing.assert_array_equal(opened.full(pixels)[name], value)


def test_raw_outputs_are_float32_where_a_gpu_computes_in_half_precision() -> None:
    import keras

    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        sides = {"p3": 8, "p4": 4, "p5": 2}
        features = {name: keras.Input((side, side, 8), dtype="float16") for name, side in sides.items()}
        raw = make_head().build(features)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {name: value.dtype for name, value in raw.items()} == dict.fromkeys(raw, "float32")
