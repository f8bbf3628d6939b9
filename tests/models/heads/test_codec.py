"""The recall of decode(encode(truth)) on BCCD: what each head could reach at most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glasshouse.models.catalog import find_part

Arrays = dict[str, np.ndarray]


def say_codes(targets: Arrays) -> Arrays:
    """The raw outputs of `localize`, `sliding` and `fcn_grid` that say exactly these targets."""
    centre = np.clip(targets["code"][..., :2], 1e-6, 1 - 1e-6)
    real = targets["real"][..., None]
    return {
        "box": np.concatenate([np.log(centre / (1 - centre)), targets["code"][..., 2:]], axis=-1),
        "logits": 40.0 * targets["one_hot"],
        "objectness": np.where(real > 0, 40.0, -40.0).astype(np.float32),
    }


# name, parameters, side of the picture in px, ceiling of the issue
CEILINGS = [
    ("localize", {"objectness": True}, 320, 0.074),
    ("sliding", {}, 320, 0.074),
    ("fcn_grid", {"level": "p5"}, 224, 0.964),  # 7 x 7 cells
    ("fcn_grid", {"level": "p4"}, 320, 0.998),  # 20 x 20
]


@pytest.mark.parametrize(("name", "more", "side_px", "ceiling"), CEILINGS)
def test_the_recall_of_decoded_truth_is_the_known_ceiling(
    codec: Any, name: str, more: dict[str, Any], side_px: int, ceiling: float
) -> None:
    part = find_part("heads", name)
    head = part.Head(part.Params(name=name, **more), classes=3, height_px=side_px, width_px=side_px)
    labels = codec.bccd(side_px)
    recall = codec.recall(head, labels, say_codes)
    assert recall == pytest.approx(ceiling, abs=1e-3)
    # What the head says it has no place for is what is missing, and nothing else is.
    lost = np.asarray(head.count_lost(labels)).sum() / (labels["labels"] >= 0).sum()
    assert recall == pytest.approx(1 - lost, abs=1e-9)


@pytest.mark.parametrize("square_root", [True, False])
@pytest.mark.parametrize("name", ["localize", "fcn_grid"])
def test_decoding_inverts_encoding(codec: Any, name: str, square_root: bool) -> None:
    """Every object of its own cell comes back to a thousandth of a pixel, class and place."""
    part, more = find_part("heads", name), {"objectness": True} if name == "localize" else {}
    params = part.Params(name=name, square_root=square_root, **more)
    head = part.Head(params, classes=3, height_px=96, width_px=64)
    boxes = np.array([[3.0, 5.0, 40.0, 60.0]])  # its centre, 21.5 and 32.5, lies in row 1, column 0 of 3 x 2
    decoded = head.decode(
        say_codes({k: np.asarray(v) for k, v in head.encode(codec.pad([boxes], [np.array([2])])).items()})
    )
    found, scores = np.asarray(decoded["boxes"])[0], np.asarray(decoded["scores"])[0]
    cell = 2 if name == "fcn_grid" else 0
    assert found.shape == ((6, 4) if name == "fcn_grid" else (1, 4))
    assert found[cell] == pytest.approx(boxes[0], abs=1e-3)
    assert scores[cell] == pytest.approx([0, 0, 1], abs=1e-6)
    assert scores.sum() == pytest.approx(1.0, abs=1e-6)


def test_the_larger_of_two_in_one_cell_stays(codec: Any) -> None:
    part = find_part("heads", "fcn_grid")
    head = part.Head(part.Params(name="fcn_grid"), classes=3, height_px=64, width_px=64)
    # Centres (16, 16), (10, 10) and (40, 10): two in the first cell, one in its neighbour on the right.
    boxes = np.array([[14, 14, 18, 18], [5, 5, 15, 15], [30, 0, 50, 20]])
    labels = codec.pad([boxes, boxes[:0]], [np.array([0, 1, 2]), np.array([], np.int32)])
    targets = {name: np.asarray(value) for name, value in head.encode(labels).items()}
    assert targets["real"].tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    assert targets["one_hot"][0].argmax(axis=-1)[:2].tolist() == [1, 2]
    # (10 / 32, 10 / 32) of the cell, the root of 10 px of 64; (40 - 32) / 32 and 20 px of 64.
    assert targets["code"][0, 0] == pytest.approx([10 / 32, 10 / 32, (10 / 64) ** 0.5, (10 / 64) ** 0.5])
    assert targets["code"][0, 1] == pytest.approx([8 / 32, 10 / 32, (20 / 64) ** 0.5, (20 / 64) ** 0.5])
    assert not targets["one_hot"][0, 2:].any() and not targets["code"][0, 2:].any()
    assert np.asarray(head.count_lost(labels)).tolist() == [1, 0]


def test_an_object_on_the_far_edge_belongs_to_the_last_cell(codec: Any) -> None:
    part = find_part("heads", "fcn_grid")
    head = part.Head(part.Params(name="fcn_grid"), classes=1, height_px=64, width_px=96)
    targets = head.encode(codec.pad([np.array([[96.0, 64.0, 96.0, 64.0]])], [np.array([0])]))
    assert np.asarray(targets["real"])[0].tolist() == [0, 0, 0, 0, 0, 1]
