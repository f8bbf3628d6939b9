"""A map of where a network looked, as colours over the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glasshouse.inputs.resize import Transform

# Black, violet, orange, pale yellow: each step is lighter, so the map reads in grey as well.
RAMP = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], np.float64)
STRENGTH = 0.75  # of the colours over the picture
DIMMED = 0.8  # of the picture's grey, so that the colours stand out


def return_map(
    saliency: NDArray[np.float64], transform: Transform, size: tuple[int, int]
) -> NDArray[np.float32]:
    """A map of prepared pixels over the original picture (height, width); 0 where that was cropped away."""
    affine = (transform.scale_x, 0.0, transform.offset_x_px, 0.0, transform.scale_y, transform.offset_y_px)
    image = Image.fromarray(saliency.astype(np.float32))
    moved = image.transform(
        (size[1], size[0]), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR, fillcolor=0
    )
    return np.asarray(moved)


def paint_saliency(pixels_rgb: NDArray[np.uint8], saliency: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture (height, width, 3) in grey under the colours of a map (height, width) in 0..1."""
    grey = np.asarray(Image.fromarray(pixels_rgb).convert("L"), np.float64)[..., None]
    share = STRENGTH * saliency[..., None]
    levels = grey * (1 - share) * DIMMED + colour_levels(saliency) * share
    painted: NDArray[np.uint8] = levels.round().astype(np.uint8)
    return painted


def colour_levels(saliency: NDArray[np.float32]) -> NDArray[np.float64]:
    """(H, W) in 0..1 to RGB levels (H, W, 3) along RAMP."""
    steps = np.linspace(0, 1, len(RAMP))
    return np.stack([np.interp(saliency, steps, RAMP[:, channel]) for channel in range(3)], -1)
