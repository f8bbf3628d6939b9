from __future__ import annotations

import io
import math
import multiprocessing
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from glasshouse.sources.drawing.canvas import OVERSAMPLING, Block, Canvas, paint
from glasshouse.sources.drawing.colours import brighten, from_hsv, mix, spread, tone_table
from glasshouse.sources.drawing.fields import colour_between, draw_gradient, draw_noise
from glasshouse.sources.drawing.objects import Drawing, DrawnObject, find_objects
from glasshouse.sources.drawing.plan import Plan
from glasshouse.sources.drawing.polygons import blades, curve, ribbon, ring
from glasshouse.sources.drawing.source import DrawnSource, encode_jpeg, find_prominent
from glasshouse.sources.example import SourceError

RED = np.array([[200, 10, 20, 255]], np.uint8)


def square(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def draw_dot(seed: int, index: int, size_px: int) -> Drawing:
    """The smallest drawn world: one lit pixel, none in every fifth picture."""
    ids = np.zeros((size_px, size_px), np.uint8)
    if index % 5:
        ids[index % size_px, seed % size_px] = 1
    pixels = np.repeat(ids[:, :, None] * np.uint8(255), 3, 2)
    return Drawing(pixels, ids, find_objects(ids, ["dot"]))


def make_dots(pictures: int = 40, size_px: int = 16, seed: int = 3, workers: int = 1) -> DrawnSource:
    return DrawnSource(draw_dot, "dot", ("dot",), pictures, size_px, seed, workers)


def test_colours() -> None:
    assert from_hsv(0.0, 1.0, 1.0) == (255, 0, 0) == from_hsv(1.0, 2.0, 3.0)
    assert mix((0, 100, 200), (100, 100, 0), 0.25) == (25, 100, 150)
    assert brighten((100, 200, 10), 1.5) == (150, 255, 15)
    assert spread((100, 200, 10), np.array([1.0, 0.5]), alpha=7).tolist() == [
        [100, 200, 10, 7],
        [50, 100, 5, 7],
    ]


def test_neutral_light_changes_nothing() -> None:
    assert tone_table((1.0, 1.0, 1.0), contrast=1.0, gamma=1.0, lift=0.0) == list(range(256)) * 3


def test_gradient_rises_in_its_direction() -> None:
    ramp = np.asarray(draw_gradient(0.0, 64), np.int32)
    assert ramp[0, 0] <= 2 and ramp[0, -1] >= 253 and (np.diff(ramp[10]) >= 0).all()
    assert np.array_equal(np.asarray(draw_gradient(math.pi / 2, 64)), ramp.T)


def test_colour_between_ends_at_its_colours() -> None:
    grey = Image.fromarray(np.array([[0, 255]], np.uint8))
    assert np.asarray(colour_between(grey, (1, 2, 3), (200, 100, 50))).tolist() == [
        [[1, 2, 3], [200, 100, 50]]
    ]


def test_noise_looks_the_same_at_any_size() -> None:
    small, large = (
        np.asarray(draw_noise(np.random.default_rng(4), 4, 3, side), np.float64) for side in (48, 96)
    )
    halved = large.reshape(48, 2, 48, 2).mean((1, 3))
    assert np.abs(halved - small).mean() < 3.0 and small.std() > 15.0


def test_blade_points_where_it_is_told() -> None:
    up = blades(
        np.array([-math.pi / 2]), 0.2, np.array([0.8]), np.array([0.1]), np.ones(5), np.array([0.3]), 0.0
    )
    assert up.shape == (1, 10, 3)
    assert up[0, :, 1].min() == pytest.approx(-1.0) and np.abs(up[0, :, 0]).max() == pytest.approx(0.1)
    assert up[0, :, 2].max() == pytest.approx(0.3)


def test_curve_and_ribbon() -> None:
    line = curve((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), 5)
    assert line[:, 0].tolist() == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])
    band = ribbon(line, np.full(5, 0.25))[0]
    assert band[:, 1].min() == pytest.approx(-0.25) and band[:, 1].max() == pytest.approx(0.25)


