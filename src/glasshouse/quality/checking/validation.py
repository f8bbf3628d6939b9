"""Puts checks to Great Expectations and reads its answers."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glasshouse.journal.imports import uncollected
from glasshouse.quality.checking.checks import KEPT_ROWS, Check, Outcome

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.datasource.fluent.interfaces import Batch

Answers = Mapping[str, "ExpectationValidationResult"]


def import_expectations() -> None:
    """Import Great Expectations without its telemetry."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with uncollected():
        import great_expectations.expectations  # noqa: F401


def validate(
    tables: Mapping[str, pd.DataFrame], checks: Sequence[Check]
) -> dict[str, ExpectationValidationResult]:
    """Great Expectations' answer to each check, by the check's name; nothing is written anywhere."""
    frames = _open_frames()
    answers: dict[str, ExpectationValidationResult] = {}
    # One call for all checks of a table: a metric that several of them need is then computed once.
    for table, group in groupby(sorted(checks, key=_table), key=_table):
        frame = tables[table].reset_index(drop=True)
        found = _ask(frames.get_batch({"dataframe": frame}), tuple(group))
        for answer in found.values():
            _look_up_rows(answer, frame)
        answers.update(found)
    return answers


@cache
def _open_frames() -> BatchDefinition[Any]:
    """Great Expectations in memory, without progress bars, ready to be given one data frame after another."""
    # Once a converter of networks has opened the root logger, that one would tell of every folder. Without it
    # warnings still reach standard error.
    logging.getLogger("great_expectations").propagate = False
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("tables").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole")


def _table(check: Check) -> str:
    return check.table


def _ask(batch: Batch, checks: Sequence[Check]) -> dict[str, ExpectationValidationResult]:
    from great_expectations import ExpectationSuite

    meta = [{"meta": {"check": check.name}, "severity": check.severity} for check in checks]
    expectations = [check.expectation.copy(update=update) for check, update in zip(checks, meta, strict=True)]
    form = {"result_format": "COMPLETE", "include_unexpected_rows": False}
    results = batch.validate(
        ExpectationSuite(name=checks[0].table, expectations=expectations), result_format=form
    )
    return {_name(result): result for result in results.results}


def _look_up_rows(answer: ExpectationValidationResult, frame: pd.DataFrame) -> None:
    """Put the first failing rows in place of the places of all of them, as Great Expectations tells them.

    It would look up the rows too, each cell by itself: minutes where a hundred thousand rows fail.
    """
    places = answer.result.get("unexpected_index_list")
    if places:
        rows = frame.iloc[places[:KEPT_ROWS]]
        answer.result["unexpected_index_list"] = rows.to_dict("records")


def _name(answer: ExpectationValidationResult) -> str:
    if answer.expectation_config is None or not answer.expectation_config.meta:
        raise ValueError("Great Expectations has answered without saying to which check.")
    return str(answer.expectation_config.meta["check"])


def read_outcomes(checks: Iterable[Check], answers: Answers) -> tuple[Outcome, ...]:
    """The answers in the order of the checks; a check without an answer did not run."""
    return tuple(
        _read(check, answers[check.name]) if check.name in answers else _not_run(check) for check in checks
    )


def _not_run(check: Check) -> Outcome:
    return Outcome(
        check=check.name,
        table=check.table,
        severity=check.severity,
        status="not_run",
        expectation=check.expectation.expectation_type,
        demanded=say_demand(check),
        remedy=check.remedy,
        timed=check.timed,
    )


def _read(check: Check, answer: ExpectationValidationResult) -> Outcome:
    result, raised = answer.result, _raised(answer)
    looked_at = result.get("element_count")
    return Outcome(
        check=check.name,
        table=check.table,
        # A check that could not be computed has shown nothing: that is never a mere warning.
        severity="critical" if raised else check.severity,
        status="passed" if answer.success else "failed",
        expectation=check.expectation.expectation_type,
        demanded=say_demand(check),
        remedy=check.remedy,
        timed=check.timed,
        counted=looked_at,
        unexpected=0 if answer.success else int(result.get("unexpected_count", 1)),
        observed=raised or plain(result.get("observed_value")),
        failing_rows=() if answer.success else _failing_rows(check, answer),
    )


def _raised(answer: ExpectationValidationResult) -> str | None:
    info = answer.exception_info or {}
    faults = [info] if "raised_exception" in info else list(info.values())
    messages = sorted({str(fault["exception_message"]) for fault in faults if fault["raised_exception"]})
    return f"could not be computed: {'; '.join(messages)}" if messages else None


def _failing_rows(check: Check, answer: ExpectationValidationResult) -> tuple[dict[str, Any], ...]:
    if not check.rows:
        return ()
    asked = check.expectation.configuration.kwargs
    looked_at = [asked[key] for key in ("column", "column_A", "column_B") if key in asked]
    columns = dict.fromkeys([*check.rows, *looked_at, *asked.get("column_list", ())])
    rows = answer.result.get("unexpected_index_list") or ()
    return tuple({column: plain(row[column]) for column in columns} for row in rows[:KEPT_ROWS])


def say_demand(check: Check) -> str:
    """The expectation as Great Expectations words it, with its limits, as plain text."""
    from great_expectations.render.renderer.content_block import expectation_string as words

    rendered: Any = words.ExpectationStringRenderer.render(check.expectation.configuration)
    templates = [part.string_template for part in rendered]
    texts = [Template(template["template"]).safe_substitute(template["params"]) for template in templates]
    return " ".join(" ".join(texts).split())


def plain(value: Any) -> Any:
    """A value as JSON knows it: NumPy scalars unpacked, floats to 6 digits, NaN as None, infinity as text."""
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float):
        return _plain_float(value)
    return value if isinstance(value, str | int | bool) else str(value)


def _plain_float(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return float(f"{value:.6g}") if math.isfinite(value) else str(value)
