from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.inputs.stream import Pictures, TrainingStream, batch_rows, steps_per_epoch


class Pixels:
    """Pictures in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


AUGMENT: Any = SimpleNamespace(
    flip=0.5, scale=(0.7, 1.3), translate=0.1, brightness=0.1, contrast=0.1, saturation=0.1, hue=0.02
)


def pictures(count: int = 10) -> Pictures:
    rng = np.random.default_rng(0)
    boxes = np.tile(np.array([4, 4, 20, 24], np.float32), (count, 2, 1))
    labels = np.tile(np.array([1, -1], np.int32), (count, 1))
    pixels = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Pictures(Pixels(pixels), (32, 32), boxes, labels)


def stream(first: int, last: int, seed: int = 1) -> list[Any]:
    batches = TrainingStream(pictures(), 4, seed, AUGMENT, lambda epoch: 0.5, lambda labels: labels, 114)(
        first, last
    )
    return [(x.numpy(), {name: value.numpy() for name, value in y.items()}) for x, y in batches]


def test_an_epoch_sees_no_picture_twice() -> None:
    assert steps_per_epoch(10, 4) == 2
    for epoch in range(3):
        rows = np.concatenate([batch_rows(10, 4, 7, 2 * epoch + step) for step in range(2)])
        assert len(set(rows.tolist())) == 8
    assert batch_rows(10, 4, 7, 0).tolist() != batch_rows(10, 4, 7, 2).tolist()


def test_fewer_pictures_than_a_batch_make_one_batch_with_repetitions() -> None:
    assert steps_per_epoch(3, 8) == 1
    rows = batch_rows(3, 8, 7, 5)
    assert len(rows) == 8
    assert set(rows.tolist()) == {0, 1, 2}


def test_a_stream_goes_on_anywhere_with_the_same_batches() -> None:
    whole, rest = stream(0, 5), stream(3, 5)
    assert len(rest) == 2
    for (x, y), (x_again, y_again) in zip(whole[3:], rest, strict=True):
        assert (x == x_again).all()
        assert all((y[name] == y_again[name]).all() for name in y)


def test_seed_and_step_decide() -> None:
    assert not (stream(0, 1, seed=1)[0][0] == stream(0, 1, seed=2)[0][0]).all()
    first, second = (x for x, _ in stream(0, 2))
    assert not (first == second).all()


def test_pixels_keep_their_range_and_labels_their_padding() -> None:
    for x, y in stream(0, 4):
        assert x.dtype == np.float32
        assert x.min() >= 0
        assert x.max() <= 255
        assert x.max() > 1
        real = y["labels"] >= 0
        assert (y["boxes"][~real] == 0).all()
        assert (y["boxes"][real][:, 2:] > y["boxes"][real][:, :2]).all()


@pytest.mark.parametrize("count", [1, 4])
def test_tiny_sets_stream_too(count: int) -> None:
    batches = TrainingStream(pictures(count), 4, 1, AUGMENT, lambda epoch: 1.0, lambda labels: labels, 0)(
        0, 2
    )
    assert [x.shape for x, _ in batches] == [(4, 32, 32, 3)] * 2
