"""SSD: default boxes, offsets and loss worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glasshouse.models.heads.ssd import Head, Params, learn_priors


def make_head(**options: Any) -> Head:
    """Two classes on a picture of 64 x 64 px: default squares of 8, 16, 32 px and those between."""
    options = {"smallest": 0.125, "largest": 0.5, "aspect_ratios": [], **options}
    return Head(Params(name="ssd", **options), classes=2, height_px=64, width_px=64)


def test_default_boxes_by_hand() -> None:
    head = make_head(aspect_ratios=[4])
    assert len(head.defaults) == (64 + 16 + 4) * 4
    # 8 and sqrt(8 * 16) px, then 16 by 4 and 4 by 16, around the centre of the first cell.
    np.testing.assert_allclose(head.defaults[:4, :2], 4)
    np.testing.assert_allclose(head.defaults[:4, 2:], [[8, 8], [128**0.5] * 2, [16, 4], [4, 16]], rtol=1e-6)
    # The coarsest level: 32 and sqrt(32 * 64) px around (16, 16).
    np.testing.assert_allclose(head.defaults[80 * 4], [16, 16, 32, 32])
    np.testing.assert_allclose(head.defaults[80 * 4 + 1, 2:], 2048**0.5)


def test_default_boxes_are_described_and_stay_as_they_are() -> None:
    params = Params(name="ssd", smallest=0.125, largest=0.5, aspect_ratios=[])
    boxes = np.array([[0, 0, 8, 8], [10, 10, 18, 14], [0, 0, 32, 32], [0, 0, 16, 16]])
    told = learn_priors(params, boxes, np.zeros(4, int), (64, 96), 7)
    assert told is not None
    # A third of the boxes' squares a level: 8 and sqrt(8 * 16), 16 and sqrt(16 * 32), 32 and sqrt(32 * 64).
    squares = [8, 128**0.5, 16, 512**0.5, 32, 2048**0.5]
    assert told["anchors_wh_px"] == [[round(side, 2)] * 2 for side in squares]
    assert told["strides_px"] == [8, 8, 16, 16, 32, 32] and told["size_px"] == [64, 96]
    assert told["shares"] == [0.5, 0, 0.25, 0, 0.25, 0]
    assert told["average_iou"] == 0.875  # 1, a half, 1, 1
    head = Head(params, classes=2, height_px=64, width_px=64, priors=told)
    np.testing.assert_array_equal(head.defaults, make_head().defaults)
    assert learn_priors(params, np.zeros((0, 4)), np.zeros(0, int), (64, 96), 7) is None


def test_offsets_by_hand(codec: Any) -> None:
    head = make_head()
    # Default 2 * 26 is 8 x 8 around (20, 28). The object is 8 x 6 around (21, 28): IoU 42 / (64 + 48 - 42).
    labels = codec.pad([np.array([[17, 25, 25, 31]])], [np.array([1])])
    targets = {name: np.asarray(value)[0] for name, value in head.encode(labels).items()}
    assert targets["label"][52] == 2
    # 1 of 8 px over 0.1; log(6 / 8) over 0.2.
    np.testing.assert_allclose(targets["offsets"][52], [1.25, 0, 0, np.log(0.75) / 0.2], atol=1e-5)
    assert (targets["offsets"][targets["label"] == 0] == 0).all()


def test_an_object_that_no_default_box_meets_has_its_best_one_all_the_same(codec: Any) -> None:
    head = make_head()
    labels = codec.pad([np.array([[0, 30, 64, 33]])], [np.array([0])])
    targets = {name: np.asarray(value)[0] for name, value in head.encode(labels).items()}
    assert (targets["label"] == 1).sum() == 1
    assert (make_head(match_iou=0.01).encode(labels)["label"].numpy() == 1).sum() > 5


def test_the_loss_by_hand(codec: Any) -> None:
    """One matched box, so three negatives: the three that say most that they are something."""
    head = make_head(match_iou=0.9)
    labels = codec.pad([np.array([[16, 24, 24, 32]])], [np.array([1])])  # exactly default 52
    count = len(head.defaults)
    raw = {
        "offsets": np.zeros((1, count, 4), np.float32),
        "logits": np.tile(np.array([30, 0, 0], np.float32), (1, count, 1)),
    }
    raw["offsets"][0, 52] = [0.5, 0, 3, 0]
    raw["logits"][0, 52] = 0
    raw["logits"][0, [3, 50, 99, 100]] = [[0, 0, -30], [0, 30, 0], [0, -30, -30], [0, 5, -30]]
    found = {name: float(value[0]) for name, value in head.loss(head.encode(labels), raw).items()}
    assert found["box"] == pytest.approx(0.5 * 0.25 + 2.5, rel=1e-5)
    # Of three classes at par: log 3. Negatives of 30, about 5 and log 2; the fourth, of about 0, is left out.
    assert found["class"] == pytest.approx(np.log(3) + 30 + np.log(1 + np.exp(5)) + np.log(2), rel=1e-5)


def test_decoding_by_hand() -> None:
    head = make_head()
    count = len(head.defaults)
    raw = {"offsets": np.zeros((1, count, 4), np.float32), "logits": np.zeros((1, count, 3), np.float32)}
    raw["offsets"][0, 52] = [1.25, 0, 0, np.log(0.75) / 0.2]
    raw["logits"][0, 52] = [0, np.log(2), np.log(5)]
    decoded = {name: np.asarray(value)[0] for name, value in head.decode(raw).items()}
    np.testing.assert_allclose(decoded["boxes"][52], [17, 25, 25, 31], rtol=1e-5)
    np.testing.assert_allclose(decoded["scores"][52], [2 / 8, 5 / 8], rtol=1e-5)
    np.testing.assert_allclose(decoded["boxes"][0], [0, 0, 8, 8])


def test_a_fresh_head_gives_all_classes_together_a_tenth_and_no_offset() -> None:
    import keras

    head = make_head()
    features = {
        name: keras.Input((side, side, 8), name=name) for name, side in (("p3", 8), ("p4", 4), ("p5", 2))
    }
    silent = {name: np.zeros((1, *feature.shape[1:]), np.float32) for name, feature in features.items()}
    raw = keras.Model(features, head.build(features))(silent)
    assert np.asarray(head.decode(raw)["scores"]) == pytest.approx(0.05)  # of two classes each
    assert not np.asarray(raw["offsets"]).any()


def test_sizes_end_where_logarithms_and_exponentials_would_not(codec: Any) -> None:
    head, count = make_head(), 2 * (64 + 16 + 4)
    # Sides of 0.05 px count as 0.1, of 8 px.
    labels = codec.pad([np.array([[20, 28, 20.05, 28.05]])], [np.array([0])])
    targets = {name: np.asarray(value)[0] for name, value in head.encode(labels).items()}
    assert np.flatnonzero(targets["label"]).tolist() == [52]
    np.testing.assert_allclose(targets["offsets"][52, 2:], np.log(0.1 / 8) / 0.2, rtol=1e-5)
    # Logs of -1000 * 0.2 count as -4.
    raw = {"offsets": np.zeros((1, count, 4), np.float32), "logits": np.zeros((1, count, 3), np.float32)}
    raw["offsets"][0, 52, 2:] = -1000
    box = np.asarray(head.decode(raw)["boxes"])[0, 52]
    np.testing.assert_allclose(box[2:] - box[:2], 8 * np.exp(-4), rtol=1e-3)


def test_every_size_between_the_smallest_and_the_largest_is_met_by_half() -> None:
    """Squares in the middle of a cell, from a tenth to four fifths of the side: no gap between the levels."""
    from glasshouse.geometry.anchors import compute_shape_iou

    head = Head(Params(name="ssd"), classes=2, height_px=128, width_px=128)
    sides = np.geomspace(0.1, 0.8, 40)[:, None].repeat(2, axis=1) * 128
    shapes = np.unique(head.defaults[:, 2:], axis=0)
    assert compute_shape_iou(sides, shapes).max(axis=1).min() > 0.55


def test_scales_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match=r"largest\n.*must be above smallest"):
        Params(name="ssd", smallest=0.5, largest=0.5)


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
