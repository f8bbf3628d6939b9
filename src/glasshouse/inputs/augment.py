"""Augmentation: random numbers and boxes in NumPy, pixels in TensorFlow.

Every picture of a batch is one affine map (flip, zoom, shift) of one picture, or of four (mosaic), then one
affine map of its colours. Boxes go through the very same numbers. All randomness of a batch comes from one
generator, so a batch is a pure function of (seed, step).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.params import Augment

FloatArray = NDArray[np.float32]

MIN_VISIBLE = 0.25  # share of a box that must stay in the picture, else the box is dropped
MOSAIC_CENTRE = (0.3, 0.7)  # where the four pictures meet, share of the side
MOSAIC_SHRINK = 0.75  # tiles are drawn this much smaller than single pictures would be
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma weights, ITU-R BT.601


@dataclass(frozen=True)
class Plan:
    """How a batch of B pictures is made of M tiles, in rising order of picture.

    rows (M,): which prepared picture.  picture (M,): which of the batch it goes to.  zoom_xy, shift_xy_px (M,
        2): output = input * zoom + shift,
    a negative zoom mirrors.  region_xyxy_px (M, 4): the part of the output that it fills.  colour (B, 3, 3),
    offset (B, 3): output = input @ colour + offset.
    """

    rows: NDArray[np.int64]
    picture: NDArray[np.int64]
    zoom_xy: FloatArray
    shift_xy_px: FloatArray
    region_xyxy_px: FloatArray
    colour: FloatArray
    offset: FloatArray


def draw_plan(
    rng: np.random.Generator,
    rows: NDArray[np.int64],
    pictures: int,
    size: tuple[int, int],
    augment: Augment,
    *,
    mosaic: float,
) -> Plan:
    """Draw what happens to a batch.

    Args:
        rng: the batch's own generator.
        rows: (B,) pictures of the batch.
        pictures: number of pictures that mosaics may take from.
        size: (height, width) px, of input and output.
        augment: ranges.
        mosaic: probability of four pictures in one.
    """
    batch, (height, width) = len(rows), size
    count = np.where(rng.random(batch) < mosaic, 4, 1)
    picture = np.repeat(np.arange(batch), count)
    tile = np.concatenate([np.arange(n) for n in count])
    tiles = len(picture)
    partners = rng.integers(0, pictures, tiles)
    is_mosaic = count[picture] == 4

    side = np.array([width, height], np.float32)
    zoom = (
        np.exp(rng.uniform(math.log(augment.scale[0]), math.log(augment.scale[1]), (tiles, 1)))
        * np.where(is_mosaic, MOSAIC_SHRINK, 1.0)[:, None]
    )
    mirrored = rng.random(tiles) < augment.flip
    zoom_xy = np.concatenate([np.where(mirrored, -1.0, 1.0)[:, None] * zoom, zoom], axis=1)

    # A single picture is zoomed about its centre and shifted; a tile's inner corner lies where the four meet,
    # moved outwards by up to a third of what would be cut off, so that middles of pictures are seen as often
    # as corners.
    meet = rng.uniform(*MOSAIC_CENTRE, (batch, 2))[picture] * side
    right, below = tile % 2 == 1, tile // 2 == 1
    after = np.stack([right, below], axis=1)
    region = np.where(after, np.concatenate([meet], axis=1), 0.0), np.where(after, side, meet)
    low = np.where(is_mosaic[:, None], region[0], 0.0)
    high = np.where(is_mosaic[:, None], region[1], side)
    extent = zoom * side
    slack = np.maximum(extent - (high - low), 0.0) * rng.uniform(0.0, 1.0, (tiles, 2))
    corner = np.where(after, low - slack, high - extent + slack)
    single = side / 2 - extent / 2 + rng.uniform(-augment.translate, augment.translate, (tiles, 2)) * side
    left_top = np.where(is_mosaic[:, None], corner, single)
    shift = left_top + np.where(zoom_xy < 0, extent, 0.0)
    colour, offset = draw_colours(rng, batch, augment)
    return Plan(
        rows=np.where(tile == 0, rows[picture], partners),
        picture=picture,
        zoom_xy=zoom_xy.astype(np.float32),
        shift_xy_px=shift.astype(np.float32),
        region_xyxy_px=np.round(np.concatenate([low, high], axis=1)).astype(np.float32),
        colour=colour,
        offset=offset,
    )


def draw_colours(rng: np.random.Generator, batch: int, augment: Augment) -> tuple[FloatArray, FloatArray]:
    """Hue, saturation, contrast and brightness as one affine map of RGB levels 0..255.

    Hue turns the colour about the grey axis (Rodrigues' rotation), saturation mixes with grey, contrast
    scales about mid-grey, brightness adds.

    Returns:
        colour (B, 3, 3) and offset (B, 3): output = input @ colour + offset.
    """
    angle = rng.uniform(-augment.hue, augment.hue, (batch, 1, 1)) * 2 * np.pi
    saturation = 1 + rng.uniform(-augment.saturation, augment.saturation, (batch, 1, 1))
    contrast = 1 + rng.uniform(-augment.contrast, augment.contrast, (batch, 1, 1))
    brightness = rng.uniform(-augment.brightness, augment.brightness, (batch, 1)) * 255
    axis = np.full(3, 1 / np.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(axis, axis)
    to_grey = np.outer(GREY, np.ones(3))  # row vector @ to_grey = its luma, three times
    colour = turn @ (saturation * np.eye(3) + (1 - saturation) * to_grey) * contrast
    offset = brightness + 127.5 * (1 - contrast[:, 0])
    return colour.astype(np.float32), np.broadcast_to(offset, (batch, 3)).astype(np.float32)


def move_boxes(
    plan: Plan, boxes_xyxy_px: FloatArray, labels: NDArray[np.int32], batch: int, slots: int
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Take the boxes of every tile along, cut them to what is seen, drop those of which less than MIN_VISIBLE
    is left.

    Args:
        plan: of the batch.
        boxes_xyxy_px: (P, N, 4) of all prepared pictures.
        labels: (P, N), -1 = padding.
        batch: B.
        slots: K, at least N, or 4 N where a mosaic can be.

    Returns:
        boxes (B, K, 4) and labels (B, K); padding is 0 and -1.
    """
    boxes, names = boxes_xyxy_px[plan.rows], labels[plan.rows]  # (M, N, 4), (M, N)
    corners = (
        boxes.reshape(*names.shape, 2, 2) * plan.zoom_xy[:, None, None] + plan.shift_xy_px[:, None, None]
    )
    low, high = corners.min(axis=2), corners.max(axis=2)
    region = plan.region_xyxy_px[:, None]
    seen_low, seen_high = np.maximum(low, region[..., :2]), np.minimum(high, region[..., 2:])
    seen = np.maximum(seen_high - seen_low, 0.0).prod(axis=-1)
    whole = np.maximum((high - low).prod(axis=-1), 1e-6)
    keep = (names >= 0) & (seen >= MIN_VISIBLE * whole) & (seen > 1.0)

    out_boxes, out_labels = np.zeros((batch, slots, 4), np.float32), np.full((batch, slots), -1, np.int32)
    m, n = np.nonzero(keep)
    target = plan.picture[m]
    place = np.arange(len(m)) - np.searchsorted(
        target, target
    )  # rank among the kept boxes of the same picture
    out_boxes[target, place] = np.concatenate([seen_low[m, n], seen_high[m, n]], axis=-1)
    out_labels[target, place] = names[m, n]
    return out_boxes, out_labels


def projections(plan: Plan) -> FloatArray:
    """The tiles' maps as TensorFlow wants them: (M, 8), from output pixel indices to input pixel indices.

    With pixel i covering i..i+1: input = (output + 0.5 - shift) / zoom - 0.5.
    """
    scale = 1 / plan.zoom_xy
    start = (0.5 - plan.shift_xy_px) * scale - 0.5
    zero = np.zeros(len(scale))
    rows = [scale[:, 0], zero, start[:, 0], zero, scale[:, 1], start[:, 1], zero, zero]
    return np.stack(rows, axis=1).astype(np.float32)


def paint(tiles: Any, maps: Any, regions: Any, picture: Any, colour: Any, offset: Any, *, fill: float) -> Any:
    """Move, join and recolour pixels (TensorFlow, graph or eager).

    Args:
        tiles: (M, H, W, 3) uint8.
        maps: (M, 8) of `projections`.
        regions: (M, 4) int-valued xyxy px.
        picture: (M,) rising.
        colour: (B, 3, 3).
        offset: (B, 3).
        fill: level outside of a tile's picture.

    Returns:
        (B, H, W, 3) float32, 0..255.
    """
    import tensorflow as tf

    height, width = tiles.shape[1], tiles.shape[2]
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=tiles,
        transforms=maps,
        output_shape=[height, width],
        fill_value=fill,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    x, y = tf.range(width, dtype=tf.float32)[None, None, :], tf.range(height, dtype=tf.float32)[None, :, None]
    box = regions[:, :, None, None]
    inside = (x >= box[:, 0]) & (x < box[:, 2]) & (y >= box[:, 1]) & (y < box[:, 3])
    joined = tf.math.segment_sum(
        tf.cast(warped, tf.float32) * tf.cast(inside[..., None], tf.float32), picture
    )
    flat = tf.reshape(joined, (-1, height * width, 3))
    recoloured = tf.matmul(flat, colour) + offset[:, None]
    return tf.reshape(tf.clip_by_value(recoloured, 0.0, 255.0), (-1, height, width, 3))
