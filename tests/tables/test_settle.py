"""Boxes and masks against the decoded picture: each fault with its fate, and every EXIF turn on a marker."""

from __future__ import annotations

import io
import math
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from glasshouse.geometry.rle import decode_mask, encode_mask
from glasshouse.pictures.decode import Picture, decode_picture
from glasshouse.sources.example import Example, ObjectLabel
from glasshouse.tables.settle import Settled, is_resized, settle_labels

HEIGHT, WIDTH = 40, 60


def picture_of(height: int = HEIGHT, width: int = WIDTH, orientation: int = 1) -> Picture:
    """A decoded picture whose stored size is (height, width)."""
    size = (width, height) if orientation >= 5 else (height, width)
    return Picture(np.zeros((*size, 3), np.uint8), "RGB", "JPEG", orientation)


def settle(*boxes: tuple[float, ...], size: tuple[int, int] | None = None, orientation: int = 1) -> Settled:
    things = tuple(
        ObjectLabel("rose", box, origin=f"labels.csv, line {line}")  # type: ignore[arg-type]
        for line, box in enumerate(boxes, 2)
    )
    return settle_labels(
        Example("a.jpg", b"", objects=things, labelled_size=size), picture_of(orientation=orientation)
    )


def boxes_of(settled: Settled) -> list[tuple[float, ...]]:
    return [thing.box_xyxy_px for thing in settled.objects]


def fates_of(settled: Settled) -> list[tuple[str, str]]:
    return [(fault.kind, fault.action) for fault in settled.faults]


GOOD = (1.0, 2.0, 3.0, 4.0)
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "box, kind, expected, words",
    [
        ((NAN, 0, 5, 5), "box_not_finite", None, r"\(nan, 0, 5, 5\)"),
        ((0, 0, INF, 5), "box_not_finite", None, "inf"),
        ((5, 5, 5, 9), "box_without_area", None, "no area"),
        ((5, 9, 8, 9), "box_without_area", None, "no area"),
        ((0, 0, 0, 0), "box_without_area", None, "no area"),
        ((1, 1, 5, 1.0009), "box_without_area", None, "less than 0.001 px thin"),
        ((60, 0, 70, 10), "box_outside", None, "outside the picture of 60 x 40 px"),
        ((-10, 0, 0, 10), "box_outside", None, "outside"),
        ((0, 40, 5, 41), "box_outside", None, "outside"),
        ((9, 5, 3, 8), "box_reversed", (3, 5, 9, 8), "reversed"),
        ((3, 8, 9, 5), "box_reversed", (3, 5, 9, 8), "reversed"),
        ((9, 8, 3, 5), "box_reversed", (3, 5, 9, 8), "reversed"),
        # half of 20 x 10 lies inside
        ((50, 0, 70, 10), "box_clipped", (50, 0, 60, 10), r"10 px out .* cut to \(50, 0, 60, 10\)"),
        ((-5, -5, 5, 5), "box_clipped", (0, 0, 5, 5), "5 px out"),
        # 60 x 40 of 100 x 80: 30 %
        ((-20, -20, 80, 60), "box_clipped", (0, 0, 60, 40), "20 px out"),
        # 1 of 10 columns is inside: 10 %, the least that counts
        ((59, 0, 69, 10), "box_clipped", (59, 0, 60, 10), "9 px out"),
        # 1 of 11 columns is inside: 9.1 %
        ((59, 0, 70, 10), "box_mostly_outside", None, r"only 9.1% of it"),
        ((50, 0, 61, 10), "box_rounded", (50, 0, 60, 10), "1 px out"),
        ((-0.5, 0, 5, 5), "box_rounded", (0, 0, 5, 5), "0.5 px out"),
    ],
)
def test_each_fault_of_a_box_has_its_fate(
    box: tuple[float, ...], kind: str, expected: tuple[float, ...] | None, words: str
) -> None:
    settled = settle(GOOD, box)
    assert fates_of(settled) == [(kind, "set_aside" if expected is None else "repaired")]
    assert boxes_of(settled) == [GOOD, *([] if expected is None else [expected])]
    (fault,) = settled.faults
    assert (fault.file_name, fault.place, fault.picture) == ("labels.csv", "line 3", "a.jpg")
    assert re.search(words, fault.reason)
    assert settled.unusable is None


