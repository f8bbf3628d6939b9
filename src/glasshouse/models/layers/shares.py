"""How a picture or a place is shared among the classes."""

from __future__ import annotations

from typing import Any

from glasshouse.models.lazy import ops


def class_shares(logits: Any) -> Any:
    """Softmax over the classes, (..., C) -> (..., C).

    Of one class it is 1, exactly, which Keras would warn of as a likely mistake. Ones alone would cut the
    network off from its output: a converter leaves it out then, and finds nothing to bring to 8 bits.
    """
    if logits.shape[-1] == 1:
        return ops.exp(ops.log_softmax(logits, axis=-1))
    return ops.softmax(logits, axis=-1)
