"""Augmentation, the part that moves, joins, pastes (Pillow), recolours and mixes pixels (TensorFlow).

Moving is most of an augmentation's work. A tile is moved for the part of the output alone that it fills: of a
mosaic that is a quarter of what moving four whole pictures would cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glasshouse.inputs.augment import Plan

Pixels = NDArray[np.uint8]


def invert(plan: Plan) -> NDArray[np.float64]:
    """The tiles' maps backwards, (M, 6) as Pillow wants them: a, b, c, d, e, f with
    x_in = a x_out + b y_out + c, y_in = d x_out + e y_out + f.

    Points, not pixel numbers: pixel i covers i .. i + 1, its centre is i + 0.5, in Pillow too.
    """
    inverse = np.linalg.inv(plan.matrix.astype(np.float64))
    start = -np.einsum("mij,mj->mi", inverse, plan.shift_xy_px.astype(np.float64))
    return np.concatenate([inverse, start[..., None]], axis=2).reshape(-1, 6)


def move_tiles(tiles: Pixels, plan: Plan, batch: int, size: tuple[int, int], fill: int) -> Pixels:
    """Move every tile into its part of the picture that it belongs to.

    Args:
        tiles: (M, h, w, 3).
        plan: of the batch; its colours and mixtures are left to `recolour`.
        batch: B.
        size: (height, width) px of the output.
        fill: level outside of a tile's picture, 0..255.

    Returns:
        (B, height, width, 3).
    """
    moved = np.full((batch, *size, 3), fill, np.uint8)
    regions = plan.region_xyxy_px.astype(np.int64).tolist()
    for tile, map_back, picture, region in zip(tiles, invert(plan), plan.picture, regions, strict=True):
        left, top, right, bottom = region
        moved[picture, top:bottom, left:right] = move_tile(tile, map_back, region, fill)
    return moved


def move_tile(tile: Pixels, map_back: NDArray[np.float64], region_xyxy_px: list[int], fill: int) -> Pixels:
    """The part of the output inside a region (height, width, 3) that a tile (h, w, 3) fills, bilinear."""
    left, top, right, bottom = region_xyxy_px
    a, b, c, d, e, f = map_back.tolist()
    corner = (a * left + b * top + c, d * left + e * top + f)
    moved = Image.fromarray(tile).transform(
        (right - left, bottom - top),
        Image.Transform.AFFINE,
        (a, b, corner[0], d, e, corner[1]),
        Image.Resampling.BILINEAR,
        fillcolor=(fill, fill, fill),
    )
    return np.asarray(moved)


def lay_over(
    pixels: Pixels, tiles: Pixels, plan: Plan, onto: NDArray[np.int64], cover: NDArray[np.bool_]
) -> None:
    """Lay parts of other pictures over pixels (B, H, W, 3), in place.

    Args:
        pixels: the batch.
        tiles: (K, h, w, 3).
        plan: of these K pictures, each of one tile.
        onto: (K,) which picture of the batch each goes to, none twice.
        cover: (B, H, W) where.
    """
    whole = [0, 0, pixels.shape[2], pixels.shape[1]]
    for tile, map_back, picture in zip(tiles, invert(plan), onto, strict=True):
        inside = cover[picture]
        pixels[picture][inside] = move_tile(tile, map_back, whole, 0)[inside]


def recolour(pixels: Any, colour: Any, offset: Any, partner: Any, share: Any, *, mixed: bool) -> Any:
    """Recolour and mix the pictures of a batch (TensorFlow, graph or eager).

    Args:
        pixels: (B, H, W, 3) uint8.
        colour: (B, 3, 3).
        offset: (B, 3).
        partner: (B,) picture of the batch that each is mixed with.
        share: (B,) of itself in the mixture.
        mixed: False where no share is below 1, ever: the mixing is then left out.

    Returns:
        (B, H, W, 3) float32, 0..255.
    """
    import tensorflow as tf

    flat = tf.reshape(tf.cast(pixels, tf.float32), (-1, pixels.shape[1] * pixels.shape[2], 3))
    recoloured = tf.matmul(flat, colour) + offset[:, None]
    bright = tf.reshape(tf.clip_by_value(recoloured, 0.0, 255.0), (-1, *pixels.shape[1:]))
    if not mixed:
        return bright
    own = share[:, None, None, None]
    return own * bright + (1.0 - own) * tf.gather(bright, partner)