def test_painted_square_covers_its_pixels_exactly() -> None:
    canvas = Canvas(Image.new("RGB", (30, 30), (0, 0, 0)))
    canvas.place(paint([Block(square(6, 9, 17, 20)[None], RED)]), 1)  # canvas pixels 6..17 and 9..20
    picture, ids = canvas.finish()
    assert find_objects(ids, ["a"])[0].box_xyxy_px == (2, 3, 6, 7)
    assert np.asarray(picture)[4, 4].tolist() == [200, 10, 20]


def test_later_paint_takes_the_pixels() -> None:
    canvas = Canvas(Image.new("RGB", (30, 30)))
    canvas.place(paint([Block(square(0, 0, 29, 29)[None], RED)]), 1)
    canvas.place(paint([Block(square(0, 0, 14, 29)[None], RED)]), 2)
    canvas.place(paint([Block(square(0, 24, 29, 29)[None], RED)]), 0)
    boxes = [item.box_xyxy_px for item in find_objects(canvas.finish()[1], ["a", "b"])]
    assert boxes == [(5, 0, 10, 8), (0, 0, 5, 8)]


def test_paint_beyond_the_canvas_is_cut() -> None:
    canvas = Canvas(Image.new("RGB", (30, 30)))
    layer = paint([Block(square(-40, -40, 11, 80)[None], RED)])
    canvas.shadow(layer, (3.0, 3.0), 2.0, 0.5)
    canvas.place(layer, 1)
    assert find_objects(canvas.finish()[1], ["a"])[0].box_xyxy_px == (0, 0, 4, 10)


def test_shadow_darkens_the_picture_and_marks_nothing() -> None:
    canvas = Canvas(Image.new("RGB", (90, 90), (200, 200, 200)))
    canvas.shadow(paint([Block(ring(15.0, 20)[:, :, :2] + 45.0, RED)]), (6.0, 0.0), 4.0, 0.6)
    picture, ids = canvas.finish()
    assert not ids.any()
    assert np.asarray(picture)[15, 17, 0] < 110 and np.asarray(picture)[2, 2, 0] == 200


def test_layers_shade_on_the_far_side_only() -> None:
    layer = paint([Block(square(0, 0, 60, 60)[None], RED)]).shaded(0.0, 0.5)  # light from the right
    red = np.asarray(layer.picture)[30, 2:-3, 0].astype(int)
    assert red[-1] > 180 and red[0] < 130 and (np.diff(red) >= 0).all()
    assert np.array_equal(
        np.asarray(layer.outline()), np.asarray(paint([Block(square(0, 0, 60, 60)[None], RED)]).outline())
    )


def test_hidden_object_is_left_out() -> None:
    ids = np.zeros((4, 4), np.uint8)
    ids[1, 2] = 2
    assert find_objects(ids, ["a", "b"]) == (DrawnObject(2, "b", (2, 1, 3, 2), 1),)


def test_plan_refuses_what_hides_too_much() -> None:
    plan = Plan(least_visible=0.5, least_side=0.05)
    assert plan.add_object(square(0.2, 0.2, 0.6, 0.6))
    assert not plan.add_object(square(0.2, 0.2, 0.55, 0.5))  # would hide 66 %
    assert plan.add_object(square(0.5, 0.2, 0.9, 0.6))  # hides 25 %
    assert not plan.add_cover(square(0.2, 0.2, 0.4, 0.6))  # 25 + 50 % of the first
    assert plan.add_cover(square(0.42, 0.0, 0.95, 0.61), behind_last=True)  # the second stands before it
    assert not plan.add_cover(square(0.42, 0.0, 0.95, 0.61))


def test_plan_counts_what_lies_outside_as_hidden() -> None:
    assert not Plan(0.5, 0.0).add_object(square(-0.3, 0.2, 0.2, 0.6))  # 40 % inside
    assert Plan(0.5, 0.0).add_object(square(-0.1, 0.2, 0.3, 0.6))  # 75 %


def test_plan_refuses_slivers() -> None:
    assert not Plan(0.1, 0.1).add_object(square(0.2, 0.2, 0.25, 0.9))


