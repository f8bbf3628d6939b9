"""Which grid point learns which object: task-aligned assignment.

Source: Feng et al., "TOOD: Task-aligned One-stage Object Detection", arXiv:2108.07755, section 3.3.
"""

from __future__ import annotations

from typing import Any

from glasshouse.models.lazy import ops


def pairwise_iou(a: Any, b: Any) -> Any:
    """Intersection over union of every box of `a` with every box of `b`.

    Args:
        a: (B, N, 4) xyxy.
        b: (B, A, 4) xyxy.

    Returns:
        (B, N, A) in 0..1; 0 where either box is empty.
    """
    # Side by side, not as a last axis of two: along so short a one TensorFlow broadcasts ten times as slowly.
    a_left, a_top, a_right, a_bottom = ops.unstack(a[:, :, None, :], axis=-1)  # (B, N, 1)
    b_left, b_top, b_right, b_bottom = ops.unstack(b[:, None, :, :], axis=-1)  # (B, 1, A)
    width = ops.maximum(ops.minimum(a_right, b_right) - ops.maximum(a_left, b_left), 0.0)
    height = ops.maximum(ops.minimum(a_bottom, b_bottom) - ops.maximum(a_top, b_top), 0.0)
    intersection = width * height
    area_a = ops.maximum(a_right - a_left, 0.0) * ops.maximum(a_bottom - a_top, 0.0)
    area_b = ops.maximum(b_right - b_left, 0.0) * ops.maximum(b_bottom - b_top, 0.0)
    return intersection / ops.maximum(area_a + area_b - intersection, 1e-7)


def _hold(boxes: Any, points: Any, reach_px: float) -> Any:
    """Which boxes (B, N, 4) hold which points (A, 2), were each as long as reach_px to every side at least:
    bool (B, N, A)."""
    left, top, right, bottom = ops.unstack(boxes[:, :, None, :], axis=-1)  # (B, N, 1)
    near_x = ops.abs(points[:, 0] - (left + right) / 2) < ops.maximum((right - left) / 2, reach_px)
    near_y = ops.abs(points[:, 1] - (top + bottom) / 2) < ops.maximum((bottom - top) / 2, reach_px)
    return ops.logical_and(near_x, near_y)


def assign(
    scores: Any,
    boxes: Any,
    centres: Any,
    truth_boxes: Any,
    truth_one_hot: Any,
    *,
    reach_px: float,
    top_k: int = 10,
) -> tuple[Any, Any, Any]:
    """Give each object the `top_k` points inside it that already score and overlap best.

    The alignment of point a with object n is t = score^0.5 * IoU^6: the overlap weighs as in the paper, the
    score less, since scores start near zero. Targets are scaled so that an object's best point is asked for
    its best IoU.

    Args:
        scores: (B, A, C) class scores, 0..1, without gradient.
        boxes: (B, A, 4) predicted boxes xyxy px, without gradient.
        centres: (A, 2) points x, y px.
        truth_boxes: (B, N, 4) xyxy px.
        truth_one_hot: (B, N, C); all zero for padding.
        reach_px: an object is taken to reach at least so far from its own centre, so that the smallest still
            holds a point.
        top_k: points an object may have.

    Returns:
        target_boxes (B, A, 4) xyxy px, target_scores (B, A, C) in 0..1, and the object's index of each point
        (B, A) int32, -1 for background.
    """
    inside = _hold(truth_boxes, centres, reach_px)  # (B, N, A)
    real = ops.any(truth_one_hot > 0, axis=-1)  # (B, N)
    candidate = ops.cast(ops.logical_and(inside, real[:, :, None]), boxes.dtype)

    overlap = pairwise_iou(truth_boxes, boxes) * candidate  # (B, N, A)
    score = ops.matmul(truth_one_hot, ops.transpose(scores, (0, 2, 1)))  # (B, N, A): each object's own class
    # Products, where a general power takes ten times as long.
    alignment = ops.sqrt(ops.maximum(score, 1e-9)) * ops.square(overlap * overlap * overlap)
    alignment = (alignment + 1e-12) * candidate

    kth = ops.top_k(alignment, min(top_k, int(centres.shape[0])))[0][..., -1:]
    chosen = ops.logical_and(alignment >= kth, candidate > 0)
    # A point that several objects want goes to the one it overlaps most.
    wanted = ops.where(chosen, overlap + 1e-6, 0.0)
    owner = ops.argmax(wanted, axis=1)  # (B, A)
    owned = ops.max(wanted, axis=1) > 0
    keep = ops.cast(ops.one_hot(owner, truth_boxes.shape[1], axis=1), boxes.dtype) * ops.cast(
        chosen, boxes.dtype
    )  # (B, N, A)

    kept = alignment * keep
    scale = ops.max(overlap * keep, axis=-1, keepdims=True) / ops.maximum(
        ops.max(kept, axis=-1, keepdims=True), 1e-12
    )
    quality = kept * scale  # (B, N, A)
    target_scores = ops.matmul(ops.transpose(quality, (0, 2, 1)), truth_one_hot)
    target_boxes = ops.matmul(ops.transpose(keep, (0, 2, 1)), truth_boxes)
    return target_boxes, target_scores, ops.where(owned, ops.cast(owner, "int32"), -1)
