"""Columns of every table that passes between stages: the only place that knows names, dtypes, units."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


class SchemaError(ValueError):
    """A table is not what its schema says; the message names table, column, expected and found dtype."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        dtype: int64, float64, bool, str or binary (bytes, object in pandas).
        unit: what a value means.
        nullable: whether values may be missing.
    """

    dtype: str
    unit: str
    nullable: bool = False


IMAGE_ID = Column("int64", "number of the picture, from 1")
OBJECT_ID = Column("int64", "number of the object, from 1")
CATEGORY_ID = Column("int64", "number of the class, from 1")
LABEL = Column("str", "class name of the whole picture; missing where it has none", nullable=True)
SIDES = {
    "width_px": Column("int64", "of the upright original, pixels"),
    "height_px": Column("int64", "of the upright original, pixels"),
}
BOX = {
    "x_min_px": Column("float64", "left edge, pixels to the right"),
    "y_min_px": Column("float64", "upper edge, pixels down"),
    "x_max_px": Column("float64", "right edge, exclusive"),
    "y_max_px": Column("float64", "lower edge, exclusive"),
}
BOX_COLUMNS = list(BOX)
SPLITS = ("train", "valid", "test")
IS_CROWD = Column("bool", "the box surrounds many objects that were not labelled one by one")

TABLES: dict[str, dict[str, Column]] = {
    "images": {
        "image_id": IMAGE_ID,
        "file_name": Column("str", "unique; relative to the source, with /"),
        "sha256": Column("str", "of the encoded file, 64 hex digits"),
        "phash": Column("str", "perceptual hash of the upright pixels, 16 hex digits"),
        "phash_flipped": Column("str", "perceptual hash of the same pixels mirrored left to right"),
        "thumbnail": Column("binary", "levels of the picture reduced to 8 x 8, 192 bytes: row by row, R G B"),
        **SIDES,
        "mode": Column("str", "Pillow's name of the mode in which the file holds it"),
        "label": LABEL,
        "given_split": Column("str", "train, valid or test where the source says so", nullable=True),
        "given_group": Column("str", "what the source says belongs together", nullable=True),
    },
    "objects": {
        "object_id": OBJECT_ID,
        "image_id": IMAGE_ID,
        "category_id": CATEGORY_ID,
        **BOX,
        "is_crowd": IS_CROWD,
        "mask": Column("str", "counts of COCO's compressed run-length encoding", nullable=True),
    },
    "categories": {"category_id": CATEGORY_ID, "name": Column("str", "class name, unique")},
    "statistics": {
        "image_id": IMAGE_ID,
        "mean_level": Column("float64", "mean of the luma, 0..255"),
        "spread_level": Column("float64", "standard deviation of the luma, 0..127.5"),
        "sharpness": Column("float64", "variance of the luma's Laplacian, level squared"),
    },
    "quarantine": {
        "file_name": Column("str", "as the source names it"),
        "reason": Column("str", "why it cannot be used"),
        "bytes": Column("int64", "size of the file"),
    },
    "faults": {
        "file_name": Column("str", "the file at fault, relative to the source, with /"),
        "place": Column("str", "where in the file; empty for the whole file"),
        "kind": Column("str", "short name of the fault"),
        "action": Column("str", "set_aside or repaired"),
        "reason": Column("str", "what is wrong, and what was done"),
        "picture": Column("str", "file_name of the picture concerned", nullable=True),
    },
    "pictures": {
        "image_id": IMAGE_ID,
        "file_name": Column("str", "as in images"),
        "picture": Column("binary", "the encoded file as it came"),
    },
    "split": {
        "image_id": IMAGE_ID,
        "split": Column("str", "train, valid or test; missing where it is left out (kept.py)", nullable=True),
        "group": Column(
            "int64",
            "smallest image_id among a picture's group (near copies and what the source groups) and itself",
        ),
        "weight": Column("float64", "how often an epoch shows it, 1 = once; other than 1 in train only"),
    },
    "prepared_images": {
        "image_id": IMAGE_ID,
        "row": Column("int64", "position over all pixel shards of the split, from 0"),
        "label": LABEL,
        "weight": Column("float64", "as in split"),
        **SIDES,
        "scale_x": Column("float64", "prepared x = original x * scale_x + offset_x_px"),
        "scale_y": Column("float64", "prepared y = original y * scale_y + offset_y_px"),
        "offset_x_px": Column("float64", "prepared pixels"),
        "offset_y_px": Column("float64", "prepared pixels"),
    },
    "prepared_objects": {
        "object_id": OBJECT_ID,
        "image_id": IMAGE_ID,
        "category_id": CATEGORY_ID,
        **BOX,
        "is_crowd": IS_CROWD,
    },
    "predictions": {
        "image_id": IMAGE_ID,
        "category_id": CATEGORY_ID,
        "score": Column("float64", "0..1"),
        **BOX,
    },
}

ARROW = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "str": pa.string(),
    "binary": pa.binary(),
}


def get_columns(table: str) -> dict[str, Column]:
    """Columns of a table by its name in TABLES; raises SchemaError for an unknown one."""
    if table not in TABLES:
        raise SchemaError(f"Unknown table {table!r}; known are {', '.join(TABLES)}.")
    return TABLES[table]


def get_arrow_schema(table: str) -> pa.Schema:
    """Arrow schema of a table, without metadata."""
    return pa.schema(
        [pa.field(name, ARROW[column.dtype], column.nullable) for name, column in get_columns(table).items()]
    )


def check_schema(frame: pd.DataFrame, table: str) -> None:
    """Demand that a frame has exactly a table's columns in their order, of their dtypes, without forbidden
    nulls.

    Raises:
        SchemaError: naming table, column, expected and found dtype of every fault.
    """
    columns = get_columns(table)
    faults = [f"column {name}: expected {column.dtype}, found none" for name, column in columns.items()
              if name not in frame.columns]  # fmt: skip
    faults += [
        f"column {name}: expected none, found {frame[name].dtype}"
        for name in frame.columns
        if name not in columns
    ]
    if not faults and list(frame.columns) != list(columns):
        faults = [f"columns in the order {', '.join(map(str, frame.columns))}; expected {', '.join(columns)}"]
    for name, column in columns.items():
        if name in frame.columns:
            faults += find_column_faults(frame[name], name, column)
    if faults:
        raise SchemaError(f"Table {table}: " + "; ".join(faults) + ".")


def find_column_faults(values: pd.Series[Any], name: str, column: Column) -> list[str]:
    """What is wrong with one column, as sentences."""
    expected = "object" if column.dtype == "binary" else column.dtype
    if str(values.dtype) != expected:
        return [f"column {name}: expected {column.dtype}, found {values.dtype}"]
    missing = int(values.isna().sum())
    if missing and not column.nullable:
        return [f"column {name}: expected {column.dtype} without nulls, found {missing} nulls"]
    return []


def build_frame(rows: list[tuple[object, ...]], table: str) -> pd.DataFrame:
    """A frame of a table from rows in its column order; right dtypes also where there are no rows."""
    arrays = [
        pa.array([row[place] for row in rows], ARROW[column.dtype])
        for place, column in enumerate(get_columns(table).values())
    ]
    frame: pd.DataFrame = pa.Table.from_arrays(arrays, schema=get_arrow_schema(table)).to_pandas()
    check_schema(frame, table)
    return frame


def write_table(frame: pd.DataFrame, table: str, path: Path) -> None:
    """Write a frame as Parquet: the same bytes for the same content.

    No pandas metadata (it holds versions and the index), one fixed compression and row-group size.

    Raises:
        SchemaError: the frame is not such a table.
    """
    check_schema(frame, table)
    content = pa.Table.from_pandas(frame, get_arrow_schema(table), preserve_index=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content.replace_schema_metadata(None), path, compression="zstd", row_group_size=65536)


def read_table(table: str, path: Path) -> pd.DataFrame:
    """Read a table that write_table wrote.

    Raises:
        SchemaError: the file is damaged, or holds other columns.
        FileNotFoundError: there is no such file.
    """
    with name_damage(path):
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
    check_schema(frame, table)
    return frame


@contextmanager
def name_damage(path: Path) -> Iterator[None]:
    """Arrow tells of a file that is missing or damaged in errors of its own: say which, and what to do."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if not path.exists():
            raise FileNotFoundError(f"{path.as_posix()} is missing: run `dvc repro`.") from error
        raise SchemaError(
            f"{path.as_posix()} is damaged ({error}): delete it and run `dvc repro`, which writes it anew."
        ) from error
