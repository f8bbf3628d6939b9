"""The tables of all prepared splits together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.inputs.pixel_shards import list_pixel_shards
from glasshouse.inputs.prepared import open_prepared

SPLITS = ("train", "valid", "test")


def read_manifest(folder: Path) -> dict[str, pd.DataFrame]:
    """`prepared_images` and `prepared_objects` of every split that is there, with a column `split`.

    Args:
        folder: what `write_prepared` wrote.

    Raises:
        FileNotFoundError: the folder holds no split.
    """
    splits = {name: open_prepared(folder, name) for name in _list_splits(folder)}
    return {
        "prepared_images": pd.concat(
            [part.images.assign(split=name) for name, part in splits.items()], ignore_index=True
        ),
        "prepared_objects": pd.concat(
            [part.objects.assign(split=name) for name, part in splits.items()], ignore_index=True
        ),
    }


def read_shards(folder: Path) -> dict[str, list[NDArray[np.uint8]]]:
    """The pixel shards of every split that is there, mapped: split -> arrays (n, H, W, 3) uint8."""
    return {
        name: [np.load(path, mmap_mode="r") for path in list_pixel_shards(folder / name)]
        for name in _list_splits(folder)
    }


def _list_splits(folder: Path) -> list[str]:
    found = [name for name in SPLITS if (folder / name).is_dir()]
    if not found:
        raise FileNotFoundError(f"{folder} holds no split; run `dvc repro preprocess`.")
    return found
