from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.geometry.strips import ellipse_strips
from glasshouse.inputs.augment import (
    GREY,
    Plan,
    draw_colours,
    draw_mixture,
    draw_plan,
    draw_zoom,
    resize_plan,
)
from glasshouse.inputs.moving import MIN_VISIBLE, find_seen, move_boxes
from glasshouse.inputs.painting import invert, move_tiles, recolour
from glasshouse.inputs.shapes import Shapes

SIZE = (96, 128)


def ranges(**changed: Any) -> Any:
    still = {
        "flip": 0.0,
        "rotate": 0.0,
        "crop": 0.0,
        "mosaic": 0.0,
        "mix_up": 0.0,
        "scale": (1.0, 1.0),
        "translate": 0.0,
        "brightness": 0.0,
        "contrast": 0.0,
        "saturation": 0.0,
        "hue": 0.0,
    }
    return SimpleNamespace(**{**still, **changed})


def plan_of(seed: int = 0, batch: int = 1, size: tuple[int, int] = SIZE, **changed: Any) -> Plan:
    rows = np.arange(batch)
    return draw_plan(np.random.default_rng(seed), rows, 8, size, ranges(**changed), composed=True)


def see(plan: Plan, pictures: np.ndarray) -> np.ndarray:
    """The batch (B, H, W, 3) as painted from `pictures`."""
    moved = move_tiles(pictures[plan.rows], plan, len(plan.share), pictures.shape[1:3], 0)
    return np.asarray(recolour(moved, plan.colour, plan.offset, plan.partner, plan.share, mixed=True))


def move(plan: Plan, boxes: list[list[float]], batch: int = 1) -> tuple[np.ndarray, np.ndarray]:
    every = np.broadcast_to(np.array(boxes, np.float32), (8, len(boxes), 4))
    labels = np.zeros((8, len(boxes)), np.int32)
    return move_boxes(plan, every, Shapes.unknown(labels.shape), labels, batch, 8 * len(boxes))


def test_without_ranges_nothing_changes() -> None:
    plan = plan_of()
    boxes, labels = move(plan, [[10, 20, 30, 40]])
    assert boxes[0, 0].tolist() == [10, 20, 30, 40]
    assert labels[0].tolist() == [0] + [-1] * 7  # eight slots for each of a picture's own
    assert invert(plan)[0].tolist() == [1, 0, 0, 0, 1, 0]
    assert plan.colour[0] == pytest.approx(np.eye(3), abs=1e-6)
    assert plan.offset[0] == pytest.approx(0, abs=1e-5)


def test_a_flip_mirrors_about_the_middle_of_the_width() -> None:
    plan = plan_of(flip=1.0)
    boxes, _ = move(plan, [[10, 20, 30, 40]])
    assert boxes[0, 0].tolist() == [98, 20, 118, 40]  # 128 - 30, 128 - 10
    # The middle of column 0 of the output shows that of column 127: 128 - 0.5 = 127.5.
    assert invert(plan)[0, [0, 2]].tolist() == [-1, 128]


def test_a_zoom_keeps_the_centre() -> None:
    boxes, _ = move(plan_of(scale=(0.5, 0.5)), [[54, 38, 74, 58]])  # 20 px about the centre (64, 48)
    assert boxes[0, 0] == pytest.approx([59, 43, 69, 53])


def test_zooms_are_as_often_half_as_twice() -> None:
    zoom = draw_zoom(np.random.default_rng(0), 20000, ranges(scale=(0.5, 2.0)))
    assert (zoom[:, 0] == zoom[:, 1]).all() and zoom.min() >= 0.5 and zoom.max() <= 2
    # Quarters of the logarithms: 0.5 .. 0.71 .. 1 .. 1.41 .. 2.
    shares = np.histogram(np.log2(zoom[:, 0]), [-1, -0.5, 0, 0.5, 1])[0] / 20000
    assert shares == pytest.approx([0.25] * 4, abs=0.02)


def test_a_shift_is_a_share_of_the_width_across_and_of_the_height_down() -> None:
    plan = plan_of(6, 200, (96, 160), translate=0.25)
    # Within 0.25 * 160 = 40 px and 0.25 * 96 = 24 px to both sides, and nearly so far.
    low, high = plan.shift_xy_px.min(axis=0), plan.shift_xy_px.max(axis=0)
    assert (high <= [40, 24]).all() and (high > [36, 21.6]).all()
    assert (low >= [-40, -24]).all() and (low < [-36, -21.6]).all()


