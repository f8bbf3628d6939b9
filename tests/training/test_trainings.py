"""The two trainings on a small network.

What they change, and that a killed one ends as an undisturbed one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.inputs.features import cache_features
from glasshouse.inputs.stream import Pictures
from glasshouse.training.checkpoints import Checkpoint

HEAD: Any = SimpleNamespace(
    epochs=3, epoch_pictures=0, batch_size=4, learning_rate=2e-3, features="cached", variants=2
)
TUNE: Any = SimpleNamespace(
    epochs=3,
    batch_size=4,
    learning_rate=1e-3,
    unfreeze_from="all",
    batch_norm="train",
    epoch_pictures=0,
    warmup_epochs=1,
    weight_decay=0.01,
    clip_norm=10.0,
    ema_epochs=1.0,
    validate_every=1,
    sizes_px=(),
)


class Killed(Exception):
    """Stands for SIGKILL: nothing after the checkpoint of an epoch is done."""


@pytest.fixture(scope="module", autouse=True)
def deterministic() -> None:
    """As in a stage's process."""
    from glasshouse.training.runtime import prepare_runtime

    prepare_runtime(5)


def build(model_params: Any) -> Any:
    import keras

    from glasshouse.models.network import build_network

    keras.utils.set_random_seed(5)
    return build_network(model_params, height_px=32, width_px=32, classes=2)


def weights_of(network: Any) -> dict[str, np.ndarray]:
    return {weight.path: np.asarray(weight).copy() for weight in network.full.weights}


def run_head(
    network: Any, pictures: Pictures, ranges: Any, path: Path, key: str = "k", **more: Any
) -> list[dict[str, Any]]:
    from glasshouse.training.head import train_head

    params = SimpleNamespace(**{**vars(HEAD), **more.pop("params", {})})
    return train_head(
        network, pictures, params, ranges, seed=3, fill=114, checkpoint=Checkpoint(path, key), **more
    )


def run_tune(network: Any, pictures: Pictures, ranges: Any, path: Path, key: str = "k", **more: Any) -> Any:
    from glasshouse.training.fine_tune import fine_tune

    params = SimpleNamespace(**{**vars(TUNE), **more.pop("params", {})})
    scores = iter(range(1, 100))
    more.setdefault("validate", lambda: {"score": next(scores) / 100})
    return fine_tune(
        network, pictures, params, ranges, seed=3, fill=114, checkpoint=Checkpoint(path, key), **more
    )


def die_after(epoch: int) -> Any:
    def on_epoch(number: int, row: dict[str, Any]) -> None:
        if number == epoch:
            raise Killed

    return on_epoch


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


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not (one[name] == other[name]).all()] == []


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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_training_ends_in_the_same_weights(
    squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path
) -> None:
    undisturbed = build(model_params)
    history, scores = run_tune(undisturbed, squares, ranges, tmp_path / "a.npz")
    for epoch in (1, 3):  # after the first, and after the last: only the stage's own output is missing
        path = tmp_path / f"{epoch}.npz"
        with pytest.raises(Killed):
            run_tune(build(model_params), squares, ranges, path, on_epoch=die_after(epoch))
        assert path.is_file()
        taken_up = build(model_params)
        seen: list[int] = []
        again, _ = run_tune(
            taken_up, squares, ranges, path, on_epoch=lambda number, row, seen=seen: seen.append(number)
        )
        assert seen == list(range(epoch + 1, 4))  # it did go on, and not begin anew
        assert_same(weights_of(undisturbed), weights_of(taken_up))
        strip = [{name: value for name, value in row.items() if name != "valid_score"} for row in again]
        assert strip == [
            {name: value for name, value in row.items() if name != "valid_score"} for row in history
        ]
    assert set(scores) == {"head", "fine_tuned", "kept"}


def test_half_precision_as_on_a_gpu_trains_and_goes_on_after_a_kill(
    squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path
) -> None:
    import keras

    keras.config.set_dtype_policy("mixed_float16")
    try:
        undisturbed, taken_up = build(model_params), build(model_params)
        fresh = weights_of(undisturbed)
        run_head(undisturbed, squares, ranges, tmp_path / "head.npz")
        learnt = weights_of(undisturbed)
        assert any((fresh[name] != learnt[name]).any() for name in fresh)  # no step's gradients overflowed
        run_head(taken_up, squares, ranges, tmp_path / "head.npz")  # its last checkpoint is all of it
        run_tune(undisturbed, squares, ranges, tmp_path / "a.npz")
        path = tmp_path / "b.npz"
        with pytest.raises(Killed):
            run_tune(taken_up, squares, ranges, path, on_epoch=die_after(1))
        again = build(model_params)
        run_head(again, squares, ranges, tmp_path / "head.npz")
        run_tune(again, squares, ranges, path)
        assert_same(weights_of(undisturbed), weights_of(again))
        assert all(np.isfinite(value).all() for value in weights_of(again).values())
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("damage", ["another key", "torn", "empty"])
def test_a_checkpoint_of_another_training_is_not_taken_up(
    damage: str, squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path
) -> None:
    path = tmp_path / "c.npz"
    with pytest.raises(Killed):
        run_tune(build(model_params), squares, ranges, path, on_epoch=die_after(2))
    if damage == "torn":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    seen: list[int] = []
    key = "other" if damage == "another key" else "k"
    run_tune(
        build(model_params), squares, ranges, path, key, on_epoch=lambda number, row: seen.append(number)
    )
    assert seen == [1, 2, 3]


def test_the_frozen_head_is_kept_where_fine_tuning_loses(
    squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path
) -> None:
    network = build(model_params)
    before = weights_of(network)
    falling = iter([0.9, 0.5, 0.4, 0.3, 0.2])
    _, scores = run_tune(
        network, squares, ranges, tmp_path / "c.npz", validate=lambda: {"score": next(falling)}
    )
    assert_same(before, weights_of(network))
    assert scores["kept"] == scores["head"] == {"score": 0.9}
    assert scores["fine_tuned"] == {"score": 0.2}


def test_validation_leaves_the_training_alone(
    squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path
) -> None:
    often, never = build(model_params), build(model_params)
    run_tune(often, squares, ranges, tmp_path / "a.npz", params={"validate_every": 1})
    run_tune(never, squares, ranges, tmp_path / "b.npz", params={"validate_every": 99})
    assert_same(weights_of(often), weights_of(never))


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
    squares: Pictures, ranges: Any, model_params: Any, tmp_path: Path
) -> None:
    from glasshouse.training.fit import NotFinite

    with pytest.raises(NotFinite, match=r"epoch 1: .*loss"):
        network = build(model_params)
        network.top.get_layer("head_p3_logits").set_weights(
            [np.full_like(value, np.nan) for value in network.top.get_layer("head_p3_logits").get_weights()]
        )
        run_tune(network, squares, ranges, tmp_path / "c.npz")


def test_the_average_reaches_back_over_the_epochs_asked_for() -> None:
    from glasshouse.training.fine_tune import average_momentum

    assert average_momentum(2, 50) == pytest.approx(0.99)  # 1 - 1 / 100
    assert average_momentum(0, 50) == 0
    assert average_momentum(0.01, 50) == 0  # less than a step: the last weights
