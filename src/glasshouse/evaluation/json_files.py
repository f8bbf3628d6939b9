"""Strict, stable JSON: no NaN, one row a line, the same bytes every time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = 8  # behind the point: more than any score is known to, fewer than the last bits that may differ


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object, indented. Raises ValueError on NaN or infinity: give it through `rounded`."""
    _write(path, json.dumps(value, allow_nan=False, ensure_ascii=False, indent=2))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a list of objects, one a line."""
    _write(path, _rows(rows))


def write_tables(path: Path, tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Write an object of lists of objects, one row a line."""
    _write(
        path, "{" + ",\n".join(f"{json.dumps(name)}: {_rows(rows)}" for name, rows in tables.items()) + "}"
    )


def rounded(value: Any) -> Any:
    """The value in JSON's own types: numbers rounded to 8 digits, what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [rounded(item) for item in value]
    if isinstance(value, np.generic):
        return rounded(value.item())
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value


def _rows(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = [json.dumps(row, allow_nan=False, ensure_ascii=False) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