@pytest.mark.parametrize(("shift", "kept"), [(14.0, True), (16.0, False)])
def test_a_box_that_is_hardly_seen_is_dropped(shift: float, kept: bool) -> None:
    plan = plan_of()
    plan.shift_xy_px[0, 0] = -shift  # of 20 px of width, 6 stay (30 %) or 4 (20 %)
    boxes, labels = move(plan, [[0, 20, 20, 40]])
    assert 4 / 20 < MIN_VISIBLE < 6 / 20
    assert labels[0, 0] == (0 if kept else -1)
    if kept:
        assert boxes[0, 0] == pytest.approx([0, 20, 6, 40])


@pytest.mark.parametrize(("side", "kept"), [(1.9, False), (2.1, True)])
def test_a_box_of_less_than_a_pixel_is_dropped(side: float, kept: bool) -> None:
    _, labels = move(plan_of(scale=(0.5, 0.5)), [[50, 50, 50 + side, 50 + side]])
    assert labels[0, 0] == (0 if kept else -1)


TRANSFORMS: dict[str, dict[str, Any]] = {
    "flip": {"flip": 1.0},
    "rotate": {"rotate": 30.0},
    "zoom": {"scale": (0.6, 1.6)},
    "translate": {"translate": 0.25},
    "crop": {"crop": 1.0},
    "mosaic": {"mosaic": 1.0, "scale": (0.6, 1.4)},
    "contrast": {"contrast": 0.3},
    "brightness": {"brightness": 0.1},
    "colour": {"saturation": 0.3, "hue": 0.05},
    "all": {"flip": 0.5, "rotate": 15.0, "scale": (0.7, 1.4), "translate": 0.1, "crop": 0.3},
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@settings(max_examples=24, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from(("ellipse", "rectangle", "triangle", "needle", "corner", "ring", "star", "pair")),
)
def test_boxes_move_with_the_pixels(shapes: Any, transform: str, seed: int, shape: str) -> None:
    """A white shape on black in each of eight pictures: the box must lie round what is white after the move.

    It overlaps it by 0.95, or where rounding to pixels is more than a twentieth, no side is further than a
    pixel and a half off. Where clearly less than MIN_VISIBLE of the shape is seen there is no box, where more
    there is one.
    """
    rng = np.random.default_rng(seed)
    masks = np.stack([shapes.draw(rng, shape) for _ in range(8)])
    boxes = np.stack([shapes.bound(mask) for mask in masks])[:, None]
    plan = plan_of(seed, 2, shapes.size, **TRANSFORMS[transform])
    seen = find_seen(plan, boxes, shapes.of(masks), np.zeros((8, 1), np.int32))
    for tile in range(len(plan.picture)):
        white = light_alone(plan, masks, tile)
        share = white.sum() / (masks[plan.rows[tile]].sum() * abs(np.linalg.det(plan.matrix[tile])))
        found = seen.boxes_xyxy_px[seen.tile == tile]
        if len(found):
            assert share > MIN_VISIBLE - 0.03
            drawn = shapes.bound(white)
            assert shapes.iou(drawn, found[0]) >= 0.95 or np.abs(drawn - found[0]).max() <= 1.5, share
        else:
            assert share < MIN_VISIBLE + 0.03


def light_alone(plan: Plan, masks: np.ndarray, tile: int) -> np.ndarray:
    """Which pixels (H, W) of the batch's picture show the white shape of this tile, all else being black."""
    moves = {name: getattr(plan, name)[[tile]] for name in ("matrix", "shift_xy_px", "region_xyxy_px")}
    alone = replace(plan, picture=np.zeros(1, np.int64), **moves)
    white = np.repeat(255 * masks[plan.rows[[tile]]][..., None], 3, axis=-1).astype(np.uint8)
    return np.asarray(move_tiles(white, alone, 1, masks.shape[1:], 0)[0, ..., 0] > 127)


def test_turning_keeps_lengths_angles_and_the_centre() -> None:
    plan = plan_of(4, 64, rotate=30.0)
    matrix, centre = plan.matrix.astype(float), np.array(SIZE[::-1]) / 2
    assert np.einsum("mji,mjk->mik", matrix, matrix) == pytest.approx(
        np.broadcast_to(np.eye(2), (64, 2, 2)), abs=1e-6
    )
    assert np.linalg.det(matrix) == pytest.approx(np.ones(64))
    angles = np.degrees(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0]))
    assert np.abs(angles).max() <= 30 and angles.max() > 15 and angles.min() < -15
    assert matrix @ centre + plan.shift_xy_px == pytest.approx(np.broadcast_to(centre, (64, 2)), abs=1e-4)


