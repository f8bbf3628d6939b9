from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.inputs.augment import (
    GREY,
    MIN_VISIBLE,
    Plan,
    draw_colours,
    draw_plan,
    move_boxes,
    paint,
    projections,
)

SIZE = (96, 128)


def ranges(**changed: Any) -> Any:
    still = {
        "flip": 0.0,
        "scale": (1.0, 1.0),
        "translate": 0.0,
        "brightness": 0.0,
        "contrast": 0.0,
        "saturation": 0.0,
        "hue": 0.0,
    }
    return SimpleNamespace(**{**still, **changed})


def plan_of(seed: int = 0, batch: int = 1, mosaic: float = 0.0, **changed: Any) -> Plan:
    rows = np.arange(batch)
    return draw_plan(np.random.default_rng(seed), rows, 8, SIZE, ranges(**changed), mosaic=mosaic)


def move(plan: Plan, boxes: list[list[float]], batch: int = 1) -> tuple[np.ndarray, np.ndarray]:
    every = np.broadcast_to(np.array(boxes, np.float32), (8, len(boxes), 4))
    return move_boxes(plan, every, np.zeros((8, len(boxes)), np.int32), batch, 4 * len(boxes))


def test_without_ranges_nothing_changes() -> None:
    plan = plan_of()
    boxes, labels = move(plan, [[10, 20, 30, 40]])
    assert boxes[0, 0].tolist() == [10, 20, 30, 40]
    assert labels[0].tolist() == [0, -1, -1, -1]  # four slots for each of a picture's own
    assert projections(plan)[0] == pytest.approx([1, 0, 0, 0, 1, 0, 0, 0])
    assert plan.colour[0] == pytest.approx(np.eye(3), abs=1e-6)
    assert plan.offset[0] == pytest.approx(0, abs=1e-5)


def test_a_flip_mirrors_about_the_middle_of_the_width() -> None:
    plan = plan_of(flip=1.0)
    boxes, _ = move(plan, [[10, 20, 30, 40]])
    assert boxes[0, 0].tolist() == [98, 20, 118, 40]  # 128 - 30, 128 - 10
    # Column 0 of the output shows column 127: input = (0 + 0.5 - 128) / -1 - 0.5 = 127.
    assert projections(plan)[0, [0, 2]].tolist() == [-1, 127]


def test_a_zoom_keeps_the_centre() -> None:
    boxes, _ = move(plan_of(scale=(0.5, 0.5)), [[54, 38, 74, 58]])  # 20 px about the centre (64, 48)
    assert boxes[0, 0] == pytest.approx([59, 43, 69, 53])


@pytest.mark.parametrize(("shift", "kept"), [(14.0, True), (16.0, False)])
def test_a_box_that_is_hardly_seen_is_dropped(shift: float, kept: bool) -> None:
    plan = plan_of()
    plan.shift_xy_px[0, 0] = -shift  # of 20 px of width, 6 stay (30 %) or 4 (20 %)
    boxes, labels = move(plan, [[0, 20, 20, 40]])
    assert 4 / 20 < MIN_VISIBLE < 6 / 20
    assert labels[0, 0] == (0 if kept else -1)
    if kept:
        assert boxes[0, 0] == pytest.approx([0, 20, 6, 40])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), mosaic=st.sampled_from([0.0, 1.0]))
def test_boxes_move_with_the_pixels(seed: int, mosaic: float) -> None:
    """A white rectangle on black in each of eight pictures.

    Where it is white after the move, there its box must be.
    """
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 40, (8, 2))
    boxes = np.concatenate([low, low + rng.integers(40, 56, (8, 2))], axis=1).astype(np.float32)
    pictures = np.zeros((8, *SIZE, 3), np.uint8)
    for picture, (left, top, right, bottom) in zip(pictures, boxes.astype(int), strict=True):
        picture[top:bottom, left:right] = 255
    plan = plan_of(seed, 2, mosaic, flip=0.5, scale=(0.6, 1.5), translate=0.2)
    moved, labels = move_boxes(plan, boxes[:, None], np.zeros((8, 1), np.int32), 2, 4)
    tiles = pictures[plan.rows]
    seen = paint(
        tiles, projections(plan), plan.region_xyxy_px, plan.picture, plan.colour, plan.offset, fill=0
    )
    seen = np.asarray(seen)
    assert seen.shape == (2, *SIZE, 3)
    for image, image_boxes, image_labels in zip(seen[..., 0], moved, labels, strict=True):
        for left, top, right, bottom in image_boxes[image_labels >= 0]:
            if (right - left) * (bottom - top) < 400:
                continue  # half a pixel of rounding is more than a twentieth of it
            inside = image[round(top) : round(bottom), round(left) : round(right)]
            assert inside.mean() > 0.95 * 255  # all white inside
            area = (right - left) * (bottom - top)
            if mosaic == 0:
                assert (image > 127).sum() == pytest.approx(area, rel=0.06)  # and nothing white outside


def test_grey_stays_grey_whatever_hue_and_saturation() -> None:
    colour, offset = draw_colours(np.random.default_rng(3), 50, ranges(hue=0.5, saturation=0.9))
    grey = np.full(3, 90.0)
    assert grey @ colour + offset == pytest.approx(np.full((50, 3), 90.0), abs=1e-3)


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
    plan = plan_of(5, 3, 1.0)
    for picture in range(3):
        regions = plan.region_xyxy_px[plan.picture == picture].astype(int)
        cover = np.zeros(SIZE, int)
        for left, top, right, bottom in regions:
            cover[top:bottom, left:right] += 1
        assert len(regions) == 4
        assert (cover == 1).all()
