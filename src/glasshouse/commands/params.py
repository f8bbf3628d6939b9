"""`glasshouse params check`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glasshouse.params import STAGE_KEYS, flatten, read_params


def check(_options: Namespace) -> int:
    """Say that params.yaml is sound.

    Raises:
        ParamsError: all its faults.
        ValueError: severities are set of checks that are not there.
    """
    path = Path("params.yaml")
    params = read_params(path)
    if any(getattr(params.quality, stage).severity for stage in STAGE_KEYS):
        from glasshouse.quality.checking.guard import check_severities

        check_severities(params.quality)
    print(f"{path} is sound: {len(flatten(params))} values.")
    return 0
