"""Original pictures by their number, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from glasshouse.pictures.decode import decode_picture
from glasshouse.tables.raw import list_shards


def picture_reader(folder: Path) -> Callable[[int], NDArray[np.uint8]]:
    """A function image_id -> upright pixels (height, width, 3) uint8 of a picture in data/raw/.

    Args:
        folder: what `write_raw` wrote; its shards are indexed once, and one row group is read for each
            picture asked for. It raises KeyError for a number that none has.
    """
    places: dict[int, tuple[Path, int]] = {}
    for path in list_shards(folder):
        with pq.ParquetFile(path) as shard:
            for group in range(shard.num_row_groups):
                for image_id in shard.read_row_group(group, columns=["image_id"])["image_id"].to_pylist():
                    places[image_id] = path, group

    def read(image_id: int) -> NDArray[np.uint8]:
        if image_id not in places:
            raise KeyError(f"{folder} holds no picture with image_id {image_id}.")
        path, group = places[image_id]
        with pq.ParquetFile(path) as shard:
            rows = shard.read_row_group(group, columns=["image_id", "picture"])
        place = rows["image_id"].to_pylist().index(image_id)
        return decode_picture(rows["picture"][place].as_py()).pixels_rgb

    return read
