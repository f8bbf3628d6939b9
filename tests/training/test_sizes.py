"""Training at several sizes: that it learns at each, and that a killed one ends as an undisturbed one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.inputs.stream import Pictures, TrainingStream
from glasshouse.params.sizes import fit_sizes
from glasshouse.training.checkpoints import Checkpoint
from glasshouse.training.sizes import head_at

from .runs import TUNE as SINGLE

# As the trainings at one size, but longer and faster, so that the losses at both sizes fall.
CHANGES = {"epochs": 16, "learning_rate": 2e-2, "warmup_epochs": 0, "ema_epochs": 0.5, "validate_every": 99}
TUNE: Any = SimpleNamespace(**{**vars(SINGLE), **CHANGES, "sizes_px": (32, 64)})


pytestmark = pytest.mark.usefixtures("deterministic")


def build(height_px: int = 32, width_px: int = 32, dense: bool = False) -> Any:
    """yolo_v3 on three convolutions: quickly drawn, quickly trained; with `dense`, a backbone that has
    weights for every place of its input."""
    import keras

    from glasshouse.models.heads.yolo_v3 import Head, Params
    from glasshouse.models.network import Network

    params = Params(name="yolo_v3", anchors=[[8, 8], [16, 16], [32, 32]])  # type: ignore[arg-type]
    head = Head(params, classes=2, height_px=height_px, width_px=width_px)
    pixels = keras.Input((height_px, width_px, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
    taps = {}
    for level, stride in ((3, 8), (4, 2), (5, 2)):
        x = keras.layers.Conv2D(16, stride + 1, stride, padding="same", activation="relu")(x)
        taps[f"c{level}"] = x
    if dense:
        places = keras.layers.Dense(int(x.shape[1] * x.shape[2]))(keras.layers.Flatten()(x))
        taps["c5"] = x * keras.layers.Reshape((*x.shape[1:3], 1))(places)
    backbone = keras.Model(pixels, taps, name="backbone")
    features = {name: keras.Input(tap.shape[1:], name=name) for name, tap in taps.items()}
    top = keras.Model(features, head.build(features), name="top")
    full = keras.Model(pixels, top(backbone(pixels)), name="network")
    return Network(backbone, top, full, head, None, partial(build, dense=dense))


def start(**options: Any) -> Any:
    import keras

    keras.utils.set_random_seed(5)
    return build(**options)


def run(
    network: Any, pictures: Pictures, ranges: Any, path: Path, on_epoch: Any = None
) -> list[dict[str, Any]]:
    from glasshouse.training.fine_tune import fine_tune

    checkpoint = Checkpoint(path, "k")
    history, _ = fine_tune(
        network,
        pictures,
        TUNE,
        ranges,
        seed=3,
        fill=114,
        checkpoint=checkpoint,
        validate=lambda: {"score": 0.5},
        on_epoch=on_epoch,
    )
    return history


def stream_of(pictures: Pictures, ranges: Any, sizes: tuple[tuple[int, int], ...]) -> TrainingStream:
    encoders = tuple((size, lambda labels: labels) for size in sizes)
    return TrainingStream(pictures, 4, 3, ranges, lambda epoch: True, lambda labels: labels, 114, encoders)


def test_sizes_keep_the_shape_and_whole_strides() -> None:
    assert fit_sizes([96, 128, 96], (128, 128)) == [(96, 96), (128, 128)]
    assert fit_sizes([128, 320], (256, 416)) == [(128, 192), (320, 512)]  # 208 and 520 px by shape
    assert fit_sizes([32], (320, 32)) == [(32, 32)]
    assert fit_sizes([], (128, 128)) == []


def test_the_size_is_a_function_of_seed_and_step(squares: Pictures, ranges: Any) -> None:
    stream = stream_of(squares, ranges, ((32, 32), (64, 64), (96, 96)))
    drawn = [stream.choose_size(step) for step in range(300)]
    assert np.bincount(drawn).min() > 70
    assert drawn != [replace(stream, seed=4).choose_size(step) for step in range(300)]
    shapes = [x.shape[1:3] for x, _ in stream(0, 9)]
    assert shapes == [stream.sizes[choice][0] for choice in drawn[:9]]
    later = [x.numpy() for x, _ in stream(5, 9)]
    for one, (other, _) in zip(later, list(stream(0, 9))[5:], strict=True):
        assert (one == other.numpy()).all()


def test_at_another_size_the_same_batch_is_seen_larger(squares: Pictures, ranges: Any) -> None:
    """Boxes twice as large, and pixels whose means over blocks of four are those of before."""
    own, large = (list(stream_of(squares, ranges, ((side, side),))(0, 3)) for side in (32, 64))
    plain = list(replace(stream_of(squares, ranges, ()), sizes=())(0, 3))
    for (x, y), (x_large, y_large), (x_plain, _) in zip(own, large, plain, strict=True):
        assert (x.numpy() == x_plain.numpy()).all()
        assert (y["labels"].numpy() == y_large["labels"].numpy()).all()
        assert y_large["boxes"].numpy() == pytest.approx(2 * y["boxes"].numpy(), abs=2.0)
        reduced = x_large.numpy().reshape(4, 32, 2, 32, 2, 3).mean(axis=(2, 4))
        assert np.abs(reduced - x.numpy()).mean() < 8


@pytest.fixture(scope="module")
def trained(
    deterministic: None, squares: Pictures, ranges: Any, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A network that learned undisturbed at 32 and 64 px, its history, and what a kill after the third epoch
    would have left."""
    network, folder = start(), tmp_path_factory.mktemp("whole")

    def keep(number: int, row: dict[str, Any]) -> None:
        if number == 3:
            shutil.copy(folder / "c.npz", folder / "killed.npz")

    history = run(network, squares, ranges, folder / "c.npz", keep)
    return network, history, folder / "killed.npz"


