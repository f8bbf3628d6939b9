"""Schemas: every fault named, every table the same bytes, and the architecture page in step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glasshouse.tables.schema import (
    TABLES,
    SchemaError,
    build_frame,
    check_schema,
    get_columns,
    read_table,
    write_table,
)

VALUES = {"int64": 3, "float64": 0.5, "bool": True, "str": "blüte", "binary": b"\x00\xff"}
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def fill(table: str, rows: int = 2, nulls: bool = False) -> pd.DataFrame:
    columns = get_columns(table).values()
    row = tuple(None if nulls and column.nullable else VALUES[column.dtype] for column in columns)
    return build_frame([row] * rows, table)


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.parametrize("table", TABLES)
def test_every_table_survives_its_file(table: str, rows: int, nulls: bool, tmp_path: Path) -> None:
    frame = fill(table, rows, nulls)
    write_table(frame, table, tmp_path / "a" / "t.parquet")
    pd.testing.assert_frame_equal(read_table(table, tmp_path / "a" / "t.parquet"), frame)


def test_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    frame = fill("objects", 5)
    write_table(frame, "objects", tmp_path / "one")
    odd = frame.set_index(pd.Index(list("vwxyz"), name="odd"))
    odd.attrs["note"] = "here"
    write_table(odd, "objects", tmp_path / "two")
    write_table(pd.concat([frame.iloc[:2], frame.iloc[2:]]), "objects", tmp_path / "three")
    assert len({(tmp_path / name).read_bytes() for name in ("one", "two", "three")}) == 1


def test_long_tables_are_cut_where_they_always_were(tmp_path: Path) -> None:
    """Row groups are part of the bytes by which DVC knows a table."""
    write_table(fill("categories", 2**16 + 1), "categories", tmp_path / "t.parquet")
    meta = pq.read_metadata(tmp_path / "t.parquet")
    assert [meta.row_group(number).num_rows for number in range(meta.num_row_groups)] == [65536, 1]
    assert meta.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: f.astype({"image_id": "int32"}), "column image_id: expected int64, found int32"),
        (lambda f: f.astype({"x_min_px": "float32"}), "column x_min_px: expected float64, found float32"),
        (lambda f: f.astype({"is_crowd": object}), "column is_crowd: expected bool, found object"),
        (lambda f: f.assign(mask=np.nan), "column mask: expected str, found float64"),
        (lambda f: f.drop(columns="category_id"), "column category_id: expected int64, found none"),
        (lambda f: f.assign(extra=1), "column extra: expected none, found int64"),
        (lambda f: f[[*f.columns[1:], f.columns[0]]], "columns in the order image_id"),
        (
            lambda f: f.assign(x_max_px=np.nan),
            "column x_max_px: expected float64 without nulls, found 2 nulls",
        ),
    ],
)
def test_a_fault_names_table_column_expected_and_found(change: object, message: str) -> None:
    with pytest.raises(SchemaError, match="Table objects: .*" + message):
        check_schema(change(fill("objects")), "objects")  # type: ignore[operator]


def test_all_faults_come_at_once() -> None:
    frame = fill("categories").astype({"category_id": "float64"}).drop(columns="name")
    with pytest.raises(SchemaError, match=r"name.*category_id"):
        check_schema(frame, "categories")


def test_a_file_of_another_table_is_refused(tmp_path: Path) -> None:
    write_table(fill("categories"), "categories", tmp_path / "t")
    with pytest.raises(SchemaError, match="Table split"):
        read_table("split", tmp_path / "t")
    with pytest.raises(SchemaError, match="known are images"):
        check_schema(fill("categories"), "pictures of cats")


def test_a_file_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(FileNotFoundError, match=r"t.parquet is missing: run `dvc repro`"):
        read_table("categories", path)
    write_table(fill("categories", rows=1000), "categories", path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:-100], whole[:20] + bytes(20) + whole[40:]):
        path.write_bytes(damaged)
        with pytest.raises(SchemaError, match=r"t.parquet is damaged .*writes it anew"):
            read_table("categories", path)


@pytest.mark.parametrize(
    "table, row",
    [
        *(
            (name, f"data/raw/{name}")
            for name in ("images", "objects", "categories", "statistics", "quarantine")
        ),
        ("pictures", "data/raw/pictures-"),
        ("split", "data/split"),
        ("prepared_images", "data/prepared/SPLIT/images"),
    ],
)
def test_the_architecture_page_names_every_column(table: str, row: str) -> None:
    line = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{row}"))
    assert [name for name in get_columns(table) if name not in line] == []
