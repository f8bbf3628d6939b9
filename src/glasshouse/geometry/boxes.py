"""Axis-parallel boxes as arrays (..., 4), in pixel-edge coordinates: x right, y down, the maximum exclusive.

A box that covers exactly the pixel in the upper left corner is (0, 0, 1, 1). Every function takes any number
of leading axes, computes in float64, or float32 where all that it is given is float32, and leaves its
arguments as they were.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.floating[Any]]


def as_boxes(boxes: ArrayLike) -> Boxes:
    """Boxes as a float array (..., 4); an empty list becomes (0, 4).

    Raises:
        ValueError: the last axis does not hold four numbers.
    """
    array = np.asarray(boxes)
    if array.size == 0 and array.ndim == 1:
        array = array.reshape(0, 4)
    if array.ndim == 0 or array.shape[-1] != 4:
        raise ValueError(f"Boxes must have the shape (..., 4). Got {array.shape} instead.")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def are_valid(boxes_xyxy: ArrayLike) -> NDArray[np.bool_]:
    """(...,) True where all four numbers are finite and width and height are above zero."""
    boxes = as_boxes(boxes_xyxy)
    return np.isfinite(boxes).all(-1) & (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])


def compute_areas(boxes_xyxy: ArrayLike) -> Boxes:
    """(...,) areas, in the square of the boxes' unit; a box with a negative side has the area 0."""
    boxes = as_boxes(boxes_xyxy)
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)  # type: ignore[no-any-return]


def intersect_pairs(boxes_xyxy: ArrayLike, others_xyxy: ArrayLike) -> Boxes:
    """Intersection areas of all pairs: (..., N, 4) and (..., M, 4) to (..., N, M)."""
    boxes, others = as_boxes(boxes_xyxy)[..., :, None, :], as_boxes(others_xyxy)[..., None, :, :]
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    return np.prod(np.maximum(high - low, 0), axis=-1)  # type: ignore[no-any-return]


def compute_iou_matrix(boxes_xyxy: ArrayLike, others_xyxy: ArrayLike) -> Boxes:
    """Intersection over union of all pairs: (..., N, 4) and (..., M, 4) to (..., N, M), 0..1.

    Two boxes without area have an IoU of 0, also where they are equal.
    """
    shared = intersect_pairs(boxes_xyxy, others_xyxy)
    union = compute_areas(boxes_xyxy)[..., :, None] + compute_areas(others_xyxy)[..., None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip_boxes(boxes_xyxy_px: ArrayLike, height_px: float, width_px: float) -> Boxes:
    """Boxes cut at the edges of a picture of (height_px, width_px); one outside is left without area."""
    limits = np.array([width_px, height_px, width_px, height_px])
    boxes = as_boxes(boxes_xyxy_px)
    return np.clip(boxes, 0, limits.astype(boxes.dtype))


def xyxy_to_xywh(boxes_xyxy: ArrayLike) -> Boxes:
    """(x min, y min, x max, y max) to (x min, y min, width, height), the format of COCO files."""
    boxes = as_boxes(boxes_xyxy)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def xywh_to_xyxy(boxes_xywh: ArrayLike) -> Boxes:
    """(x min, y min, width, height) to (x min, y min, x max, y max)."""
    boxes = as_boxes(boxes_xywh)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_cxcywh(boxes_xyxy: ArrayLike) -> Boxes:
    """(x min, y min, x max, y max) to (x centre, y centre, width, height), the format of YOLO files."""
    boxes = as_boxes(boxes_xyxy)
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], axis=-1)


def cxcywh_to_xyxy(boxes_cxcywh: ArrayLike) -> Boxes:
    """(x centre, y centre, width, height) to (x min, y min, x max, y max)."""
    boxes = as_boxes(boxes_cxcywh)
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def move_boxes(boxes_xyxy: ArrayLike, scale_xy: ArrayLike, offset_xy: ArrayLike) -> Boxes:
    """Boxes under the axis-parallel affine map x -> x * scale + offset; a negative scale mirrors.

    Args:
        boxes_xyxy: (..., 4).
        scale_xy: (2,), or (..., 2) for a map of its own for every box.
        offset_xy: as scale_xy, in the unit of the result.
    """
    boxes = as_boxes(boxes_xyxy)
    scale, offset = (np.asarray(value, boxes.dtype)[..., None, :] for value in (scale_xy, offset_xy))
    corners = boxes.reshape(*boxes.shape[:-1], 2, 2) * scale + offset
    return np.concatenate([corners.min(-2), corners.max(-2)], axis=-1)