def test_a_reversed_box_that_hangs_over_is_told_of_twice() -> None:
    settled = settle(GOOD, (70, 10, 50, 0))
    assert fates_of(settled) == [("box_reversed", "repaired"), ("box_clipped", "repaired")]
    assert boxes_of(settled)[1] == (50, 0, 60, 10)


@pytest.mark.parametrize("box", [(0, 0, 60, 40), (0, 0, 60.0004, 40), (0.25, 0.5, 59.75, 39.5)])
def test_the_whole_picture_and_the_last_digits_are_no_fault(box: tuple[float, ...]) -> None:
    settled = settle(box)
    assert settled.faults == () and boxes_of(settled) == [(box[0], box[1], min(box[2], 60), box[3])]


def test_the_same_box_twice_counts_once_but_not_of_another_class() -> None:
    settled = settle(GOOD, GOOD, (3, 4, 1, 2))
    assert boxes_of(settled) == [GOOD]
    assert [kind for kind, _ in fates_of(settled)] == ["box_twice", "box_reversed", "box_twice"]
    assert "labels.csv, line 2" in settled.faults[0].reason
    other = Example("a.jpg", b"", objects=(ObjectLabel("rose", GOOD), ObjectLabel("daisy", GOOD)))
    assert len(settle_labels(other, picture_of()).objects) == 2


def test_objects_without_an_origin_are_numbered_in_their_picture() -> None:
    things = (ObjectLabel("rose", GOOD), ObjectLabel("rose", (0, 0, 0, 0)))
    (fault,) = settle_labels(Example("b/c.jpg", b"", objects=things), picture_of()).faults
    assert (fault.file_name, fault.place) == ("b/c.jpg", "object 2")


def test_a_comma_in_a_files_name_stays_in_it() -> None:
    things = (ObjectLabel("rose", GOOD), ObjectLabel("rose", (0, 0, 0, 0), origin="x, y.xml, object 2"))
    (fault,) = settle_labels(Example("x, y.jpg", b"", objects=things), picture_of()).faults
    assert (fault.file_name, fault.place) == ("x, y.xml", "object 2")


def test_a_picture_that_loses_all_its_objects_is_unusable_and_one_without_any_is_not() -> None:
    settled = settle((60, 0, 70, 10), (NAN, 0, 1, 1))
    assert settled.objects == () and len(settled.faults) == 2
    assert settled.unusable is not None and "none of its 2 objects" in settled.unusable
    assert settle() == Settled((), (), None)


# --- EXIF: on which pixels the boxes were drawn


