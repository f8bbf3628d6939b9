"""Augmentation, the part that moves, joins, pastes, recolours and mixes pixels (TensorFlow)."""

from __future__ import annotations

from typing import Any

import numpy as np

from glasshouse.inputs.augment import FloatArray, Plan


def projections(plan: Plan) -> FloatArray:
    """The tiles' maps as TensorFlow wants them: (M, 8), from output pixel indices to input pixel indices.

    With pixel i covering i .. i + 1: input = inverse @ (output + 0.5 - shift) - 0.5.
    """
    inverse = np.linalg.inv(plan.matrix.astype(np.float64))
    start = np.einsum("mij,mj->mi", inverse, 0.5 - plan.shift_xy_px.astype(np.float64)) - 0.5
    zero = np.zeros(len(inverse))
    rows = [*inverse[:, 0].T, start[:, 0], *inverse[:, 1].T, start[:, 1], zero, zero]
    return np.stack(rows, axis=1).astype(np.float32)


def paint(
    tiles: Any,
    maps: Any,
    regions: Any,
    picture: Any,
    colour: Any,
    offset: Any,
    partner: Any,
    share: Any,
    *pasted: Any,
    fill: float,
    mixed: bool,
    size: tuple[int, int] | None = None,
) -> Any:
    """Move, join, recolour and mix pixels (TensorFlow, graph or eager).

    Args:
        tiles: (M, h, w, 3) uint8.
        maps: (M, 8) of `projections`.
        regions: (M, 4) int-valued xyxy px.
        picture: (M,) rising.
        colour: (B, 3, 3).
        offset: (B, 3).
        partner: (B,) picture of the batch that each is mixed with.
        share: (B,) of itself in the mixture.
        pasted: what `lay_over` takes, or nothing.
        mixed: False where no share is below 1, ever: the mixing is then left out.
        fill: level outside of a tile's picture.
        size: (height, width) px of the output; None for that of the tiles.

    Returns:
        (B, H, W, 3) float32, 0..255.
    """
    import tensorflow as tf

    height, width = size or (tiles.shape[1], tiles.shape[2])
    warped = warp(tiles, maps, fill, (height, width))
    x, y = tf.range(width, dtype=tf.float32)[None, None, :], tf.range(height, dtype=tf.float32)[None, :, None]
    box = regions[:, :, None, None]
    inside = (x >= box[:, 0]) & (x < box[:, 2]) & (y >= box[:, 1]) & (y < box[:, 3])
    joined = tf.math.segment_sum(
        tf.cast(warped, tf.float32) * tf.cast(inside[..., None], tf.float32), picture
    )
    if pasted:
        joined = lay_over(joined, *pasted, fill=fill)
    flat = tf.reshape(joined, (-1, height * width, 3))
    recoloured = tf.matmul(flat, colour) + offset[:, None]
    pixels = tf.reshape(tf.clip_by_value(recoloured, 0.0, 255.0), (-1, height, width, 3))
    if not mixed:
        return pixels
    own = share[:, None, None, None]
    return own * pixels + (1.0 - own) * tf.gather(pixels, partner)


def warp(tiles: Any, maps: Any, fill: float, size: tuple[int, int]) -> Any:
    """Tiles (M, h, w, 3) uint8, each under its map: (M, height, width, 3) uint8."""
    import tensorflow as tf

    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tiles,
        transforms=maps,
        output_shape=size,
        fill_value=fill,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def lay_over(pixels: Any, tiles: Any, maps: Any, onto: Any, alpha: Any, *, fill: float) -> Any:
    """Pixels with parts of other pictures laid over them.

    Args:
        pixels: (B, H, W, 3) float32.
        tiles: (K, h, w, 3) uint8.
        maps: (K, 8) of `projections`.
        onto: (K,) which picture each goes to, none twice.
        alpha: (K, H, W) bool, where.
        fill: level outside of a tile's picture.

    Returns:
        (B, H, W, 3) float32.
    """
    import tensorflow as tf

    size = (int(pixels.shape[1]), int(pixels.shape[2]))
    cover = tf.cast(alpha[..., None], tf.float32)
    parts = tf.cast(warp(tiles, maps, fill, size), tf.float32) * cover
    whole = tf.math.unsorted_segment_sum(tf.concat([parts, cover], axis=-1), onto, tf.shape(pixels)[0])
    return pixels * (1.0 - whole[..., 3:]) + whole[..., :3]
