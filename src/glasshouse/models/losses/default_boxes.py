"""Which default box learns which object, and from which of the others a detector learns background.

Source: Liu et al., "SSD: Single Shot MultiBox Detector", arXiv:1512.02325, section 2.2.
"""

from __future__ import annotations

from typing import Any

from glasshouse.models.lazy import ops

ROUNDS = 3  # objects that find their best box taken look again so many times less one


def match(overlap: Any, real: Any, *, threshold: float) -> Any:
    """Give every box the object it overlaps most, if enough, and every object its best box in any case.

    Where two objects have one best box, the one that overlaps it more takes it, and the other takes its best
    of those still free.

    Args:
        overlap: (B, N, A) IoU of objects and default boxes.
        real: (B, N) bool, False for padding.
        threshold: IoU from which on a box is an object's.

    Returns:
        The object's index of each box (B, A) int32, -1 for background.
    """
    boxes, objects = int(overlap.shape[2]), int(overlap.shape[1])
    overlap = ops.where(real[:, :, None], overlap, -1.0)
    owner = ops.where(
        ops.max(overlap, axis=1) >= threshold, ops.cast(ops.argmax(overlap, axis=1), "int32"), -1
    )
    waiting, free = real, ops.ones_like(overlap[:, 0, :]) > 0  # (B, N), (B, A)
    for _ in range(ROUNDS):
        # An object that overlaps no box at all still gets one: zero is better than a taken or a padded one.
        open_overlap = ops.where(ops.logical_and(waiting[:, :, None], free[:, None, :]), overlap, -1.0)
        best = ops.one_hot(ops.argmax(open_overlap, axis=2), boxes, dtype="bool")  # (B, N, A)
        wish = ops.where(ops.logical_and(best, open_overlap >= 0.0), open_overlap, -1.0)
        winner = ops.cast(ops.argmax(wish, axis=1), "int32")
        won = ops.max(wish, axis=1) >= 0.0  # (B, A)
        owner = ops.where(won, winner, owner)
        free = ops.logical_and(free, ops.logical_not(won))
        served = ops.any(ops.one_hot(ops.where(won, winner, -1), objects, dtype="bool"), axis=1)  # (B, N)
        waiting = ops.logical_and(waiting, ops.logical_not(served))
    return owner


def mine_negatives(losses: Any, positive: Any, *, ratio: int) -> Any:
    """The background boxes that are hardest: `ratio` for every positive one of their picture.

    A picture without objects is mined as if it had one: it teaches what is no object.

    Args:
        losses: (B, A) of every box as background, without gradient.
        positive: (B, A) bool.
        ratio: negatives for a positive.

    Returns:
        (B, A) bool, never True where `positive` is.
    """
    wanted = ratio * ops.maximum(ops.sum(ops.cast(positive, "int32"), axis=1, keepdims=True), 1)
    order = ops.argsort(ops.where(positive, float("inf"), -losses), axis=1)
    rank = ops.cast(ops.argsort(order, axis=1), "int32")
    return ops.logical_and(rank < wanted, ops.logical_not(positive))
