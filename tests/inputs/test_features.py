"""Features of a frozen backbone: computed once, and gone over as a live stream would."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.inputs.features import FeatureCache, cache_features, select_used
from glasshouse.inputs.stream import Pictures, TrainingStream

SIDE, BATCH, STEPS, VARIANTS = 16, 4, 2, 3


class Pixels:
    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


AUGMENT: Any = SimpleNamespace(
    flip=0.5, rotate=0.0, crop=0.0, scale=(0.7, 1.3), translate=0.1, brightness=0.1, contrast=0.2,
    saturation=0.2, hue=0.02, mosaic=0.0, mix_up=0.0, copy_paste=0.0,
)  # fmt: skip


def encode(labels: dict[str, Any]) -> dict[str, Any]:
    return {"label": labels["label"], "boxes": labels["boxes"]}


def stream(first: int, last: int, weights: np.ndarray | None = None) -> Any:
    """Eight pictures of noise, the number of each in its label."""
    rng = np.random.default_rng(0)
    boxes = np.tile(np.array([2, 2, 14, 14], np.float32), (8, 1, 1))
    pixels = rng.integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
    number = np.arange(8, dtype=np.int32)
    pictures = Pictures(Pixels(pixels), (SIDE, SIDE), boxes, number[:, None], number, weights)
    return TrainingStream(pictures, BATCH, 1, AUGMENT, lambda epoch: False, encode, 114)(first, last)


@pytest.fixture(scope="module")
def backbone() -> Any:
    """Two levels, with a batch normalization that would move if it were trained."""
    import keras

    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIDE, SIDE, 3))
    fine = keras.layers.Conv2D(4, 4, strides=4)(keras.layers.Rescaling(1 / 255)(pixels))
    fine = keras.layers.BatchNormalization()(fine)
    return keras.Model(pixels, {"c3": fine, "c4": keras.layers.AveragePooling2D(2)(fine)})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def cache(backbone: Any, place: Path) -> FeatureCache:
    """Made in a folder that has no .glasshouse yet."""
    before = Path.cwd()
    os.chdir(place)
    try:
        return cache_features(backbone, stream(0, VARIANTS * STEPS), VARIANTS * STEPS)
    finally:
        os.chdir(before)


def test_features_are_the_backbones_in_half_precision(cache: FeatureCache, backbone: Any) -> None:
    weights = backbone.get_weights()
    live = list(stream(0, VARIANTS * STEPS))
    assert cache.count == VARIANTS * STEPS * BATCH
    assert {name: array.shape for name, array in cache.features.items()} == {
        "c3": (24, 4, 4, 4),
        "c4": (24, 2, 2, 4),
    }
    for step, (pixels, targets) in enumerate(live):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        for name, value in backbone(pixels, training=False).items():
            exact, held = np.asarray(value), cache.features[name][rows].astype(np.float32)
            # Eleven bits: half of the last one is 2^-11 of the value; below 2^-14 the step is 2^-24.
            assert (np.abs(held - exact) <= 2**-11 * np.abs(exact) * 1.01 + 2**-24).all()
        for name, value in targets.items():
            assert np.array_equal(cache.targets[name][rows], value)
    for before, after in zip(weights, backbone.get_weights(), strict=True):
        assert np.array_equal(before, after)


def test_every_variant_shows_every_picture_in_another_way(cache: FeatureCache) -> None:
    size = STEPS * BATCH
    labels = cache.targets["label"].reshape(VARIANTS, size)
    assert all(sorted(row) == list(range(8)) for row in labels.tolist())
    seen = {
        (int(label), feature.tobytes())
        for label, feature in zip(cache.targets["label"], cache.features["c3"], strict=True)
    }
    assert len(seen) == VARIANTS * size


def test_epochs_take_the_variants_in_turn_and_every_example_once(cache: FeatureCache) -> None:
    size, orders = STEPS * BATCH, set()
    for epoch in range(2 * VARIANTS):
        batches = [cache.rows(STEPS, BATCH, 7, epoch * STEPS + step) for step in range(STEPS)]
        assert [len(batch) for batch in batches] == [BATCH] * STEPS
        rows = np.concatenate(batches)
        variant = epoch % VARIANTS
        assert sorted(rows.tolist()) == list(range(variant * size, (variant + 1) * size))
        orders.add(tuple((rows - variant * size).tolist()))
    assert len(orders) == 2 * VARIANTS  # newly shuffled every time
    assert cache.rows(STEPS, BATCH, 7, 3).tolist() == cache.rows(STEPS, BATCH, 7, 3).tolist()
    assert cache.rows(STEPS, BATCH, 8, 3).tolist() != cache.rows(STEPS, BATCH, 7, 3).tolist()


def test_the_cached_head_draws_by_weight(backbone: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    weights = np.array([1.0] * 7 + [9.0])  # of 16: the last is 4.5 of the 8 pictures of an epoch
    drawn = cache_features(backbone, stream(0, VARIANTS * STEPS, weights), VARIANTS * STEPS)
    labels = drawn.targets["label"].reshape(VARIANTS, STEPS * BATCH)
    assert set(np.sum(labels == 7, axis=1).tolist()) <= {4, 5}
    seen = drawn.features["c3"][drawn.targets["label"] == 7]
    assert len({feature.tobytes() for feature in seen}) == len(seen)  # each time augmented anew


def test_only_levels_that_the_top_looks_at_are_kept(backbone: Any) -> None:
    """Of a pooling top the coarse one; of one that looks at both, both, and the models as they are."""
    import keras

    shapes = {"c3": (4, 4, 4), "c4": (2, 2, 4)}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    pooled = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs["c4"]))
    shared = keras.layers.Conv2D(2, 1)
    pooling = keras.Model(inputs, {"logits": pooled}, name="top")
    both = keras.Model(inputs, {name: shared(x) for name, x in inputs.items()})

    small, top = select_used(backbone, pooling)
    assert set(small.output) == set(top.input) == {"c4"}
    assert [id(weight) for weight in top.weights] == [id(weight) for weight in pooling.weights]
    pixels = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE, 3)).astype(np.float32)
    wanted = pooling(backbone(pixels, training=False))["logits"]
    assert np.array_equal(top(small(pixels, training=False))["logits"], wanted)

    assert select_used(backbone, both) == (backbone, both)


def test_a_full_disk_is_said_before_it_is_filled(
    backbone: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 examples of 4*4*4 + 2*2*4 = 80 numbers of 2 bytes, with a box and a label of 5 of 4: 4,320 bytes."""
    monkeypatch.chdir(place)
    room = SimpleNamespace(free=4320)
    monkeypatch.setattr("glasshouse.inputs.features.shutil.disk_usage", lambda folder: room)
    cache_features(backbone, stream(0, VARIANTS * STEPS), VARIANTS * STEPS)
    room.free = 4319
    with pytest.raises(ValueError, match=r"train_head\.features: .*0\.00 GB are free in .*variants"):
        cache_features(backbone, stream(0, VARIANTS * STEPS), VARIANTS * STEPS)