def test_without_a_mask_a_turned_thing_is_taken_for_round() -> None:
    plan = plan_of(3, 1, rotate=45.0)
    assert abs(plan.matrix[0, 0, 1]) > 0.1
    boxes = np.broadcast_to(np.array([[44, 28, 84, 68]], np.float32), (8, 1, 4))  # a square about the centre
    round_ones = replace(Shapes.unknown((8, 1)), guess=ellipse_strips())
    moved, _ = move_boxes(plan, boxes, round_ones, np.zeros((8, 1), np.int32), 1, 1)
    assert moved[0, 0] == pytest.approx(np.array([44, 28, 84, 68]), abs=0.5)  # a disc looks the same turned


def test_a_mixture_has_the_objects_of_both() -> None:
    plan = plan_of(2, 4, mix_up=1.0)
    mixed = np.flatnonzero(plan.share < 1)
    assert len(mixed) >= 2 and (plan.share[mixed] >= 0.5).all()
    every = np.stack([np.array([[5 * i, 10, 5 * i + 20, 40]], np.float32) for i in range(8)])
    labels = np.arange(8, dtype=np.int32)[:, None]
    boxes, found = move_boxes(plan, every, Shapes.unknown(labels.shape), labels, 4, 2)
    for picture in range(4):
        wanted = [picture, *([plan.partner[picture]] if picture in mixed else [])]
        assert [int(label) for label in found[picture] if label >= 0] == wanted
        assert boxes[picture, 0].tolist() == every[picture, 0].tolist()
    pictures = np.stack([np.full((*SIZE, 3), 20 * i, np.uint8) for i in range(8)])
    levels = see(plan, pictures)[:, 50, 60, 0]
    share = plan.share.astype(float)
    assert levels == pytest.approx(20 * (share * np.arange(4) + (1 - share) * plan.partner), abs=0.01)


def test_the_picture_of_the_row_stays_the_main_one_of_a_mixture() -> None:
    partner, share = draw_mixture(np.random.default_rng(0), 1000, 1.0)
    mixed = share[partner != np.arange(1000)]
    assert len(mixed) > 900 and mixed.min() >= 0.5 and mixed.max() < 1
    # 1/2 and the mean deviation of Beta(8, 8) from it, 2 * 8**16 / (B(8, 8) * 16**17) = 0.0982, with
    # B(8, 8) = 7! 7! / 15! = 1 / 51480.
    assert mixed.mean() == pytest.approx(0.5982, abs=0.008)
    assert (share[partner == np.arange(1000)] == 1).all()  # with itself there is no mixture


def test_a_crop_fills_the_picture_and_keeps_enough() -> None:
    plan = plan_of(1, 64, crop=1.0)
    zoom = np.stack([plan.matrix[:, 0, 0], plan.matrix[:, 1, 1]], axis=1)
    area = 1 / zoom.prod(axis=1)  # of the picture that is seen
    assert area.min() > 0.29 and area.max() <= 1.0 + 1e-6
    low, high = -plan.shift_xy_px / zoom, (np.array(SIZE[::-1]) - plan.shift_xy_px) / zoom
    assert (low >= -1e-3).all() and (high <= np.array(SIZE[::-1]) + 1e-3).all()  # nothing from outside


def test_crops_are_as_often_tall_as_wide() -> None:
    plan = plan_of(2, 4000, crop=1.0)
    zoom = np.stack([plan.matrix[:, 0, 0], plan.matrix[:, 1, 1]], axis=1)
    logs = np.log(zoom[:, 1] / zoom[:, 0])  # width to height, in shares of the picture's own
    limit = np.log(4 / 3)
    assert logs.min() >= -limit - 1e-6 and logs.max() <= limit + 1e-6
    assert np.quantile(logs, [0.25, 0.5, 0.75]) == pytest.approx([-limit / 2, 0, limit / 2], abs=0.03)


def test_grey_stays_grey_whatever_hue_and_saturation() -> None:
    colour, offset = draw_colours(np.random.default_rng(3), 50, ranges(hue=0.5, saturation=0.9))
    grey = np.full(3, 90.0)
    assert grey @ colour + offset == pytest.approx(np.full((50, 3), 90.0), abs=1e-3)


