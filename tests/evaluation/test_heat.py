from __future__ import annotations

import numpy as np
import pytest

from glasshouse.evaluation.heat import colour_levels, paint_saliency, return_map
from glasshouse.inputs.recipe import Recipe
from glasshouse.inputs.resize import resize_picture


@pytest.mark.parametrize("method", ["letterbox", "crop", "stretch"])
def test_a_map_comes_back_where_the_pixels_were(method: str) -> None:
    """A picture's own levels, prepared and returned as a map, are the picture again (smooth, so but little
    is lost); what was cropped away is 0."""
    down, across = np.mgrid[0:80, 0:200]
    levels = 128 + 60 * np.sin(across / 25) * np.cos(down / 20)
    recipe = Recipe("detect", ("a",), 160, 160, method, 0)
    prepared, transform = resize_picture(np.repeat(levels[..., None], 3, -1).round().astype(np.uint8), recipe)
    back = return_map(prepared[..., 0].astype(np.float64), transform, (80, 200))
    inside = slice(63, 137) if method == "crop" else slice(3, 197)
    np.testing.assert_allclose(back[3:77, inside], levels[3:77, inside], atol=3)
    if method == "crop":
        assert not back[:, :58].any()


def test_the_ramp_is_lighter_with_every_step() -> None:
    levels = colour_levels(np.linspace(0, 1, 101, dtype=np.float32)[None])
    assert (np.diff(levels[0] @ [0.299, 0.587, 0.114]) > 0).all()


def test_what_counts_for_nothing_stays_grey_and_what_counts_glows() -> None:
    """Level 100 at saliency 0: 0.8 x 100; at 1: a quarter of that and three quarters of the ramp's end."""
    pixels, saliency = np.full((2, 3, 3), 100, np.uint8), np.zeros((2, 3), np.float32)
    saliency[0, 0] = 1.0
    painted = paint_saliency(pixels, saliency)
    assert (painted[1] == 80).all()
    assert painted[0, 0].tolist() == [round(20 + 0.75 * level) for level in (252, 255, 164)]
