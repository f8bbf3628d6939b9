from __future__ import annotations

import hashlib
import io
import os
import platform
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from glasshouse.geometry.rle import decode_mask
from glasshouse.sources.blooms.scene import CATEGORIES, COUNT_SHARES, draw_bloom
from glasshouse.sources.blooms.source import Blooms
from glasshouse.sources.drawing.canvas import OVERSAMPLING, Canvas, Layer
from glasshouse.sources.drawing.objects import Drawing

GOLDEN = {  # sha256 of the raw RGB pixels, then the id buffer, of seed 7
    (0, 160): "b3b4a0d2277a975b4a9d4715755fc11eccc4b8bc5361d7ca4881a2dda967fc04",
    (1, 160): "6fd93fb57ed07c90aada1319d9a794de06e4fee90fe049087e70a622d0389a75",
    (2, 160): "02c874ff306e487e42a11daf527aae9dedc02b113c80ed9ae562be5a68dfc4d3",
    (3, 64): "f025eee4d0d673e8d6b608be83a5b5e9c2bbb3a459f5741db2bdda8bde651bfd",
    (6, 97): "1ba50e1204637ed155201fefdb585c00c962a418825ab4cdf70cda385969d3f0",
}
DIGEST = """
import hashlib
from glasshouse.sources.blooms.scene import draw_bloom
digest = hashlib.sha256()
for index in range(24):
    drawing = draw_bloom(7, index, 64)
    digest.update(drawing.pixels.tobytes() + drawing.ids.tobytes())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [draw_bloom(7, index, 64) for index in range(360)]


def hash_drawing(drawing: Drawing) -> str:
    return hashlib.sha256(drawing.pixels.tobytes() + drawing.ids.tobytes()).hexdigest()


@pytest.mark.parametrize(("index", "size_px"), GOLDEN)
def test_golden_pixels(index: int, size_px: int) -> None:
    assert hash_drawing(draw_bloom(7, index, size_px)) == GOLDEN[index, size_px]


def test_same_bytes_in_another_process_without_vector_instructions(drawings: list[Drawing]) -> None:
    digest = hashlib.sha256()
    for drawing in drawings[:24]:
        digest.update(drawing.pixels.tobytes() + drawing.ids.tobytes())
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    if platform.machine() == "x86_64":  # NumPy's names of the instruction sets that it picks at run time
        environment["NPY_DISABLE_CPU_FEATURES"] = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"
    command = [sys.executable, "-W", "ignore", "-c", DIGEST]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert output.strip() == digest.hexdigest()


def test_categories_are_those_of_tf_flowers() -> None:
    assert CATEGORIES == ("dandelion", "daisy", "tulips", "sunflowers", "roses")


def test_workers_give_the_same_bytes_and_a_smaller_set_is_the_beginning_of_a_larger_one() -> None:
    large = list(Blooms(34, 48, seed=11, workers=2))
    assert large == list(Blooms(34, 48, seed=11, workers=1))
    assert large[:20] == list(Blooms(20, 48, seed=11, workers=2))


def test_seeds_give_other_pictures() -> None:
    assert hash_drawing(draw_bloom(1, 0, 48)) != hash_drawing(draw_bloom(2, 0, 48))


def test_boxes_are_the_extents_of_the_masks() -> None:
    for example in Blooms(30, 64, seed=5, workers=1):
        assert Image.open(io.BytesIO(example.picture)).size == (64, 64)
        covered = np.zeros((64, 64), np.int32)
        for item in example.objects:
            assert item.mask is not None
            mask = decode_mask(item.mask, 64, 64)
            covered += mask
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            assert item.box_xyxy_px == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert covered.max() <= 1  # masks are of what is visible: they never overlap


def test_label_is_the_most_prominent_species() -> None:
    for example in Blooms(40, 64, seed=6, workers=1):
        areas: Counter[str] = Counter()
        for item in example.objects:
            areas[item.label] += int(decode_mask(item.mask or "", 64, 64).sum())
        if not areas:
            assert example.label is None
        else:
            assert example.label is not None and areas[example.label] == max(areas.values())


def test_numbers_of_flowers(drawings: list[Drawing]) -> None:
    counts = np.bincount([len(drawing.objects) for drawing in drawings], minlength=7)
    assert len(counts) == 7 and (counts > 0).all()  # none to six
    # 6 % of 360 = 21.6 with a standard deviation of 4.5: within three of them
    assert 9 <= counts[0] <= 35
    assert counts[1] == counts[1:].max() and len(COUNT_SHARES) == 6


def test_species_are_balanced(drawings: list[Drawing]) -> None:
    found = Counter(item.label for drawing in drawings for item in drawing.objects)
    assert set(found) == set(CATEGORIES)
    shares = np.array([found[name] for name in CATEGORIES]) / found.total()
    assert shares.min() > 0.13 and shares.max() < 0.27


def test_sizes(drawings: list[Drawing]) -> None:
    boxes = np.array([item.box_xyxy_px for drawing in drawings for item in drawing.objects], np.float64) / 64
    sides = boxes[:, 2:] - boxes[:, :2]
    assert boxes.min() >= 0.0 and boxes.max() <= 1.0
    assert sides.min() >= 0.075  # 12 px of 160
    sizes = np.sqrt(sides.prod(1))
    assert sizes.min() < 0.17 and sizes.max() > 0.5 and sizes.max() <= 0.64


def test_no_flower_is_nearly_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    areas: dict[int, float] = {}
    place = Canvas.place

    def record(canvas: Canvas, layer: Layer, object_id: int = 0) -> None:
        if object_id:
            areas[object_id] = np.count_nonzero(np.asarray(layer.outline())) / OVERSAMPLING**2
        place(canvas, layer, object_id)

    monkeypatch.setattr(Canvas, "place", record)
    for index in range(120):
        areas.clear()
        drawing = draw_bloom(8, index, 64)
        assert [item.object_id for item in drawing.objects] == sorted(
            areas
        )  # all that was painted is annotated
        assert all(item.area_px >= 0.35 * areas[item.object_id] for item in drawing.objects)


def test_the_scene_is_the_same_at_every_size(drawings: list[Drawing]) -> None:
    for index in range(24):
        small, large = drawings[index], draw_bloom(7, index, 192)
        assert [item.label for item in small.objects] == [item.label for item in large.objects]
        for first, second in zip(small.objects, large.objects, strict=True):
            gaps = np.abs(np.array(first.box_xyxy_px) * 3 - np.array(second.box_xyxy_px))
            assert gaps.max() <= 6  # two pixels of the small picture
        blocks = large.pixels.reshape(64, 3, 64, 3, 3).mean((1, 3))
        assert np.abs(blocks - small.pixels).mean() < 12.0


def test_light_varies(drawings: list[Drawing]) -> None:
    levels = np.array([drawing.pixels.mean((0, 1)) for drawing in drawings])
    assert levels.mean(1).std() > 25.0
    assert (levels[:, 0] - levels[:, 2]).std() > 15.0  # warm and cool
    assert (levels.mean(1) > 12.0).all() and (levels.mean(1) < 247.0).all()
    assert min(drawing.pixels.std() for drawing in drawings) > 8.0  # none is blank


def test_smallest_and_odd_sizes() -> None:
    for size_px in (16, 33):
        drawing = draw_bloom(7, 0, size_px)
        assert drawing.pixels.shape == (size_px, size_px, 3) and drawing.ids.shape == (size_px, size_px)
