"""The names that params.yaml gives to experiment and model, and those that every MLflow store takes."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from glasshouse.journal.pipeline import PARAMS, read_yaml
from glasshouse.params import Tracking


def read_names(root: Path) -> Tracking:
    """The block `tracking` alone, for what older states left behind is shown whatever else is wrong today.

    Raises:
        FileNotFoundError: `root` is no project's folder.
        ValueError: a name is missing, or no text.
    """
    path = root / PARAMS
    try:
        return Tracking.model_validate(read_yaml(path).get("tracking"))
    except ValidationError as error:
        raise ValueError(
            f"{path}: tracking must hold two texts, experiment and model_name: `glasshouse params check` "
            "names the line."
        ) from error


def make_legal(name: str, longest: int) -> str:
    """`name` with `_` for what some store refuses (a bracket, a slash, ...), cut to `longest` characters."""
    return re.sub(r"[^\w.\- ]", "_", name)[:longest]