def test_the_stream_keeps_features_and_targets_together(cache: FeatureCache) -> None:
    for step, (features, targets) in enumerate(cache.stream(STEPS, BATCH, 7, 0, 8)):
        rows = cache.rows(STEPS, BATCH, 7, step)
        assert set(features) == {"c3", "c4"}
        for name, value in features.items():
            assert value.dtype.name == "float32"
            assert value.shape == (BATCH, *cache.features[name].shape[1:])
            assert np.array_equal(value, cache.features[name][rows])
        for name, value in targets.items():
            assert np.array_equal(value, cache.targets[name][rows])
    assert step == 7


def test_the_stream_goes_on_anywhere_with_the_same_batches(cache: FeatureCache) -> None:
    whole = [features["c4"].numpy() for features, _ in cache.stream(STEPS, BATCH, 7, 0, 7)]
    rest = [features["c4"].numpy() for features, _ in cache.stream(STEPS, BATCH, 7, 4, 7)]
    assert len(rest) == 3
    assert all(np.array_equal(one, other) for one, other in zip(whole[4:], rest, strict=True))


def test_no_tuner_is_waited_for_at_the_end(cache: FeatureCache) -> None:
    assert cache.stream(STEPS, BATCH, 7, 0, 1).options().autotune.enabled is False


def test_the_file_has_no_name_and_stays_readable(cache: FeatureCache, place: Path) -> None:
    assert (place / ".glasshouse").is_dir()
    assert list((place / ".glasshouse").iterdir()) == []
    assert all(isinstance(array, np.memmap) for array in (*cache.features.values(), *cache.targets.values()))
    assert np.isfinite(cache.features["c3"].astype(np.float32)).all()