def draw_marker(orientation: int, height: int = 48, width: int = 80) -> tuple[bytes, tuple[int, ...]]:
    """A stored picture, white on black, that EXIF turns, and the white box on its stored pixels."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[8:24, 40:72] = 255
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    return buffer.getvalue(), (40, 8, 72, 24)


def find_marker(picture: Picture) -> tuple[int, ...]:
    rows, columns = np.nonzero(picture.pixels_rgb[..., 0])
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_on_the_stored_pixels_turn_with_them(orientation: int, labelled: bool) -> None:
    data, box = draw_marker(orientation)
    picture = decode_picture(data)
    example = Example(
        "a.png", data, None, (ObjectLabel("rose", box),), labelled_size=(48, 80) if labelled else None
    )
    settled = settle_labels(example, picture)
    assert boxes_of(settled) == [find_marker(picture)]
    assert fates_of(settled) == ([] if orientation == 1 else [("exif_turned", "repaired")])
    if orientation in (2, 3, 4):
        assert "taken to be on the stored pixels" in settled.faults[0].reason


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_on_the_upright_pixels_stay(orientation: int) -> None:
    data, _ = draw_marker(orientation)
    picture = decode_picture(data)
    marker = find_marker(picture)
    example = Example("a.png", data, None, (ObjectLabel("rose", marker),), labelled_size=(80, 48))
    settled = settle_labels(example, picture)
    assert boxes_of(settled) == [marker]
    assert "upright" in settled.faults[0].reason and fates_of(settled) == [("exif_turned", "repaired")]


def test_without_a_size_boxes_that_fit_the_upright_picture_alone_stay() -> None:
    # stored 60 x 40, upright 40 x 60: the first box reaches down to 55
    boxes = [(5, 30, 20, 55), (1, 1, 9, 9)]
    assert boxes_of(settle(*boxes, orientation=6)) == boxes
    # one fault more outside both changes nothing
    settled = settle(*boxes, (100, 100, 120, 120), orientation=6)
    assert boxes_of(settled) == boxes
    assert ("box_outside", "set_aside") in fates_of(settled)


@pytest.mark.parametrize(
    "box, expected",
    [
        # stored 60 x 40; orientation 6: (x, y) -> (40 - y, x)
        ((1, 2, 3, 4), (36, 1, 38, 3)),
        (
            (5, 30, 20, 40.5),
            (0, 5, 10, 20),
        ),  # half a pixel over is how a tool rounds, no sign of another size
        ((5, 30, 20, 41), (0, 5, 10, 20)),
        ((5, 30, 20, 41.5), (5, 30, 20, 41.5)),
    ],
)
def test_without_a_size_boxes_that_fit_both_pictures_are_taken_as_stored(
    box: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    assert boxes_of(settle(box, orientation=6)) == [expected]


def test_a_square_picture_is_taken_as_stored() -> None:
    example = Example("a.png", b"", None, (ObjectLabel("rose", (1, 2, 3, 5)),), labelled_size=(9, 9))
    # orientation 6: (x, y) -> (9 - y, x)
    settled = settle_labels(example, picture_of(9, 9, 6))
    assert boxes_of(settled) == [(4, 1, 7, 3)]


def test_a_turned_picture_without_objects_is_counted() -> None:
    assert fates_of(settle(orientation=8)) == [("exif_turned", "repaired")]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_turn_with_the_pixels(orientation: int) -> None:
    data, box = draw_marker(orientation)
    picture = decode_picture(data)
    stored = np.zeros((48, 80), bool)
    stored[8:24, 40:72] = True
    thing = ObjectLabel("rose", box, mask=encode_mask(stored))
    (settled,) = settle_labels(Example("a.png", data, None, (thing,)), picture).objects
    upright = picture.pixels_rgb.shape[:2]
    np.testing.assert_array_equal(decode_mask(settled.mask or "", *upright), picture.pixels_rgb[..., 0] > 0)


@pytest.mark.parametrize("mask", ["~~", encode_mask(np.ones((3, 3), bool))])
def test_a_mask_that_does_not_fit_is_left_out_and_its_box_stays(mask: str) -> None:
    thing = ObjectLabel("rose", GOOD, mask=mask)
    settled = settle_labels(Example("a.png", b"", None, (thing,)), picture_of())
    assert [thing.mask for thing in settled.objects] == [None]
    assert fates_of(settled) == [("mask_unfit", "repaired")]


# --- sizes that are not the picture's


@pytest.mark.parametrize("size", [(60, 40), (41, 61), (0, 0), (2, 3), (40, 999), (480, 640)])
def test_a_wrong_size_is_repaired_where_the_boxes_fit(size: tuple[int, int]) -> None:
    settled = settle(GOOD, (50, 30, 60, 40), size=size)
    assert boxes_of(settled) == [GOOD, (50, 30, 60, 40)] and settled.unusable is None
    assert fates_of(settled) == [("size_differs", "repaired")]
    assert f"{size[1]} x {size[0]} px" in settled.faults[0].reason


def test_a_wrong_size_beside_boxes_that_do_not_fit_makes_the_picture_unusable() -> None:
    settled = settle(GOOD, (50, 30, 90, 40), size=(100, 90))
    assert settled.objects == () and settled.unusable is not None
    assert "90 x 100 px" in settled.unusable and "labels.csv" in settled.unusable


@pytest.mark.parametrize("size", [(80, 120), (20, 30), (17, 25), (400, 600)])
def test_a_picture_resized_after_it_was_labelled_is_unusable_even_where_boxes_fit(
    size: tuple[int, int],
) -> None:
    settled = settle(GOOD, size=size)
    assert settled.objects == () and "resized" in str(settled.unusable)


@pytest.mark.parametrize(
    "one, other, resized",
    [
        # 2 px are a tool's way of counting, 3 px no longer: both are in proportion, 41 x 60 / 40 = 61.5
        ((40, 60), (41, 62), False),
        ((40, 60), (42, 63), True),
        # halved, half to even: 50.5 -> 50 and 51.5 -> 52, so 101 x 52 / 103 is 0.99 px off
        ((101, 103), (50, 52), True),
        ((101, 103), (50, 53), False),  # 101 x 53 / 103 is 1.97 px off
    ],
)
def test_how_far_sizes_may_be_apart(one: tuple[int, int], other: tuple[int, int], resized: bool) -> None:
    assert is_resized(one, other) == is_resized(other, one) == resized


def test_a_wrong_size_without_boxes_does_no_harm() -> None:
    assert fates_of(settle(size=(80, 120))) == [("size_differs", "repaired")]


@settings(deadline=None)
@given(st.integers(16, 4000), st.integers(16, 4000), st.floats(0.01, 100))
def test_a_size_in_proportion_is_seen_whichever_way_it_was_rounded(
    height: int, width: int, factor: float
) -> None:
    resized = round(height * factor), round(width * factor)
    far = max(abs(resized[0] - height), abs(resized[1] - width)) > 2
    if min(resized) >= 16:
        assert is_resized((height, width), resized) == is_resized(resized, (height, width)) == far


coordinates = st.floats(-80, 140, width=32) | st.sampled_from([0.0, 40.0, 60.0, NAN, INF, -INF])
draws = st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), max_size=6)


THREAD = (0.0, 0.0, 1.0, 1.401298464324817e-45)  # turned upside down, 40 less its height is 40


@settings(deadline=None)
@example([THREAD], 3, None)
@example([(0.0, 39.5, 1.0, 40.0000001), (0.0, -1e-6, 1.0, 1e-7)], 1, None)
@given(draws, st.sampled_from(range(1, 9)), st.sampled_from([None, (40, 60), (60, 40), (7, 7)]))
def test_whatever_comes_the_boxes_are_sound_and_nothing_is_lost_unsaid(
    boxes: list[tuple[float, ...]], orientation: int, size: tuple[int, int] | None
) -> None:
    settled = settle(*boxes, size=size, orientation=orientation)
    height, width = picture_of(orientation=orientation).upright_size
    for x_min, y_min, x_max, y_max in boxes_of(settled):
        assert 0 <= x_min < x_max <= width and 0 <= y_min < y_max <= height
    lost = len(boxes) - len(settled.objects)
    told = sum(fault.action == "set_aside" for fault in settled.faults)
    assert told == lost or (told == 0 and settled.unusable is not None)
    assert (settled.unusable is not None) == (bool(boxes) and not settled.objects)
    assert len(set(boxes_of(settled))) == len(settled.objects)


@settings(deadline=None)
@example([THREAD, (3.0, 39.0, 4.0, 39.001)], 3)
@given(draws, st.sampled_from(range(1, 9)))
def test_what_is_settled_is_settled(boxes: list[tuple[float, ...]], orientation: int) -> None:
    once = boxes_of(settle(*boxes, orientation=orientation))
    upright = picture_of(orientation=orientation).upright_size
    things = tuple(ObjectLabel("rose", box) for box in once)  # type: ignore[arg-type]
    again = settle_labels(Example("a.jpg", b"", None, things), picture_of(*upright))
    assert boxes_of(again) == once and again.faults == ()
