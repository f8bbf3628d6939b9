"""The contract of a stage's tables as checks: handed over, not empty, all columns there and filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api import types

from glasshouse.quality.checking.checks import Check, Column, Table
from glasshouse.quality.checking.expect import between, filled, greater, true

NAMED_GAPS = 10  # rows without a value that are named for each column
# Ends of the columns that tell which row it is.
_NAMING = ("_id", "name", "epoch", "split", "format", "metric", "model", "feature")
_WHERE = "Compare the table that the stage's script hands to its guard with docs/architecture.md."


def complete_tables(handed: Mapping[str, pd.DataFrame], contract: Sequence[Table]) -> dict[str, pd.DataFrame]:
    """The handed tables, with an empty one for each optional table that was left out."""
    absent = {table.name: _empty(table) for table in contract if table.optional and table.name not in handed}
    return {**handed, **absent}


def describe_tables(tables: Mapping[str, pd.DataFrame], contract: Sequence[Table]) -> dict[str, pd.DataFrame]:
    """Two frames about the tables: `handed_tables`, and `handed_columns` with one row a demanded column."""
    handed = [
        {"table": table.name, "rows": len(tables[table.name]) if table.name in tables else None}
        | {"min_rows": table.min_rows}
        for table in contract
    ]
    columns = [
        {"table": table.name, "column": column.name, "wanted": column.kind}
        | _describe(tables[table.name], column)
        | {"what_to_do": table.remedy}
        for table in contract
        if table.name in tables
        for column in table.columns
    ]
    names = ["table", "column", "wanted", "found", "fits", "missing", "where", "what_to_do"]
    return {
        "handed_tables": pd.DataFrame(handed).astype({"rows": "float64"}),
        "handed_columns": pd.DataFrame(columns, columns=names),
    }


def contract_checks() -> tuple[Check, ...]:
    """The checks of the frames of `describe_tables`; only where all pass can the rows be judged."""
    column = ("table", "column")
    return (
        Check("tables_handed", "handed_tables", filled("rows"), f"Hand it over. {_WHERE}", rows=("table",)),
        Check(
            "tables_not_empty",
            "handed_tables",
            greater("rows", "min_rows", or_equal=True),
            "The stage has written nothing that could be checked or used: look at what it reads.",
            rows=("table",),
        ),
        Check(
            "columns_present",
            "handed_columns",
            filled("found"),
            f"The column is missing or misspelt. {_WHERE}",
            rows=column,
        ),
        Check(
            "column_kinds",
            "handed_columns",
            true("fits"),
            f"The column holds another kind of value. {_WHERE}",
            rows=(*column, "wanted", "found"),
        ),
        Check(
            "values_filled",
            "handed_columns",
            between("missing", high=0),
            "NaN counts as missing. What to do stands with each column.",
            rows=(*column, "where", "what_to_do"),
        ),
    )


def _describe(frame: pd.DataFrame, column: Column) -> dict[str, Any]:
    if column.name not in frame:
        return {"found": None, "fits": True, "missing": 0, "where": ""}
    found = _kind(frame[column.name])
    # A column without a value has no kind of its own; its gaps and its rows are other checks' business.
    fits = found in (column.kind, "nothing") or (column.kind == "number" and found == "integer")
    gaps = frame[frame[column.name].isna()] if not column.nullable else frame.head(0)
    return {"found": found, "fits": fits, "missing": len(gaps), "where": _name_rows(gaps)}


def _name_rows(rows: pd.DataFrame) -> str:
    """The first rows by the columns that tell them, as text."""
    if rows.empty:
        return ""
    naming = [str(name) for name in rows.columns if str(name).endswith(_NAMING)]
    first = rows[naming].head(NAMED_GAPS).to_dict("records")
    texts = [" ".join(f"{name}={value}" for name, value in row.items()) for row in first]
    return "; ".join([*texts, "..."] if len(rows) > NAMED_GAPS else texts)


def _kind(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "nothing"
    if len(known) < len(values) and types.is_float_dtype(known) and (known % 1 == 0).all():
        return "integer"  # pandas turns integers into floats where one of them is missing
    inferred = types.infer_dtype(known, skipna=True)
    names = {"floating": "number", "mixed-integer-float": "number", "string": "text", "boolean": "flag"}
    return names.get(inferred, inferred)


def _empty(table: Table) -> pd.DataFrame:
    dtypes = {"integer": "int64", "number": "float64", "text": "str", "flag": "bool"}
    return pd.DataFrame({column.name: pd.Series(dtype=dtypes[column.kind]) for column in table.columns})
