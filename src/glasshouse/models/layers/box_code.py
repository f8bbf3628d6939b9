"""Boxes as centre, height and width in shares of a frame, as the text's localiser learns them.

A code is (x, y, h, w): the centre in 0..1, the sizes in 0..1 or their square roots. Raw network outputs
become a code by a sigmoid on the centre; the sizes stay linear.
"""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.models.lazy import keras, ops

BoxLoss = Literal["mse", "huber", "ciou"]
HUBER_DELTA = 0.1  # codes lie in 0..1: with the usual delta of 1 no error would ever reach the linear part
START_SIZE = 0.3  # of the sides, before anything is learned


def encode_sizes(sizes: Any, square_root: bool) -> Any:
    """Shares of the side -> what the network is asked for; a root makes 10 px cost a big box less."""
    return ops.sqrt(ops.maximum(sizes, 0.0)) if square_root else sizes


def decode_sizes(coded: Any, square_root: bool) -> Any:
    """The inverse; a negative output has no meaning, its magnitude keeps a gradient everywhere."""
    return ops.square(coded) if square_root else ops.abs(coded)


def activate(raw: Any) -> Any:
    """Raw outputs (..., 4) -> codes: sigmoid centre, linear sizes."""
    return ops.concatenate([ops.sigmoid(raw[..., :2]), raw[..., 2:]], axis=-1)


def start_bias(square_root: bool) -> list[float]:
    """Bias of a fresh box output: the middle of the frame, START_SIZE of its sides."""
    return [0.0, 0.0, *[START_SIZE**0.5 if square_root else START_SIZE] * 2]


def to_centre_size(boxes_xyxy_px: Any, height_px: int, width_px: int) -> tuple[Any, Any]:
    """Boxes (..., 4) -> centres x, y (..., 2) and sizes h, w (..., 2), in shares of the picture."""
    low, high = boxes_xyxy_px[..., :2], boxes_xyxy_px[..., 2:]
    side = ops.convert_to_tensor([width_px, height_px], dtype="float32")
    return (low + high) / 2 / side, ops.flip((high - low) / side, axis=-1)


def from_centre_size(centres_xy: Any, sizes_hw: Any) -> Any:
    """Centres and sizes in shares -> boxes xyxy in the same shares, (..., 4)."""
    half = ops.flip(sizes_hw, axis=-1) / 2
    return ops.concatenate([centres_xy - half, centres_xy + half], axis=-1)


def code_error(kind: BoxLoss, code: Any, target: Any) -> Any:
    """Mean error of the four numbers, (...,): their square, or Huber's function with HUBER_DELTA."""
    error = ops.abs(code - target)
    if kind == "huber":
        linear = HUBER_DELTA * (error - HUBER_DELTA / 2)
        return ops.mean(ops.where(error < HUBER_DELTA, ops.square(error) / 2, linear), axis=-1)
    return ops.mean(ops.square(error), axis=-1)


def ciou_error(boxes_xyxy: Any, targets_xyxy: Any) -> Any:
    """1 - CIoU (Zheng et al., arXiv:1911.08287), (...,); the unit does not matter."""
    return 1.0 - keras.utils.bounding_boxes.compute_ciou(boxes_xyxy, targets_xyxy, "xyxy")
