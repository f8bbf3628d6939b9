"""The words of the suites: short names for the expectations of Great Expectations that they use.

Each function takes column names and limits and imports Great Expectations only when it is called. Rows
without a value are skipped by all but `filled`: whether a value may be missing is a check of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation


def _build(name: str, **arguments: Any) -> Expectation:
    from great_expectations import expectations

    expectation: Expectation = getattr(expectations, name)(**arguments)
    return expectation


def between(
    column: str, low: float | None = None, high: float | None = None, *, strict: bool = False
) -> Expectation:
    """Every value is at least `low` and at most `high`; with `strict` neither may be reached."""
    limits = {"min_value": low, "max_value": high, "strict_min": strict, "strict_max": strict}
    return _build("ExpectColumnValuesToBeBetween", column=column, **limits)


def filled(column: str) -> Expectation:
    """No value is missing."""
    return _build("ExpectColumnValuesToNotBeNull", column=column)


def empty(column: str) -> Expectation:
    """Every value is missing."""
    return _build("ExpectColumnValuesToBeNull", column=column)


def unique(*columns: str) -> Expectation:
    """No value, or combination of values, stands twice."""
    if len(columns) == 1:
        return _build("ExpectColumnValuesToBeUnique", column=columns[0])
    return _build("ExpectCompoundColumnsToBeUnique", column_list=list(columns))


def one_of(column: str, values: Iterable[Any]) -> Expectation:
    """Every value is one of `values`."""
    return _build("ExpectColumnValuesToBeInSet", column=column, value_set=list(values))


def true(column: str) -> Expectation:
    """Every value is True."""
    return one_of(column, [True])


def matching(column: str, regex: str) -> Expectation:
    """Every text matches `regex` somewhere."""
    return _build("ExpectColumnValuesToMatchRegex", column=column, regex=regex)


def greater(column: str, than: str, *, or_equal: bool = False) -> Expectation:
    """The value in `column` is greater than the one in `than`, row by row."""
    pair = {"column_A": column, "column_B": than, "ignore_row_if": "either_value_is_missing"}
    return _build("ExpectColumnPairValuesAToBeGreaterThanB", or_equal=or_equal, **pair)


def equal(column: str, other: str) -> Expectation:
    """The values in both columns are the same, row by row."""
    pair = {"column_A": column, "column_B": other, "ignore_row_if": "either_value_is_missing"}
    return _build("ExpectColumnPairValuesToBeEqual", **pair)


def row_count(low: int, high: int | None = None) -> Expectation:
    """The table has at least `low` and at most `high` rows."""
    return _build("ExpectTableRowCountToBeBetween", min_value=low, max_value=high)
