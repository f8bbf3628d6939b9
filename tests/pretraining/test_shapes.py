from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np
import pytest

from glasshouse.geometry.rle import decode_mask
from glasshouse.pretraining.shapes.outlines import KINDS
from glasshouse.pretraining.shapes.scene import CATEGORIES, draw_shapes
from glasshouse.pretraining.shapes.source import Shapes
from glasshouse.sources.blooms.scene import CATEGORIES as SPECIES
from glasshouse.sources.drawing.objects import Drawing

GOLDEN = {  # sha256 of the raw RGB pixels, then the id buffer, of seed 7
    (0, 128): "df25fd6d1eee9d2ee24910af79e53527d0002c8cd69c1adb017ae82001ba9b03",
    (1, 128): "90e9455f9018ee26a30cee3f2477397422bb3ce48a826d6494e62a334a70a7ad",
    (2, 96): "0260d557df4861dbb0cd91270c0607a191a6c195b460693a9b41fabb85ab5559",
}


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [draw_shapes(7, index, 64) for index in range(400)]


@pytest.mark.parametrize(("index", "size_px"), GOLDEN)
def test_golden_pixels(index: int, size_px: int) -> None:
    drawing = draw_shapes(7, index, size_px)
    digest = hashlib.sha256(drawing.pixels.tobytes() + drawing.ids.tobytes()).hexdigest()
    assert digest == GOLDEN[index, size_px]


def test_at_least_sixteen_kinds_and_no_flower() -> None:
    assert len(set(CATEGORIES)) == len(CATEGORIES) >= 16
    assert not set(CATEGORIES) & set(SPECIES)


@pytest.mark.parametrize("kind", CATEGORIES)
def test_outlines_stay_near_the_unit_circle(kind: str) -> None:
    for seed in range(20):
        solid, holes = KINDS[kind](np.random.default_rng(seed))
        for part in (*solid, *holes):
            assert part.ndim == 2 and part.shape[1] == 2 and len(part) >= 3
            assert np.isfinite(part).all() and np.abs(part).max() < 1.5
        assert np.ptp(np.concatenate(solid), 0).min() > 0.25  # no kind is a line


def test_one_to_eight_objects_of_every_kind(drawings: list[Drawing]) -> None:
    counts = np.bincount([len(drawing.objects) for drawing in drawings])
    assert counts[0] == 0 and len(counts) == 9 and (counts[1:] > 10).all()
    kinds = np.array([CATEGORIES.index(item.label) for drawing in drawings for item in drawing.objects])
    tally = np.bincount(kinds, minlength=len(CATEGORIES))
    assert tally.min() > 0.5 * tally.mean() and tally.max() < 1.6 * tally.mean()


def test_boxes_are_the_extents_of_the_masks_and_workers_change_nothing() -> None:
    examples = list(Shapes(20, 64, seed=5, workers=2))
    assert examples == list(Shapes(20, 64, seed=5, workers=1))
    for item in (item for example in examples for item in example.objects):
        mask = decode_mask(item.mask or "", 64, 64)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert item.box_xyxy_px == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def test_sizes(drawings: list[Drawing]) -> None:
    boxes = np.array([item.box_xyxy_px for drawing in drawings for item in drawing.objects], np.float64) / 64
    sides = boxes[:, 2:] - boxes[:, :2]
    assert sides.min() >= 0.045 and np.sqrt(sides.prod(1)).max() > 0.4


def test_the_scene_is_the_same_at_every_size(drawings: list[Drawing]) -> None:
    for index in range(20):
        small, large = drawings[index], draw_shapes(7, index, 192)
        assert [item.label for item in small.objects] == [item.label for item in large.objects]
        for first, second in zip(small.objects, large.objects, strict=True):
            assert np.abs(np.array(first.box_xyxy_px) * 3 - np.array(second.box_xyxy_px)).max() <= 6


def test_looks_tell_nothing_of_the_kind(drawings: list[Drawing]) -> None:
    """One-way analysis of variance of the mean colour over the kinds: F is near 1 if independent."""
    colours: dict[str, list[np.ndarray]] = defaultdict(list)
    for drawing in drawings:
        for item in drawing.objects:
            colours[item.label].append(drawing.pixels[drawing.ids == item.object_id].mean(0))
    groups = [np.array(group) for group in colours.values()]
    everything = np.concatenate(groups)
    between = sum(len(g) * (g.mean(0) - everything.mean(0)) ** 2 for g in groups) / (len(groups) - 1)
    within = sum(((g - g.mean(0)) ** 2).sum(0) for g in groups) / (len(everything) - len(groups))
    assert (between / within < 2.2).all()  # 99.9 % point of F(27, 1800) is 2.1
