"""What the aliases of a YAML text stand for: ten lines may repeat more values than any memory holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_REPEATED = 10_000  # values; honest files repeat a block or two


def demand_bounded(document: Any) -> None:
    """Demand that a document's aliases repeat no more than MOST_REPEATED values.

    Each list and block stands in memory once, however many aliases point at it; but whoever goes through all
    values, or prints them, meets it as often as that ("billion laughs").

    Args:
        document: as YAML was read: lists, blocks and plain values.

    Raises:
        ValueError: they repeat more; the message is a sentence.
    """
    sizes: dict[int, int] = {}  # of each list and block by its id, all that is in it included
    own = 0

    def measure(value: Any) -> int:
        nonlocal own
        if not isinstance(value, Mapping | list | tuple):
            return 1
        if id(value) not in sizes:
            sizes[id(value)] = 0  # until it is known: an alias may point at a block around it
            inner = list(value.values() if isinstance(value, Mapping) else value)
            own += 1 + sum(not isinstance(each, Mapping | list | tuple) for each in inner)
            sizes[id(value)] = 1 + sum(map(measure, inner))
        return sizes[id(value)]

    if measure(document) - own > MOST_REPEATED:
        raise ValueError(f"its aliases repeat more than {MOST_REPEATED:,} values: write out what is meant")