def lose(network: Any, pictures: Pictures, ranges: Any, side: int) -> float:
    """Mean loss over fixed batches of one size."""
    head = head_at(network, (side, side))
    stream = replace(stream_of(pictures, ranges, ((side, side),)), seed=77)
    losses = []
    for x, y in stream(0, 6):
        raw = network.top.call(network.backbone.call(x, training=False), training=False)
        losses.append(sum(float(np.mean(term)) for term in head.loss(head.encode(y), raw).values()))
    return float(np.mean(losses))


def test_losses_fall_at_both_sizes_and_the_base_size_decodes(
    trained: Any, squares: Pictures, ranges: Any
) -> None:
    network, history, _ = trained
    assert np.isfinite([value for row in history for value in row.values()]).all()
    fresh = start()
    for side in (32, 64):
        assert lose(network, squares, ranges, side) < 0.8 * lose(fresh, squares, ranges, side)
    raw = network.full(squares.pixels.gather(np.arange(12)).astype(np.float32), training=False)
    # 4 x 4, 2 x 2 and one cell, one anchor each, whatever sizes it has seen.
    assert {name: value.shape[1] for name, value in raw.items()} == dict.fromkeys(raw, 16 + 4 + 1)
    boxes = np.asarray(network.head.decode(raw)["boxes"])
    assert boxes.min() >= 0 and boxes.max() <= 32


def test_a_killed_training_at_several_sizes_ends_in_the_same_weights(
    trained: Any, squares: Pictures, ranges: Any, tmp_path: Path
) -> None:
    network, history, left = trained
    taken_up = start()
    seen: list[int] = []
    shutil.copy(left, tmp_path / "c.npz")
    again = run(taken_up, squares, ranges, tmp_path / "c.npz", lambda number, row: seen.append(number))
    assert seen == list(range(4, TUNE.epochs + 1)) and again == history
    for one, other in zip(network.full.weights, taken_up.full.weights, strict=True):
        assert (np.asarray(one) == np.asarray(other)).all(), one.path


def test_a_network_whose_weights_depend_on_the_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fine_tune\.sizes_px: .*dense.* at 64 x 64 px: .* one size alone"):
        head_at(start(dense=True), (64, 64))
    assert head_at(start(), (64, 32)).size == (64, 32)  # type: ignore[attr-defined]
