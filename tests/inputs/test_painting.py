"""Moved pixels against SciPy's interpolation, and the laws that mosaics and pasting stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from glasshouse.inputs.augment import draw_plan
from glasshouse.inputs.painting import invert, lay_over, move_tile, move_tiles, recolour
from glasshouse.params import Augment

SIZE = (40, 56)
STILL = Augment(
    flip=0.0,
    rotate=0.0,
    crop=0.0,
    scale=(1.0, 1.0),
    translate=0.0,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    hue=0.0,
    mosaic=0.0,
    mix_up=0.0,
    copy_paste=0.0,
    mosaic_off_epochs=0,
)
MOVES: dict[str, dict[str, Any]] = {
    "zoom": {"scale": (0.6, 1.6), "translate": 0.2},
    "flip": {"flip": 1.0, "translate": 0.1},
    "turn": {"rotate": 40.0, "flip": 0.5, "scale": (0.8, 1.3)},
    "mosaic": {"mosaic": 1.0, "flip": 0.5, "scale": (0.6, 1.4)},
}


def plan_of(seed: int, batch: int, **changed: Any) -> Any:
    augment = STILL.model_copy(update=changed)
    return draw_plan(np.random.default_rng(seed), np.arange(batch), 8, SIZE, augment, composed=True)


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


def interpolate(tile: np.ndarray, map_back: np.ndarray, fill: int) -> np.ndarray:
    """The whole output (H, W, 3) by SciPy: a pixel whose centre comes from outside the picture is `fill`."""
    y_out, x_out = np.indices(SIZE) + 0.5
    a, b, c, d, e, f = map_back
    x, y = a * x_out + b * y_out + c, d * x_out + e * y_out + f
    levels = [
        ndimage.map_coordinates(tile[..., channel].astype(float), [y - 0.5, x - 0.5], order=1, mode="nearest")
        for channel in range(3)
    ]
    inside = (x >= 0) & (x < SIZE[1]) & (y >= 0) & (y < SIZE[0])
    return np.where(inside[..., None], np.stack(levels, axis=-1), fill)


@pytest.mark.parametrize("move", MOVES)
def test_moved_pixels_are_those_of_scipy(move: str) -> None:
    plan, pictures = plan_of(3, 6, **MOVES[move]), noise(8)
    moved = move_tiles(pictures[plan.rows], plan, 6, SIZE, 114)
    compared = 0
    for row, map_back, picture, region in zip(
        plan.rows, invert(plan), plan.picture, plan.region_xyxy_px.astype(int), strict=True
    ):
        left, top, right, bottom = region
        expected = interpolate(pictures[row], map_back, 114)[top:bottom, left:right]
        found = moved[picture, top:bottom, left:right].astype(float)
        # Levels are cut to whole ones: up to 1 below. A centre on the picture's very edge may fall to either.
        off = ((found > expected + 1e-6) | (found < expected - 1 - 1e-6)).any(axis=-1)
        assert off.mean() < 0.003
        compared += off.size
    assert compared == 6 * SIZE[0] * SIZE[1]  # regions fill each picture, and overlap nowhere


def test_what_does_not_move_stays_to_the_byte() -> None:
    plan, pictures = plan_of(0, 8), noise(8)
    assert (move_tiles(pictures, plan, 8, SIZE, 0) == pictures).all()
    mirrored = plan_of(0, 8, flip=1.0)
    assert (move_tiles(pictures, mirrored, 8, SIZE, 0) == pictures[:, :, ::-1]).all()


def test_a_part_of_the_output_is_cut_from_the_whole() -> None:
    plan, (tile,) = plan_of(5, 1, **MOVES["turn"]), noise(1)
    (map_back,) = invert(plan)
    whole = move_tile(tile, map_back, [0, 0, SIZE[1], SIZE[0]], 114)
    assert (move_tile(tile, map_back, [7, 3, 50, 31], 114) == whole[3:31, 7:50]).all()


def test_another_size_than_the_pictures_own() -> None:
    plan, (tile,) = plan_of(0, 1), noise(1)
    plan.matrix[:] *= 2
    plan.region_xyxy_px[:] *= 2
    moved = move_tiles(tile[None], plan, 1, (80, 112), 0)
    flat = np.full((1, *SIZE, 3), 77, np.uint8)
    assert moved.shape == (1, 80, 112, 3)
    assert (move_tiles(flat, plan, 1, (80, 112), 0) == 77).all()


def test_what_is_laid_over_shows_where_it_covers_and_nowhere_else() -> None:
    pictures, plan = noise(3), plan_of(0, 2, flip=1.0)
    cover = np.zeros((3, *SIZE), bool)
    cover[0, 2:9, 4:30] = cover[2, 20:, :10] = cover[1] = True  # nothing is laid over picture 1
    laid = pictures.copy()
    lay_over(laid, pictures[:2], plan, np.array([0, 2]), cover)
    assert (laid[0][cover[0]] == pictures[0][:, ::-1][cover[0]]).all()
    assert (laid[2][cover[2]] == pictures[1][:, ::-1][cover[2]]).all()
    assert (laid[~cover] == pictures[~cover]).all() and (laid[1] == pictures[1]).all()


def test_colours_are_one_affine_map_cut_to_the_range_then_mixed() -> None:
    pixels = np.array([[[[10, 20, 30]]], [[[200, 100, 0]]]], np.uint8)  # two pictures of one pixel
    colour = np.stack([np.eye(3), 2 * np.eye(3)]).astype(np.float32)
    offset = np.array([[5, 5, 5], [0, 0, -7]], np.float32)
    alone, whole = np.array([1, 0]), np.ones(2, np.float32)
    plain = np.asarray(recolour(pixels, colour, offset, alone, whole, mixed=False))
    assert plain.tolist() == [[[[15, 25, 35]]], [[[255, 200, 0]]]]
    share = np.array([0.75, 1.0], np.float32)
    mixed = np.asarray(recolour(pixels, colour, offset, alone, share, mixed=True))
    # 0.75 (15, 25, 35) + 0.25 (255, 200, 0)
    assert mixed.tolist() == [[[[75, 68.75, 26.25]]], [[[255, 200, 0]]]]
