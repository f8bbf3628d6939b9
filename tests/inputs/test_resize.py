"""Boxes follow pixels: measured on drawn rectangles, for every method, any size and place."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.geometry.boxes import clip_boxes, compute_areas, compute_iou_matrix
from glasshouse.inputs.resize import Transform, resize_picture

METHODS = ("letterbox", "crop", "stretch")
sides = st.integers(40, 260)


def preprocess(method: str, height: int = 96, width: int = 96, pad: int = 0) -> SimpleNamespace:
    return SimpleNamespace(height_px=height, width_px=width, resize=method, pad_value=pad)


def measure_box(pixels: np.ndarray) -> list[float]:
    """Box of a light rectangle on black, to parts of a pixel: centre of mass, light along row and column."""
    levels = pixels[..., 0] / 255.0
    across, down = levels.sum(0) / levels.sum(0).max(), levels.sum(1) / levels.sum(1).max()
    box = []
    for profile in (across, down):
        centre = (profile * (np.arange(len(profile)) + 0.5)).sum() / profile.sum()
        box.append((centre - profile.sum() / 2, centre + profile.sum() / 2))
    return [box[0][0], box[1][0], box[0][1], box[1][1]]


@st.composite
def draw_scene(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    height, width = draw(sides), draw(sides)
    x_min, y_min = draw(st.integers(0, width - 16)), draw(st.integers(0, height - 16))
    x_max, y_max = draw(st.integers(x_min + 16, width)), draw(st.integers(y_min + 16, height))
    return height, width, [x_min, y_min, x_max, y_max]


@settings(deadline=None, max_examples=150)
@given(draw_scene(), st.sampled_from(METHODS), st.integers(64, 200), st.integers(64, 200))
def test_moved_box_fits_moved_pixels(
    scene: tuple[int, int, list[int]], method: str, out_height: int, out_width: int
) -> None:
    height, width, box = scene
    mask = np.zeros((height, width, 3), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    pixels, transform = resize_picture(mask, preprocess(method, out_height, out_width))
    moved = clip_boxes(transform.forward([box]), out_height, out_width)
    sides_px = moved[0, 2:] - moved[0, :2]
    if sides_px.min() < 8:  # cropped to a sliver, or 16 px reduced to a few: the measure itself is no better
        return
    assert pixels.shape == (out_height, out_width, 3) and pixels.dtype == np.uint8
    assert compute_iou_matrix(moved, [measure_box(pixels)])[0, 0] >= 0.95


@settings(deadline=None)
@given(sides, sides, st.sampled_from(METHODS), st.integers(16, 200), st.integers(16, 200))
def test_inverse_undoes_forward_and_the_whole_picture_lands_where_the_method_says(
    height: int, width: int, method: str, out_height: int, out_width: int
) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    _, transform = resize_picture(picture, preprocess(method, out_height, out_width))
    rng = np.random.default_rng(0)
    boxes = rng.uniform(-50, 300, (20, 4))
    boxes[:, 2:] = boxes[:, :2] + rng.uniform(0, 100, (20, 2))
    np.testing.assert_allclose(transform.inverse(transform.forward(boxes)), boxes, atol=1e-9)
    whole = transform.forward([0, 0, width, height])
    canvas = np.array([0, 0, out_width, out_height])
    if method == "stretch":
        np.testing.assert_allclose(whole, canvas, atol=1e-9)
    elif method == "crop":
        assert (whole[:2] <= 1e-9).all() and (whole[2:] >= canvas[2:] - 1e-9).all()
        np.testing.assert_allclose(whole[:2] + whole[2:], canvas[2:], atol=1e-6)  # in the middle
        assert transform.scale_x == pytest.approx(transform.scale_y)
    else:
        assert (whole[:2] >= 0).all() and (whole[2:] <= canvas[2:] + 1e-9).all()
        np.testing.assert_allclose(whole, np.round(whole), atol=1e-9)
        assert np.abs(whole[:2] + whole[2:] - canvas[2:]).max() <= 1 + 1e-9
        assert (whole[2:] - whole[:2]).max() >= min(out_height, out_width) - 1e-9


def test_letterbox_by_hand() -> None:
    # 200 wide, 100 high into 64 x 64: scale 0.32, inner 64 x 32, 16 rows above and below
    pixels, transform = resize_picture(
        np.full((100, 200, 3), 250, np.uint8), preprocess("letterbox", 64, 64, 114)
    )
    assert transform == Transform(0.32, 0.32, 0.0, 16.0)
    assert (pixels[:16] == 114).all() and (pixels[48:] == 114).all() and (pixels[16:48] == 250).all()
    assert transform.forward([50, 25, 100, 75]).tolist() == [16, 24, 32, 40]


def test_crop_by_hand() -> None:
    # 200 wide, 100 high into 50 x 50: the middle 100 columns, scale 0.5
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 50:150] = 200
    pixels, transform = resize_picture(picture, preprocess("crop", 50, 50))
    assert transform == Transform(0.5, 0.5, -25.0, 0.0)
    assert (pixels[:, 1:-1] == 200).all()
    assert transform.forward([50, 0, 150, 100]).tolist() == [0, 0, 50, 50]


def test_stretch_by_hand() -> None:
    _, transform = resize_picture(np.zeros((100, 200, 3), np.uint8), preprocess("stretch", 50, 50))
    assert transform == Transform(0.25, 0.5, 0.0, 0.0)


@pytest.mark.parametrize("method", METHODS)
def test_the_right_size_passes_untouched(method: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    pixels, transform = resize_picture(noise, preprocess(method, 32, 48))
    np.testing.assert_array_equal(pixels, noise)
    assert transform == Transform(1, 1, 0, 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_extreme_pictures_keep_a_sound_transform(method: str, size: tuple[int, int]) -> None:
    pixels, transform = resize_picture(np.full((*size, 3), 77, np.uint8), preprocess(method, 32, 32, 77))
    assert (pixels == 77).all() and pixels.shape == (32, 32, 3)
    box = [0, 0, size[1], size[0]]
    np.testing.assert_allclose(transform.inverse(transform.forward(box)), box, atol=1e-9)
    assert compute_areas(clip_boxes(transform.forward(box), 32, 32)) > 0


def test_reduction_does_not_alias() -> None:
    # stripes of one pixel become their mean, 127.5; point sampling would keep 0 or 255
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    pixels, _ = resize_picture(stripes, preprocess("stretch", 32, 32))
    assert (
        np.abs(pixels[:, 1:-1].astype(int) - 127.5).max() <= 1
    )  # the outermost see one stripe more of a kind


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ValueError, match=r"letterbox, crop or stretch\. Got 'tile'"):
        resize_picture(np.zeros((9, 9, 3), np.uint8), preprocess("tile"))
