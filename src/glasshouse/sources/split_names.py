"""The names under which data sets keep their own splits."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


def find_split(name: str) -> str | None:
    """train, valid or test for one of SPLIT_NAMES, letter case and a year behind it (val2017) aside."""
    return SPLIT_NAMES.get(re.sub(r"(?<=[a-z])(19|20)\d\d$", "", name.strip().casefold()))


def find_split_in(parts: Iterable[str]) -> str | None:
    """The split that the first part of a path with such a name stands for."""
    return next((split for split in map(find_split, parts) if split), None)


def find_split_word(name: str) -> str | None:
    """The only split that the words of a name speak of (train_labels, instances_val2017), or None."""
    found = {find_split(word) for word in re.findall(r"[a-z]+", name.lower())} - {None}
    return found.pop() if len(found) == 1 else None
