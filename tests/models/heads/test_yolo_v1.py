"""YOLO's first version: worked examples of its grid, its responsible boxes and its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glasshouse.models.heads.yolo_v1 import Head, Params


def make_head(**options: Any) -> Head:
    """Two classes on a picture of 64 x 128 px: 4 rows of 8 cells of 16 px."""
    return Head(Params(name="yolo_v1", **options), classes=2, height_px=64, width_px=128)


def encode(head: Head, labels: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in head.encode(labels).items()}


def raw_of_nothing(head: Head) -> dict[str, np.ndarray]:
    """Boxes as they begin, no confidence, no opinion on classes."""
    cells = head.grid[0] * head.grid[1]
    return {
        "boxes": np.full((1, cells * 2, 4), 0.5, np.float32),
        "confidence": np.zeros((1, cells * 2, 1), np.float32),
        "classes": np.zeros((1, cells, 2), np.float32),
    }


def loss_of(head: Head, labels: Any, raw: Any) -> dict[str, float]:
    return {name: float(np.asarray(value)[0]) for name, value in head.loss(head.encode(labels), raw).items()}


def test_an_object_by_hand(codec: Any) -> None:
    # Centre (40, 24): column 2, row 1, so cell 1 * 8 + 2 = 10, half way across and half way down.
    # Width 32 of 128 and height 16 of 64: both a quarter, whose root is a half.
    targets = encode(make_head(), codec.pad([np.array([[24, 16, 56, 32]])], [np.array([1])]))
    assert targets["present"].sum() == targets["present"][0, 10, 0] == 1
    assert targets["boxes"][0, 10, 0] == pytest.approx([0.5, 0.5, 0.5, 0.5])
    assert targets["classes"][0, 10].tolist() == [0, 1]
    assert not targets["classes"][0, :10].any()


def test_decoding_by_hand() -> None:
    head, raw = make_head(), raw_of_nothing(make_head())
    raw["boxes"][0, 2 * 10 + 1] = [0.25, 1.0, 0.5, 0.25]
    raw["confidence"][0, 2 * 10 + 1] = 0.5
    raw["classes"][0, 10] = [0.75, 1.5]
    decoded = {name: np.asarray(value) for name, value in head.decode(raw).items()}
    # Centre (2.25 * 16, 2 * 16) = (36, 32); width 128 / 4, height 64 / 16.
    assert decoded["boxes"][0, 21] == pytest.approx([20, 30, 52, 34])
    assert decoded["scores"][0, 21] == pytest.approx([0.375, 0.5])  # a half times 3/4 and 1, which is most
    # The first cell's box reaches out of the picture on two sides: centre (8, 8), half sides 16 and 8.
    assert decoded["boxes"][0, 0] == pytest.approx([0, 0, 24, 16])


def test_two_objects_of_a_cell_share_its_classes_and_a_third_is_lost(codec: Any) -> None:
    head = make_head()
    boxes = np.array([[24, 16, 56, 32], [36, 20, 44, 28], [38, 22, 42, 26], [0, 0, 8, 8]])
    labels = codec.pad([boxes, boxes[:1]], [np.array([0, 1, 0, 0]), np.array([0])])
    targets = encode(head, labels)
    assert targets["present"][0, 10].tolist() == [1, 1]
    assert targets["classes"][0, 10].tolist() == [0.5, 0.5]
    assert np.asarray(head.count_lost(labels)).tolist() == [1, 0]


def test_the_loss_by_hand(codec: Any) -> None:
    """One object, met by the second box but for its centre: 4 px, a quarter of a cell, to the right."""
    head, raw = make_head(), raw_of_nothing(make_head())
    labels = codec.pad([np.array([[24, 16, 56, 32]])], [np.array([1])])
    raw["boxes"][0, 20] = [0.5, 0.5, 0.1, 0.1]
    raw["boxes"][0, 21] = [0.75, 0.5, 0.5, 0.5]
    raw["confidence"][0, 20] = 0.5
    raw["classes"][0, 10] = [0.25, 0.5]
    losses = loss_of(head, labels, raw)
    assert losses["box"] == pytest.approx(5 * 0.25**2, rel=1e-5)
    assert losses["class"] == pytest.approx(0.25**2 + 0.5**2, rel=1e-5)
    # 28 of 32 px are shared: IoU 28 / 36, of which the second box says nothing. The first, which is not
    # responsible, says a half, and that is weighed by a half.
    assert losses["confidence"] == pytest.approx((28 / 36) ** 2 + 0.5 * 0.5**2, rel=1e-5)


@pytest.mark.parametrize("swap", [False, True])
def test_the_better_way_to_share_two_boxes_is_taken(codec: Any, swap: bool) -> None:
    """A wide and a tall object in one cell; whichever box is like which, nothing is left to learn."""
    head, raw = make_head(), raw_of_nothing(make_head())
    objects = np.array([[8, 20, 72, 28], [36, 0, 44, 48]])
    labels = codec.pad([objects], [np.array([1, 1])])
    ideal = encode(head, labels)["boxes"][0, 10]
    raw["boxes"][0, 20:22] = ideal[::-1] if swap else ideal
    raw["confidence"][0, 20:22] = 1
    assert loss_of(head, labels, raw)["box"] == pytest.approx(0, abs=1e-6)
    assert loss_of(head, labels, raw)["confidence"] == pytest.approx(0, abs=1e-4)
    raw["boxes"][0, 20:22] = ideal[0]  # both like the wide one: one of them is the tall one's all the same
    assert loss_of(head, labels, raw)["box"] > 0.1


def test_where_no_box_overlaps_the_nearer_one_is_responsible(codec: Any) -> None:
    head, raw = make_head(), raw_of_nothing(make_head())
    labels = codec.pad([np.array([[36, 20, 44, 28]])], [np.array([0])])  # sides 8: (1/4, sqrt(1/8))
    raw["boxes"][0, 20] = [-2, 0.5, 0.25, 0.35]
    raw["boxes"][0, 21] = [1.5, 0.5, 0.25, 8**-0.5]
    assert loss_of(head, labels, raw)["box"] == pytest.approx(5 * 1.0**2, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "grid"),
    [({}, (4, 8)), ({"level": "p3"}, (8, 16)), ({"level": "p5"}, (2, 4)), ({"grid": 7}, (7, 7))],
)
def test_the_grid_is_the_levels_or_as_asked(options: dict[str, Any], grid: tuple[int, int]) -> None:
    import keras

    head = make_head(**options)
    features = {f"p{level}": keras.Input((64 // 2**level, 128 // 2**level, 8)) for level in (3, 4, 5)}
    raw = head.build(features)
    assert head.grid == grid
    cells = grid[0] * grid[1]
    assert {name: value.shape[1:] for name, value in raw.items()} == {
        "boxes": (cells * 2, 4),
        "confidence": (cells * 2, 1),
        "classes": (cells, 2),
    }


def test_a_fresh_head_knows_of_nothing_and_takes_a_quarter_of_the_sides() -> None:
    import keras

    head = make_head()
    features = {"p4": keras.Input((4, 8, 8), name="p4")}
    raw = keras.Model(features, head.build(features))({"p4": np.zeros((1, 4, 8, 8), np.float32)})
    assert np.asarray(raw["classes"]) == pytest.approx(0.5) and not np.asarray(raw["confidence"]).any()
    # Cell 10, row 1 and column 2, has its middle at (40, 24): 32 x 16 px about it, twice.
    assert np.asarray(head.decode(raw)["boxes"])[0, 20:22].tolist() == [[24, 16, 56, 32]] * 2


def test_one_class_a_cell_has_the_papers_ceiling(codec: Any) -> None:
    """7 x 7 cells, two boxes, one class: 0.993 of BCCD's objects; two classes sharing a cell add 0.006."""
    head = Head(Params(name="yolo_v1", grid=7), classes=3, height_px=224, width_px=224)

    def say(targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        first = targets["classes"].argmax(axis=-1)[..., None] == np.arange(3)
        sure = targets["present"].reshape(len(first), -1, 1)
        return {
            "boxes": targets["boxes"].reshape(len(first), -1, 4),
            "confidence": sure,
            "classes": first.astype(np.float32),
        }

    assert codec.recall(head, codec.bccd(224), say) == pytest.approx(0.993, abs=1e-3)
