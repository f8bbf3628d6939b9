"""Losses of single numbers, from which heads build theirs."""

from __future__ import annotations

from typing import Any

from glasshouse.models.lazy import ops


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """Cross-entropy of sigmoid(logits) with targets in 0..1, element by element; finite for finite logits."""
    return ops.maximum(logits, 0.0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))


def smooth_l1(errors: Any) -> Any:
    """Half the square of an error up to 1, beyond it the error less a half (Girshick, arXiv:1504.08083)."""
    size = ops.abs(errors)
    inner = ops.minimum(size, 1.0)
    return inner * (size - 0.5 * inner)
