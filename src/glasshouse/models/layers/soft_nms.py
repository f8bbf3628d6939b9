"""Soft non-maximum suppression: an overlapped box loses score instead of its place.

Source: Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code", arXiv:1704.04503.
"""

from __future__ import annotations

from typing import Any

from keras import ops


def soften(boxes_xyxy_px: Any, scores: Any, labels: Any, *, sigma: float, rounds: int) -> Any:
    """Scores after suppression with the Gaussian penalty.

    The best candidate left is taken, and every other of its class keeps exp(-IoU^2 / sigma) of its score; and
    so on. What is taken falls in score from round to round, so the first `rounds` are the best of all.

    Args:
        boxes_xyxy_px: (B, K, 4).
        scores: (B, K) above or equal 0; below 0 for no candidate.
        labels: (B, K) int32; classes do not touch each other.
        sigma: above 0; the smaller, the harder.
        rounds: how many are taken.

    Returns:
        (B, K) the score at which each candidate was taken; -1 for those that were not.
    """
    count = int(scores.shape[1])
    kept = ops.reshape(keep_share(boxes_xyxy_px, labels, sigma), (-1, count))  # (B * K, K)
    first = ops.arange(ops.shape(scores)[0], dtype="int32") * count
    numbers = ops.arange(count, dtype="int32")

    def take(step: Any, left: Any, taken: Any) -> tuple[Any, Any, Any]:
        # Not argmax: Keras's looks at the sign of zeros by bits, for which LiteRT has no operator.
        best = ops.cast(ops.top_k(left, k=1)[1][:, 0], "int32")  # (B,)
        chosen = ops.logical_and(ops.expand_dims(best, 1) == numbers, left >= 0)  # one a row, or none
        share = ops.take(kept, first + best, axis=0)  # (B, K)
        rest = ops.where(left >= 0, left * share, -1.0)  # -1 times a share of 0 would be a candidate again
        return step + 1, ops.where(chosen, -1.0, rest), ops.where(chosen, left, taken)

    def go_on(step: Any, left: Any, taken: Any) -> Any:
        del taken
        return ops.logical_and(step < min(rounds, count), ops.any(left >= 0))

    none = ops.full_like(scores, -1.0)
    return ops.while_loop(go_on, take, (ops.convert_to_tensor(0, dtype="int32"), scores, none))[2]


def keep_share(boxes_xyxy_px: Any, labels: Any, sigma: float) -> Any:
    """(B, K, K) share of its score that candidate [:, i] keeps when [:, j] is taken: exp(-IoU^2 / sigma)
    within a class, else 1."""
    low = ops.maximum(boxes_xyxy_px[:, :, None, :2], boxes_xyxy_px[:, None, :, :2])
    high = ops.minimum(boxes_xyxy_px[:, :, None, 2:], boxes_xyxy_px[:, None, :, 2:])
    shared = ops.prod(ops.maximum(high - low, 0.0), axis=-1)
    area = ops.prod(ops.maximum(boxes_xyxy_px[..., 2:] - boxes_xyxy_px[..., :2], 0.0), axis=-1)
    iou = shared / ops.maximum(area[:, :, None] + area[:, None, :] - shared, 1e-9)
    same = labels[:, :, None] == labels[:, None, :]
    return ops.where(same, ops.exp(-ops.square(iou) / sigma), 1.0)
