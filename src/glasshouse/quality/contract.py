"""The contract of a stage's tables as checks: handed over, columns there, of their kind, filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from pandas.api import types

from glasshouse.quality.checks import Check, Column, Table
from glasshouse.quality.expect import filled, row_count, true

_HANDED, _COLUMNS = "handed_tables", "handed_columns"
_WHERE = "Compare the table that the stage's script hands to its guard with docs/architecture.md."


def complete_tables(handed: Mapping[str, pd.DataFrame], contract: Sequence[Table]) -> dict[str, pd.DataFrame]:
    """The handed tables, with an empty one for each optional table that was left out."""
    absent = {table.name: _empty(table) for table in contract if table.optional and table.name not in handed}
    return {**handed, **absent}


def describe_tables(tables: Mapping[str, pd.DataFrame], contract: Sequence[Table]) -> dict[str, pd.DataFrame]:
    """Two frames about the tables: `handed_tables` and `handed_columns`, with one row a demanded column."""
    handed = pd.DataFrame({"table": [table.name for table in contract]})
    handed["handed"] = handed["table"].isin(list(tables)).astype(bool)
    rows = [
        {
            "table": table.name,
            "column": column.name,
            "wanted": column.kind,
            **_describe(tables[table.name], column),
        }
        for table in contract
        if table.name in tables
        for column in table.columns
    ]
    columns = pd.DataFrame(rows, columns=["table", "column", "wanted", "found", "fits"])
    return {_HANDED: handed, _COLUMNS: columns}


def contract_checks(tables: Mapping[str, pd.DataFrame], contract: Sequence[Table]) -> tuple[Check, ...]:
    """The checks of the contract that can be put to `tables`: none on a column that is not there."""
    checks = [
        Check(
            "tables_handed",
            _HANDED,
            true("handed"),
            f"The stage must hand over this table. {_WHERE}",
            rows=("table",),
        ),
        Check(
            "columns_present",
            _COLUMNS,
            filled("found"),
            f"The column is missing or misspelt. {_WHERE}",
            rows=("table", "column"),
        ),
        Check(
            "column_kinds",
            _COLUMNS,
            true("fits"),
            f"The column holds another kind of value. {_WHERE}",
            rows=("table", "column", "wanted", "found"),
        ),
    ]
    for table in contract:
        if table.name in tables:
            checks.extend(_table_checks(table, tables[table.name]))
    return tuple(checks)


def _table_checks(table: Table, frame: pd.DataFrame) -> list[Check]:
    present = [column for column in table.columns if column.name in frame]
    identity = tuple(
        column.name for column in present if column.name.endswith(("_id", "name", "epoch", "split"))
    )
    checks = [
        Check(
            f"{table.name}_{column.name}_filled", table.name, filled(column.name), table.remedy, rows=identity
        )
        for column in present
        if not column.nullable
    ]
    if table.min_rows:
        expectation = row_count(table.min_rows)
        remedy = f"{table.name} is empty: the stage has written nothing that could be checked or used."
        checks.insert(0, Check(f"{table.name}_rows", table.name, expectation, remedy))
    return checks


def _describe(frame: pd.DataFrame, column: Column) -> dict[str, str | bool | None]:
    if column.name not in frame:
        return {"found": None, "fits": True}
    found = _kind(frame[column.name])
    # A column without a value has no kind of its own; its nulls and its rows are other checks' business.
    fits = found in (column.kind, "nothing") or (column.kind == "number" and found == "integer")
    return {"found": found, "fits": fits}


def _kind(values: pd.Series) -> str:
    filled = values.dropna()
    if filled.empty:
        return "nothing"
    if len(filled) < len(values) and types.is_float_dtype(filled) and (filled % 1 == 0).all():
        return "integer"  # pandas turns integers into floats where one of them is missing
    inferred = types.infer_dtype(filled, skipna=True)
    names = {"integer": "integer", "floating": "number", "mixed-integer-float": "number", "string": "text"}
    return names.get(inferred, "flag" if inferred == "boolean" else inferred)


def _empty(table: Table) -> pd.DataFrame:
    dtypes = {"integer": "int64", "number": "float64", "text": "str", "flag": "bool"}
    return pd.DataFrame({column.name: pd.Series(dtype=dtypes[column.kind]) for column in table.columns})
