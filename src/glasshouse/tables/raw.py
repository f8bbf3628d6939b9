"""The raw data set as `download` leaves it: its tables, and its shards of encoded pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from glasshouse.tables.schema import name_damage, read_table

TABLES = ("images", "objects", "categories", "statistics", "quarantine", "faults")


@dataclass(frozen=True, slots=True)
class Raw:
    """The tables of a raw data set, as docs/architecture.md lists them."""

    images: pd.DataFrame
    objects: pd.DataFrame
    categories: pd.DataFrame
    statistics: pd.DataFrame
    quarantine: pd.DataFrame
    faults: pd.DataFrame


def read_raw(folder: Path) -> Raw:
    """The tables that write_raw wrote.

    Raises:
        FileNotFoundError: a table is missing.
        SchemaError: a file is damaged, or holds other columns.
    """
    return Raw(*(read_table(table, folder / f"{table}.parquet") for table in TABLES))


def iter_pictures(folder: Path) -> Iterator[tuple[int, str, bytes]]:
    """(image_id, file_name, encoded picture) in rising image_id, one row group in memory at a time.

    Raises:
        FileNotFoundError: a shard is missing.
        SchemaError: a shard is damaged.
    """
    for path in list_shards(folder):
        with name_damage(path):
            shard = pq.ParquetFile(path)
        with shard:
            for number in range(shard.num_row_groups):
                with name_damage(path):
                    columns = shard.read_row_group(number).to_pydict()
                yield from zip(columns["image_id"], columns["file_name"], columns["picture"], strict=True)


def list_shards(folder: Path) -> list[Path]:
    """Paths of the picture shards in order; raises FileNotFoundError where one is missing."""
    paths = sorted(folder.glob("pictures-*-of-*.parquet"))
    total = int(paths[0].stem.rsplit("-", 1)[1]) if paths else 1
    wanted = [folder / f"pictures-{number:05d}-of-{total:05d}.parquet" for number in range(total)]
    missing = [path.name for path in wanted if path not in paths]
    if missing:
        raise FileNotFoundError(f"{folder}: picture shard {missing[0]} is missing; run `dvc repro download`.")
    return wanted
