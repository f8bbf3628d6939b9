"""Augmentation, the part that draws random numbers; `moving` moves boxes by them, `painting` the pixels.

Every picture of a batch is one affine map (flip, zoom, shift, crop, turn) of one picture, or of four
(mosaic), then perhaps objects pasted from another picture (`pasting`), then one affine map of its colours,
and at last perhaps a mixture with another picture of the batch (mix-up; Zhang et al., arXiv:1710.09412).
Boxes go through the very same numbers. All randomness of a batch comes from one generator, so a batch is a
pure function of (seed, step).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glasshouse.params import Augment

FloatArray = NDArray[np.float32]

MOSAIC_CENTRE = (0.3, 0.7)  # where the four pictures meet, share of the side
MOSAIC_SHRINK = 0.75  # tiles are drawn this much smaller than single pictures would be
CROP_AREA, CROP_RATIO = (0.3, 1.0), (3 / 4, 4 / 3)  # share of the picture; width to height, as in GoogLeNet's
MIX_BETA = 8.0  # shape of the mixture's share, Beta(8, 8): near one half, as detectors want it
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma weights, ITU-R BT.601


@dataclass(frozen=True)
class Plan:
    """How a batch of B pictures is made of M tiles, in rising order of picture.

    rows (M,): which prepared picture.  picture (M,): which of the batch it goes to.  matrix (M, 2, 2),
    shift_xy_px (M, 2): output point = matrix @ input point + shift.  region_xyxy_px (M, 4): the part of the
    output that it fills.  colour (B, 3, 3), offset (B, 3): output = input @ colour + offset.  partner (B,),
    share (B,): the picture is share * itself + (1 - share) * partner; share 1 for no mixture.
    """

    rows: NDArray[np.int64]
    picture: NDArray[np.int64]
    matrix: FloatArray
    shift_xy_px: FloatArray
    region_xyxy_px: FloatArray
    colour: FloatArray
    offset: FloatArray
    partner: NDArray[np.int64]
    share: FloatArray


def draw_plan(
    rng: np.random.Generator,
    rows: NDArray[np.int64],
    pictures: int,
    size: tuple[int, int],
    augment: Augment,
    *,
    composed: bool,
) -> Plan:
    """Draw what happens to a batch.

    Args:
        rng: the batch's own generator.
        rows: (B,) pictures of the batch.
        pictures: number of pictures that mosaics may take from.
        size: (height, width) px, of input and output.
        augment: probabilities and ranges.
        composed: whether mosaics and mixtures are wanted at all.
    """
    batch, side = len(rows), np.array(size[::-1], np.float32)
    count = np.where(rng.random(batch) < (augment.mosaic if composed else 0.0), 4, 1)
    picture = np.repeat(np.arange(batch), count)
    tile = np.concatenate([np.arange(n) for n in count])
    partners = rng.integers(0, pictures, len(picture))
    is_mosaic = count[picture] == 4

    zoom = draw_zoom(rng, len(picture), augment) * np.where(is_mosaic, MOSAIC_SHRINK, 1.0)[:, None]
    low, high, left_top = place_tiles(rng, zoom * side, tile, is_mosaic, picture, side, augment.translate)
    zoom, left_top = draw_crops(rng, zoom, left_top, ~is_mosaic, side, augment.crop)
    mirror = np.where(rng.random(len(picture)) < augment.flip, -1.0, 1.0)
    matrix, shift = mirror_and_turn(
        zoom, left_top, side, mirror, np.where(is_mosaic, 0.0, draw_angles(rng, len(picture), augment.rotate))
    )
    colour, offset = draw_colours(rng, batch, augment)
    partner, share = draw_mixture(rng, batch, augment.mix_up if composed else 0.0)
    return Plan(
        rows=np.where(tile == 0, rows[picture], partners),
        picture=picture,
        matrix=matrix.astype(np.float32),
        shift_xy_px=shift.astype(np.float32),
        region_xyxy_px=np.round(np.concatenate([low, high], axis=1)).astype(np.float32),
        colour=colour,
        offset=offset,
        partner=partner,
        share=share,
    )


def resize_plan(plan: Plan, factor_xy: tuple[float, float]) -> Plan:
    """The same plan for an output `factor_xy` times as wide and high."""
    factor = np.array(factor_xy, np.float32)
    return replace(
        plan,
        matrix=plan.matrix * factor[:, None],
        shift_xy_px=plan.shift_xy_px * factor,
        region_xyxy_px=np.round(plan.region_xyxy_px * np.tile(factor, 2)),
    )


def draw_zoom(rng: np.random.Generator, tiles: int, augment: Augment) -> NDArray[np.float64]:
    """Zoom factors (tiles, 2), the same along both axes, even on a logarithmic scale."""
    low, high = (math.log(factor) for factor in augment.scale)
    return np.repeat(np.exp(rng.uniform(low, high, (tiles, 1))), 2, axis=1)


def draw_angles(rng: np.random.Generator, tiles: int, most_degrees: float) -> NDArray[np.float64]:
    """Angles (tiles,) in radians, within +- most_degrees."""
    return np.radians(rng.uniform(-most_degrees, most_degrees, tiles))


def place_tiles(
    rng: np.random.Generator,
    extent: NDArray[np.float64],
    tile: NDArray[np.int64],
    is_mosaic: NDArray[np.bool_],
    picture: NDArray[np.int64],
    side: FloatArray,
    translate: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where each tile of an extent (M, 2) px comes to lie: low and high corner of its region, left top.

    A single picture is zoomed about its centre and shifted; a mosaic tile's inner corner lies where the four
    meet, moved outwards by a part of what would be cut off, so that middles of pictures are seen as often as
    corners.
    """
    batch = int(picture[-1]) + 1
    meet = rng.uniform(*MOSAIC_CENTRE, (batch, 2))[picture] * side
    after = np.stack([tile % 2 == 1, tile // 2 == 1], axis=1)  # right of, below where they meet
    low = np.where(is_mosaic[:, None] & after, meet, 0.0)
    high = np.where(is_mosaic[:, None] & ~after, meet, side)
    slack = np.maximum(extent - (high - low), 0.0) * rng.uniform(0.0, 1.0, extent.shape)
    corner = np.where(after, low - slack, high - extent + slack)
    single = side / 2 - extent / 2 + rng.uniform(-translate, translate, extent.shape) * side
    return low, high, np.where(is_mosaic[:, None], corner, single)


def draw_crops(
    rng: np.random.Generator,
    zoom: NDArray[np.float64],
    left_top: NDArray[np.float64],
    able: NDArray[np.bool_],
    side: FloatArray,
    probability: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Zoom and left top of every tile, where drawn those of a random part of the picture that fills it all.

    Area and ratio as Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842, section 6, but no
    less than 30 % of the area: objects have to stay.
    """
    tiles = len(zoom)
    drawn = able & (rng.random(tiles) < probability)
    area = rng.uniform(*CROP_AREA, tiles)
    ratio = np.exp(rng.uniform(math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1]), tiles))
    share = np.minimum(np.sqrt(np.stack([area * ratio, area / ratio], axis=1)), 1.0)
    cropped_zoom = 1.0 / share
    cropped_at = -rng.uniform(0.0, 1.0, (tiles, 2)) * (1.0 - share) * side * cropped_zoom
    chosen = drawn[:, None]
    return np.where(chosen, cropped_zoom, zoom), np.where(chosen, cropped_at, left_top)


def mirror_and_turn(
    zoom: NDArray[np.float64],
    left_top: NDArray[np.float64],
    side: FloatArray,
    mirror: NDArray[np.float64],
    angle: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The whole map of every tile: zoom, mirror left to right where -1, turn by an angle about the centre of
    the output, y down."""
    zoom_xy = zoom * np.stack([mirror, np.ones_like(mirror)], axis=1)
    shift = left_top + np.where(zoom_xy < 0, zoom * side, 0.0)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)  # (M, 2, 2)
    centre = side / 2
    return turn * zoom_xy[:, None, :], np.einsum("mij,mj->mi", turn, shift - centre) + centre


def draw_mixture(
    rng: np.random.Generator, batch: int, probability: float
) -> tuple[NDArray[np.int64], FloatArray]:
    """Partner and share of every picture; share 1 where it is not mixed.

    Never with the share below one half: the picture that the row names stays the main one.
    """
    partner = rng.permutation(batch)
    share = rng.beta(MIX_BETA, MIX_BETA, batch)
    mixed = (rng.random(batch) < probability) & (partner != np.arange(batch))
    return partner, np.where(mixed, np.maximum(share, 1 - share), 1.0).astype(np.float32)


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
