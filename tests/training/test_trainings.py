"""The two trainings on a small network: what they change, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.inputs.features import cache_features
from glasshouse.inputs.stream import Pictures

from .runs import assert_same, build, build_tiny, run_head, run_tune, weights_of

pytestmark = pytest.mark.usefixtures("deterministic")


def cover_of(network: Any, pictures: Pictures) -> float:
    """Mean over the objects of the best IoU of any predicted box, surest class or not."""
    pixels = pictures.pixels.gather(np.arange(len(pictures))).astype(np.float32)
    boxes = np.asarray(network.head.decode(network.full(pixels, training=False))["boxes"])
    best = []
    for found, true, labels in zip(boxes, pictures.boxes_xyxy_px, pictures.labels, strict=True):
        for box in true[labels >= 0]:
            sides = np.minimum(found[:, 2:], box[2:]) - np.maximum(found[:, :2], box[:2])
            shared = np.maximum(sides, 0).prod(axis=1)
            whole = (found[:, 2:] - found[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - shared
            best.append((shared / whole).max())
    return float(np.mean(best))


@pytest.mark.parametrize("features", ["cached", "live"])
def test_the_head_learns_and_the_backbone_stays(
    features: str,
    squares: Pictures,
    ranges: Any,
    model_params: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".glasshouse").mkdir()
    network = build(model_params)
    before, covered = weights_of(network), cover_of(network, squares)
    history = run_head(
        network, squares, ranges, tmp_path / "c.npz", params={"features": features, "epochs": 8}
    )
    after = weights_of(network)
    backbone = {weight.path for weight in network.backbone.weights}
    assert_same({n: before[n] for n in backbone}, {n: after[n] for n in backbone})  # moving statistics too
    assert all((before[n] != after[n]).any() for n in after if n not in backbone and n.endswith("kernel"))
    assert [row["epoch"] for row in history] == list(range(1, 9))
    # Not by the loss: its targets grow with the boxes' quality, so in so short a training it may well rise.
    assert cover_of(network, squares) > covered + 0.05
    assert history[0]["loss"] == pytest.approx(history[0]["loss_class"] + history[0]["loss_box"], rel=1e-4)


def test_a_classifier_keeps_features_of_its_one_level_and_learns_as_from_all(
    squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glasshouse.models.heads.classify import Params as Head
    from glasshouse.models.necks.none import Params as Neck

    monkeypatch.chdir(tmp_path)
    params = SimpleNamespace(
        **{**vars(model_params), "task": "classify", "neck": Neck(name="none"), "head": Head(name="classify")}
    )
    pictures = replace(squares, label=squares.labels[:, 0])
    kept: list[set[str]] = []

    def spy(*given: Any) -> Any:
        cache = cache_features(*given)
        kept.append(set(cache.features))
        return cache

    monkeypatch.setattr("glasshouse.training.head.cache_features", spy)
    lean, whole = build(params), build(params)
    history = run_head(lean, pictures, ranges, tmp_path / "a.npz", params={"epochs": 20})
    monkeypatch.setattr("glasshouse.training.head.select_used", lambda *models: models)
    run_head(whole, pictures, ranges, tmp_path / "b.npz", params={"epochs": 20})
    assert kept == [{"c5"}, {"c3", "c4", "c5"}]
    assert_same(weights_of(lean), weights_of(whole))
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]


def test_frozen_batch_norm_keeps_statistics_and_scales(
    squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path
) -> None:
    network = build(model_params)
    before = weights_of(network)
    run_tune(network, squares, ranges, tmp_path / "c.npz", params={"batch_norm": "frozen", "epochs": 1})
    after = weights_of(network)
    norms = [w.path for layer in network.backbone.layers if layer.name.endswith("_bn") for w in layer.weights]
    kernels = [w.path for w in network.backbone.weights if w.path.endswith("kernel")]
    assert norms and kernels
    assert_same({n: before[n] for n in norms}, {n: after[n] for n in norms})
    assert all((before[n] != after[n]).any() for n in kernels)


def test_only_layers_from_the_named_block_on_learn(
    squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path
) -> None:
    network = build(model_params)
    before = weights_of(network)
    run_tune(
        network, squares, ranges, tmp_path / "c.npz", params={"unfreeze_from": "stage4_down", "epochs": 1}
    )
    changed = {name for name, value in weights_of(network).items() if (value != before[name]).any()}
    backbone = {weight.path for weight in network.backbone.weights}
    assert {name for name in changed & backbone if not name.startswith(("stage4", "stage5"))} == set()
    assert any(name.startswith("stage4_down") for name in changed)


def test_an_unknown_block_is_named_with_the_blocks_there_are(model_params: Any) -> None:
    from glasshouse.models.network import freeze

    with pytest.raises(ValueError, match=r"no layer or block 'stage9'.*stage2_down"):
        freeze(build(model_params), "stage9")


def test_a_loss_that_is_no_number_stops_with_a_sentence(
    squares: Pictures, ranges: Any, tmp_path: Path
) -> None:
    from glasshouse.training.fit import NotFinite

    with pytest.raises(NotFinite, match=r"epoch 1: .*loss"):
        network = build_tiny()
        network.top.get_layer("head_p3_logits").set_weights(
            [np.full_like(value, np.nan) for value in network.top.get_layer("head_p3_logits").get_weights()]
        )
        run_tune(network, squares, ranges, tmp_path / "c.npz")


def test_the_average_reaches_back_over_the_epochs_asked_for() -> None:
    from glasshouse.training.fine_tune import average_momentum

    assert average_momentum(2, 50) == pytest.approx(0.99)  # 1 - 1 / 100
    assert average_momentum(0, 50) == 0
    assert average_momentum(0.01, 50) == 0  # less than a step: the last weights


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_backbone_drops_nothing_out_in_training(frozen: bool) -> None:
    """So the head learns on live features as on cached ones; Keras lets frozen layers of dropout draw."""
    import keras

    from glasshouse.models.network import freeze
    from glasshouse.training.learner import Learner

    network = build_tiny()
    assert any(isinstance(layer, keras.layers.Dropout) for layer in network.backbone.layers)
    freeze(network, None if frozen else "all")
    learner = Learner(network.full, network)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    once, again = (learner(pixels, training=True) for _ in "12")
    assert all(np.array_equal(once[name], again[name]) for name in once) == frozen