def test_source_names_orders_and_repeats() -> None:
    source = make_dots()
    first = list(source)
    assert len(source) == len(first) == 40 and first == list(source)
    assert [example.file_name for example in first[:2]] == ["dot-00000.jpg", "dot-00001.jpg"]
    assert [example.label for example in first[:6]] == [None, "dot", "dot", "dot", "dot", None]
    assert first[7].objects[0].box_xyxy_px == (3, 7, 4, 8)


def test_number_of_workers_changes_nothing() -> None:
    assert list(make_dots(workers=1)) == list(make_dots(workers=2)) == list(make_dots(workers=3))


def test_an_iteration_that_is_dropped_ends_its_processes() -> None:
    examples = iter(make_dots(pictures=200, workers=2))
    next(examples)
    assert len(multiprocessing.active_children()) == 2
    examples.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_a_killed_process_is_told_and_not_waited_for() -> None:
    examples = iter(DrawnSource(draw_late, "late", ("dot",), 200, 16, 3, 2))
    next(examples)
    multiprocessing.active_children()[0].kill()  # as the system does where memory runs out
    with pytest.raises(SourceError, match=r"draws lates was killed.*memory"):
        list(examples)
    assert multiprocessing.active_children() == []


def test_a_process_that_is_killed_while_it_hands_over_is_told() -> None:
    """Chunks of noise are larger than a pipe holds: both processes stand in the middle of writing."""
    examples = iter(DrawnSource(draw_snow, "snow", ("dot",), 160, 256, 3, 2))
    next(examples)
    time.sleep(0.5)
    multiprocessing.active_children()[0].kill()
    with pytest.raises(SourceError, match=r"draws snows was killed"):
        list(examples)
    assert multiprocessing.active_children() == []


def draw_snow(seed: int, index: int, size_px: int) -> Drawing:
    pixels = np.random.default_rng(index).integers(0, 256, (size_px, size_px, 3), np.uint8)
    return replace(draw_dot(seed, index, size_px), pixels=pixels)


def draw_late(seed: int, index: int, size_px: int) -> Drawing:
    time.sleep(0.02)
    return draw_dot(seed, index, size_px)


def draw_badly(seed: int, index: int, size_px: int) -> Drawing:
    raise RuntimeError(f"picture {index} cannot be drawn")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_while_drawing_is_raised(workers: int) -> None:
    with pytest.raises(RuntimeError, match="picture 0 cannot be drawn"):
        list(DrawnSource(draw_badly, "bad", ("bad",), 40, 16, 0, workers))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size_px": 8}, "'size_px'.*8"),
        ({"pictures": -1}, "'pictures'.*-1"),
        ({"workers": 0}, "'workers'.*0"),
        ({"seed": -2}, "'seed'.*-2"),
    ],
)
def test_values_out_of_range_are_named(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_dots(**change)


def test_no_pictures() -> None:
    assert list(make_dots(pictures=0)) == []


def test_prominent_is_the_category_with_the_largest_area() -> None:
    ids = np.zeros((10, 10), np.uint8)
    ids[0, :6], ids[1, :4], ids[2, :3] = 1, 2, 3
    drawing = Drawing(np.zeros((10, 10, 3), np.uint8), ids, find_objects(ids, ["rose", "daisy", "daisy"]))
    assert find_prominent(drawing) == "daisy"  # 4 + 3 pixels against 6
    assert find_prominent(Drawing(drawing.pixels, ids * 0, ())) is None


def test_jpeg_keeps_the_colours_at_full_resolution() -> None:
    pixels = np.asarray(Image.new("RGB", (16, 16), (250, 20, 30)))
    picture = Image.open(io.BytesIO(encode_jpeg(pixels)))
    assert JpegImagePlugin.get_sampling(picture) == 0  # 4:4:4
    assert np.abs(np.asarray(picture, np.int32) - pixels).max() <= 3


def test_oversampling_is_odd() -> None:
    assert OVERSAMPLING % 2 == 1  # so that a pixel of the id buffer lies at a pixel's centre
