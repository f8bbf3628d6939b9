"""`glasshouse params check`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glasshouse.params import flatten, read_params


def check(_options: Namespace) -> int:
    """Say that params.yaml is sound; its faults come as one ParamsError."""
    path = Path("params.yaml")
    print(f"{path} is sound: {len(flatten(read_params(path)))} values.")
    return 0
