"""A fault of params.yaml as a person reads it: line, dotted key, what is demanded, what was received."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `line` counts from 1 and is None where no line can be blamed, `key` is dotted or empty."""

    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line else "whole file"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ParamsError(ValueError):
    """All faults of one file, in the order of its lines."""

    def __init__(self, path: Path, faults: Iterable[Fault]) -> None:
        self.path = path
        self.faults = tuple(
            sorted(
                set(faults),
                key=lambda fault: (fault.line or 0, fault.key, fault.message),
            )
        )
        count = f"{len(self.faults)} fault{'s' if len(self.faults) > 1 else ''}"
        super().__init__("\n  ".join([f"{path} has {count}:", *map(str, self.faults)]))


def show(value: Any) -> str:
    """`value` as a person wrote it, with its kind where that could be mistaken."""
    if value is None:
        return "null (nothing)"
    if isinstance(value, bool):
        return f"{str(value).lower()} (a truth value)"
    if isinstance(value, str):
        return f"{_shorten(value)!r} (text)"
    if isinstance(value, dict):
        return f"a block of keys ({_shorten(', '.join(map(str, value)))})"
    return _shorten(str(value))


def suggest(name: str, valid: Iterable[str], others: Iterable[str] = ()) -> str:
    """A sentence with the valid name nearest to `name`, and all of them; `others` are valid, but no names:
    numbers that nobody misspells."""
    names = sorted(valid)
    nearest = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
    return f"{hint}Valid: {', '.join([*names, *others]) or 'none'}."


def _shorten(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
