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

from .runs import TUNE, assert_same, build, build_tiny, run_head, run_tune, weights_of

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


def test_the_schedule_of_the_second_training_is_as_asked() -> None:
    from glasshouse.training.fine_tune import schedule

    asked = {"weight_decay": 0.03, "clip_norm": 2.5, "ema_epochs": 2.0, "warmup_epochs": 2, "epochs": 5}
    optimizer = schedule(SimpleNamespace(**{**vars(TUNE), **asked}), 10)
    assert (optimizer.decay, optimizer.global_clipnorm) == (0.03, 2.5)
    assert optimizer.use_ema and optimizer.ema_momentum == pytest.approx(0.95)  # 1 - 1 / 20
    # Up to the peak over 2 epochs of 10 steps; over the other 30 down to a hundredth.
    assert rates_at(optimizer, 0, 10, 20, 50) == pytest.approx([0, 5e-4, 1e-3, 1e-5], abs=1e-8)


def rates_at(optimizer: Any, *steps: int) -> list[float]:
    rates = []
    for step in steps:
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    return rates


@pytest.mark.parametrize("features", ["cached", "live"])
def test_the_first_training_warms_up_over_a_tenth_and_sees_every_variant(
    features: str, squares: Pictures, ranges: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def cache(backbone: Any, stream: Any, batches: int) -> Any:
        given["batches"] = (batches, len(stream))
        return SimpleNamespace(stream=print)

    def fit(learner: Any, optimizer: Any, stream: Any, **more: Any) -> Any:
        given["optimizer"], given["steps"] = optimizer, more["steps"] * more["epochs"]

    monkeypatch.setattr("glasshouse.training.head.cache_features", cache)
    monkeypatch.setattr("glasshouse.training.head.fit", fit)
    params = {"features": features, "epochs": 10, "variants": 2}
    run_head(build_tiny(), squares, ranges, tmp_path / "c.npz", params=params)
    # 3 batches of 4 of 12 pictures, 10 epochs: 3 of 30 steps.
    assert given["steps"] == 30
    assert rates_at(given["optimizer"], 0, 3, 30) == pytest.approx([0, 2e-3, 2e-5], abs=1e-8)
    assert given.get("batches") == ((6, 6) if features == "cached" else None)


def test_the_last_epochs_are_not_composed(squares: Pictures, ranges: Any) -> None:
    from glasshouse.training.fine_tune import build_stream

    params = SimpleNamespace(**{**vars(TUNE), "epochs": 5})
    still = SimpleNamespace(**{**vars(ranges), "mosaic_off_epochs": 2})
    stream = build_stream(build_tiny(), squares, params, still, 3, 114, {})
    assert stream.composed is not None
    assert [stream.composed(epoch) for epoch in range(5)] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("score", "kept"), [(0.4, "head"), (0.5, "tuned"), (0.6, "tuned"), (np.nan, "tuned")]
)
def test_the_head_is_kept_only_where_it_scores_better(score: float, kept: str) -> None:
    from glasshouse.training.fine_tune import keep_better

    held: list[Any] = ["tuned"]
    weight = SimpleNamespace(assign=lambda value: held.append(value))
    network: Any = SimpleNamespace(full=SimpleNamespace(weights=[weight]))
    head, tuned = {"score": 0.5}, {"score": score}
    scores = keep_better(network, ["head"], "score", head=head, fine_tuned=tuned)
    assert held[-1] == kept and scores is (head if kept == "head" else tuned)
