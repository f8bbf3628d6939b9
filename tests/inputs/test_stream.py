from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.inputs.order import batch_rows, count_passes, draw_epoch, steps_per_epoch
from glasshouse.inputs.stream import Pictures, TrainingStream, pictures_of


class Pixels:
    """Pictures in memory, which remember what was taken of them."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.taken = pixels, list[np.ndarray]()

    def __len__(self) -> int:
        return len(self.pixels)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        self.taken.append(self.pixels[rows])
        return self.taken[-1]


AUGMENT: Any = SimpleNamespace(
    flip=0.5, rotate=0.0, crop=0.0, scale=(0.7, 1.3), translate=0.1, brightness=0.1, contrast=0.1,
    saturation=0.1, hue=0.02, mosaic=0.5, mix_up=0.0, copy_paste=0.0,
)  # fmt: skip


def pictures(count: int = 10) -> Pictures:
    rng = np.random.default_rng(0)
    boxes = np.tile(np.array([4, 4, 20, 24], np.float32), (count, 2, 1))
    labels = np.tile(np.array([1, -1], np.int32), (count, 1))
    pixels = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Pictures(Pixels(pixels), (32, 32), boxes, labels)


def stream(first: int, last: int, seed: int = 1) -> list[Any]:
    batches = TrainingStream(pictures(), 4, seed, AUGMENT, lambda epoch: True, lambda labels: labels, 114)(
        first, last
    )
    return [(x.numpy(), {name: value.numpy() for name, value in y.items()}) for x, y in batches]


def test_an_epoch_sees_no_picture_twice() -> None:
    assert steps_per_epoch(10, 4) == 2
    for epoch in range(3):
        rows = np.concatenate([batch_rows(10, 4, 7, 2 * epoch + step) for step in range(2)])
        assert len(set(rows.tolist())) == 8
    assert batch_rows(10, 4, 7, 0).tolist() != batch_rows(10, 4, 7, 2).tolist()


# Digests of the first five batches' tiles as they were before pictures had weights (seed 1, half mosaics);
# tiles hang on drawn integers alone, so no processor's rounding shows in them.
TILES = ["9b97704e1d9d7505", "b68fe934d72e56c8", "394fd38297914ad5", "e7bcfe2d5df358a0", "738e03783c8c3c49"]


def draw(weights: np.ndarray | None, steps: range, seed: int = 1) -> list[Any]:
    drawn = replace(pictures(), weights=weights)
    batches = TrainingStream(drawn, 4, seed, AUGMENT, lambda epoch: True, lambda labels: labels, 114)
    return [batches.draw(step) for step in steps]


def take_tiles(batches: TrainingStream, steps: range) -> list[np.ndarray]:
    """What the batches are made of: the pictures, as they are, that each takes."""
    assert isinstance(batches.pictures.pixels, Pixels)
    batches.pictures.pixels.taken.clear()
    for step in steps:
        batches.draw(step)
    return list(batches.pictures.pixels.taken)


def digest(batch: Any) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in batch)).hexdigest()[:16]


def test_without_masks_a_thing_is_its_box_and_where_pictures_turn_it_is_round() -> None:
    """A square of 16 px about the middle of 32 px; turned by up to 45 degrees as a square it would grow."""
    square = np.tile(np.array([8, 8, 24, 24], np.float32), (10, 1, 1))
    things = replace(pictures(), boxes_xyxy_px=square, labels=np.zeros((10, 1), np.int32))
    still = vars(AUGMENT) | {"flip": 0.0, "scale": (1.0, 1.0), "translate": 0.0, "mosaic": 0.0}
    for rotate, atol in ((0.0, 1e-5), (45.0, 0.4)):
        ranges = SimpleNamespace(**still | {"rotate": rotate})
        turned = TrainingStream(things, 4, 1, ranges, None, lambda labels: labels, 114)
        *_, boxes, labels, _ = turned.draw(0)
        assert (labels == 0).all()
        np.testing.assert_allclose(boxes[:, 0], square[:4, 0], atol=atol)


def test_outside_of_a_moved_picture_is_the_whole_level_nearest_to_the_fill() -> None:
    half = SimpleNamespace(**vars(AUGMENT) | {"scale": (0.5, 0.5), "translate": 0.0, "mosaic": 0.0})
    for fill, level in ((113.6, 114), (114.4, 114)):
        pixels, *_ = TrainingStream(pictures(), 4, 1, half, None, lambda labels: labels, fill).draw(0)
        assert (pixels[:, :7] == level).all() and (pixels[:, 10:22, 10:22] != level).any()


def test_without_masks_and_turning_a_box_is_cut_as_a_box() -> None:
    """Three times as large about (16, 16): x -32 .. 16, y 4 .. 28; an ellipse would be lower at the edge."""
    boxes, labels = np.tile(np.array([0, 12, 16, 20], np.float32), (10, 1, 1)), np.zeros((10, 1), np.int32)
    things = replace(pictures(), boxes_xyxy_px=boxes, labels=labels)
    still = {"flip": 0.0, "scale": (3.0, 3.0), "translate": 0.0, "mosaic": 0.0}
    ranges = SimpleNamespace(**vars(AUGMENT) | still)
    *_, found, _, _ = TrainingStream(things, 4, 1, ranges, None, lambda labels: labels, 114).draw(0)
    np.testing.assert_allclose(found[:, 0], [[0, 4, 16, 28]] * 4, atol=1e-4)


@pytest.mark.parametrize("weights", [None, np.ones(10), np.full(10, 1.25)])
def test_even_weights_change_no_byte(weights: np.ndarray | None) -> None:
    drawn = replace(pictures(), weights=weights)
    batches = TrainingStream(drawn, 4, 1, AUGMENT, lambda epoch: True, lambda labels: labels, 114)
    assert [digest([tiles]) for tiles in take_tiles(batches, range(5))] == TILES
    whole = [digest(batch) for batch in draw(weights, range(5))]
    assert whole == [digest(batch) for batch in draw(None, range(5))]
    rows = [batch_rows(10, 4, 7, step, weights).tolist() for step in range(4)]
    assert rows == [[8, 0, 7, 1], [3, 6, 2, 4], [9, 0, 8, 6], [7, 1, 3, 4]]


def test_a_small_set_is_shown_several_times_an_epoch() -> None:
    # 205 pictures of BCCD in an epoch of 1,200: 1200 / 205 = 5.85; 750 flowers: 1.6; 1,200 blooms: once.
    assert [count_passes(count, 8, 1200) for count in (205, 750, 1200, 5000)] == [6, 2, 1, 1]
    assert [count_passes(count, 16, 0) for count in (1, 5000)] == [1, 1]
    # Whole batches count: one of 16 is all that a pass over 31 pictures, or over 5, shows.
    for count, batch, passes in ((31, 16, 75), (5, 16, 75), (20, 64, 19), (63, 32, 38)):
        assert count_passes(count, batch, 1200) == passes
        assert passes * steps_per_epoch(count, batch) * batch == pytest.approx(1200, rel=0.02)
    once = TrainingStream(pictures(), 4, 1, AUGMENT, lambda epoch: epoch < 1, lambda labels: labels, 114)
    thrice = replace(once, passes=3)
    assert (once.steps, thrice.steps) == (2, 6)
    assert digest(once.draw(1)) == digest(thrice.draw(1))  # the same order and augmentation by the step
    # Tiles of a batch: more than its pictures where there are mosaics, which stop after the first epoch.
    assert max(map(len, take_tiles(thrice, range(2, 6)))) > 4
    assert set(map(len, take_tiles(thrice, range(6, 12)))) == {4}
    assert set(map(len, take_tiles(once, range(2, 6)))) == {4}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(1.0, 30.0), min_size=1, max_size=60), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_shows_each_picture_as_often_as_its_weight_says(
    values: list[float], seed: int, epoch: int
) -> None:
    weights = np.array(values)
    rows = draw_epoch(len(weights), seed, epoch, weights)
    expected = weights / weights.mean()
    counts = np.bincount(rows, minlength=len(weights))
    assert len(rows) == len(weights)
    assert (counts >= np.floor(expected - 1e-9)).all() and (counts <= np.ceil(expected + 1e-9)).all()
    assert rows.tolist() == draw_epoch(len(weights), seed, epoch, weights).tolist()


def test_over_many_epochs_the_counts_are_the_weights() -> None:
    weights = np.array([1.0] * 8 + [4.0, 2.0])  # of 14: 10 / 14 = 0.714 an epoch, 2.857, 1.429
    counts = sum(np.bincount(draw_epoch(10, 3, epoch, weights), minlength=10) for epoch in range(2000))
    # a count is one of two neighbours, so its standard deviation is at most 0.5 / sqrt(2000) = 0.011
    assert counts / 2000 == pytest.approx(weights / 1.4, abs=0.05)


def test_repeats_do_not_stand_together_and_any_picture_may_be_left_out() -> None:
    weights = np.array([1.0] * 30 + [10.0])
    orders = [draw_epoch(31, 3, epoch, weights) for epoch in range(40)]
    beside = [(np.diff(np.flatnonzero(order == 30)) == 1).mean() for order in orders]
    assert np.mean(beside) < 0.5  # 7 or 8 of 31 at random: about 0.24
    assert set(range(31)) - set.intersection(*(set(order.tolist()) for order in orders)) == set(range(30))


def test_mosaics_take_their_partners_by_weight_too() -> None:
    weights = np.array([1.0] * 9 + [9.0])
    ranges, drawn = SimpleNamespace(**vars(AUGMENT) | {"mosaic": 1.0}), replace(pictures(), weights=weights)
    batches = TrainingStream(drawn, 4, 1, ranges, lambda epoch: True, lambda labels: labels, 114)
    last = drawn.pixels.gather(np.array([9]))[0]
    tiles = np.concatenate(take_tiles(batches, range(100)))
    share = np.mean([(tile == last).all() for tile in tiles])
    assert len(tiles) == 1600  # 100 batches of 4 pictures of 4
    assert share == pytest.approx(0.5, abs=0.07)  # 9 of 18; even it would be 0.1


def test_partners_by_weight_come_from_the_order_of_their_own_pass() -> None:
    weights = np.array([1.0] * 9 + [9.0])  # in every order the last and about half of the others
    ranges = SimpleNamespace(**vars(AUGMENT) | {"mosaic": 1.0})
    numbered = np.broadcast_to(np.arange(10, dtype=np.uint8)[:, None, None, None], (10, 32, 32, 3))
    drawn = replace(pictures(), weights=weights, pixels=Pixels(numbered))
    # An epoch of three passes of two batches; eight passes.
    batches = TrainingStream(drawn, 4, 1, ranges, lambda epoch: True, lambda labels: labels, 114, passes=3)
    rows = np.stack([tiles[:, 0, 0, 0] for tiles in take_tiles(batches, range(16))]).reshape(8, 8, 4)
    orders = [set(draw_epoch(10, 1, number, weights).tolist()) for number in range(8)]
    partners = [set(of_pass[:, 1:].ravel().tolist()) for of_pass in rows]
    assert all(found <= order for found, order in zip(partners, orders, strict=True))
    assert max(map(len, partners)) < 10 and set.union(*partners) == set(range(10))
    again = np.stack([tiles[:, 0, 0, 0] for tiles in take_tiles(batches, range(16))])
    assert again.ravel().tolist() == rows.ravel().tolist()


def test_weighted_batches_are_a_function_of_the_step() -> None:
    weights = np.linspace(1.0, 3.0, 10)
    whole = [digest(batch) for batch in draw(weights, range(6))]
    assert [digest(batch) for batch in draw(weights, range(3, 6))] == whole[3:]
    assert [digest(batch) for batch in draw(weights, range(6), seed=2)] != whole
    assert whole != [digest(batch) for batch in draw(None, range(6))]


def test_a_prepared_split_hands_over_its_weights() -> None:
    import pandas as pd

    images = pd.DataFrame({"weight": [1.0, 2.0]})
    boxes, labels = np.zeros((2, 1, 4), np.float32), np.full((2, 1), -1, np.int32)
    shards = SimpleNamespace(shape=(2, 32, 32, 3))
    prepared: Any = SimpleNamespace(
        pixels=shards, images=images, labels=lambda: (boxes, labels), shapes=lambda: None, masks=lambda: None,
        demand_objects=lambda split, task: None,
    )  # fmt: skip
    weights = pictures_of(prepared, "detect").weights
    assert weights is not None and weights.tolist() == [1.0, 2.0]


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


@pytest.mark.parametrize("sizes", [(), (32, 64)])
def test_no_tuner_is_waited_for_at_the_end(sizes: tuple[int, ...]) -> None:
    """Letting go of a tuned iterator took up to a minute after a long training (inputs/untuned.py)."""
    at = tuple(((side, side), lambda labels: labels) for side in sizes)
    batches = TrainingStream(
        pictures(), 4, 1, AUGMENT, lambda epoch: True, lambda labels: labels, 114, sizes=at
    )(0, 3)
    assert batches.options().autotune.enabled is False
    assert len(list(batches)) == 3


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
    batches = TrainingStream(pictures(count), 4, 1, AUGMENT, lambda epoch: True, lambda labels: labels, 0)(
        0, 2
    )
    assert [x.shape for x, _ in batches] == [(4, 32, 32, 3)] * 2