def test_a_third_of_hue_turns_red_into_blue_or_green() -> None:
    third = ranges(hue=1 / 3)  # of the whole circle
    for end, column in ((1, 2), (0, 1)):
        rng = SimpleNamespace(uniform=lambda *span, end=end: np.full(span[2], span[end]))
        colour, offset = draw_colours(rng, 1, third)  # type: ignore[arg-type]
        wanted = 200 * np.eye(3)[column]
        assert np.array([200.0, 0, 0]) @ colour[0] + offset[0] == pytest.approx(wanted, abs=1e-3)


def test_no_saturation_leaves_the_luma() -> None:
    rng = SimpleNamespace(uniform=lambda low, high, shape: np.full(shape, low))  # always the lower end
    colour, offset = draw_colours(rng, 1, ranges(saturation=1.0))  # type: ignore[arg-type]
    red = np.array([200.0, 0.0, 0.0])
    assert red @ colour[0] + offset[0] == pytest.approx(np.full(3, 200 * GREY[0]), abs=1e-3)


def test_contrast_scales_about_mid_grey_and_brightness_adds() -> None:
    rng = SimpleNamespace(uniform=lambda low, high, shape: np.full(shape, high))
    colour, offset = draw_colours(rng, 1, ranges(contrast=0.5, brightness=0.1))  # type: ignore[arg-type]
    # 127.5 + 1.5 * (100 - 127.5) + 25.5 = 111.75
    assert np.full(3, 100.0) @ colour[0] + offset[0] == pytest.approx(np.full(3, 111.75), abs=1e-3)


def test_a_mosaic_covers_the_whole_picture_once() -> None:
    plan = plan_of(5, 3, mosaic=1.0)
    for picture in range(3):
        regions = plan.region_xyxy_px[plan.picture == picture].astype(int)
        cover = np.zeros(SIZE, int)
        for left, top, right, bottom in regions:
            cover[top:bottom, left:right] += 1
        assert len(regions) == 4
        assert (cover == 1).all()


def test_mosaics_meet_near_the_middle_and_their_tiles_are_three_quarters_as_large() -> None:
    plan = plan_of(5, 400, mosaic=1.0, rotate=30.0, crop=1.0)  # which single pictures alone are
    assert plan.matrix == pytest.approx(np.broadcast_to(0.75 * np.eye(2), (1600, 2, 2)))
    first = np.diff(plan.picture, prepend=-1) > 0
    meet = plan.region_xyxy_px[first, 2:] / SIZE[::-1]  # the lower right corner of the upper left tile
    # Even from 0.3 to 0.7 of both sides, to half a pixel of 96.
    assert meet.min() >= 0.3 - 0.006 and meet.max() <= 0.7 + 0.006
    assert (meet.min(axis=0) < 0.32).all() and (meet.max(axis=0) > 0.68).all()
    assert meet.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.02)


def test_a_mosaics_tiles_are_moved_outwards_by_any_part_of_what_would_be_cut_off() -> None:
    plan, side = plan_of(6, 2000, mosaic=1.0, scale=(2.0, 2.0)), np.array(SIZE[::-1])
    low, high = plan.region_xyxy_px[:, :2], plan.region_xyxy_px[:, 2:]
    corner, extent = plan.shift_xy_px, 1.5 * side  # 2 times 0.75
    over = extent - (high - low)
    # From where the inner corner would lie if it met the others.
    outwards = np.where(low > 0, low - corner, corner + extent - high) / over
    assert (np.abs(outwards - 0.5) < 0.5 + 0.02).all()
    for tile in range(4):
        quarters = np.quantile(outwards[tile::4], [0.25, 0.5, 0.75], axis=0)
        assert quarters == pytest.approx(np.array([[0.25] * 2, [0.5] * 2, [0.75] * 2]), abs=0.04)


def test_regions_are_of_whole_pixels_at_every_size() -> None:
    plan = plan_of(7, 50, mosaic=1.0)
    larger = resize_plan(plan, (1.37, 0.71))
    for each in (plan, larger):
        assert (each.region_xyxy_px == np.round(each.region_xyxy_px)).all()
    wanted = plan.region_xyxy_px * [1.37, 0.71, 1.37, 0.71]
    assert np.abs(larger.region_xyxy_px - wanted).max() <= 0.5 + 1e-4
