"""The end of every stage: what it wrote is checked before anything downstream may use it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from glasshouse.quality import suites
from glasshouse.quality.checking.checks import Check, GuardFailure, Suite, Verdict
from glasshouse.quality.checking.contract import complete_tables, contract_checks, describe_tables
from glasshouse.quality.checking.docs import write_docs
from glasshouse.quality.checking.report import say_failure, say_warning, write_report
from glasshouse.quality.checking.severity import overrule
from glasshouse.quality.checking.validation import import_expectations, read_outcomes, validate

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

DYNAMIC_IMPORTS = ("glasshouse.quality.suites.${stage}",)  # what `find_suite` loads
REPORTS = Path("reports/quality")


def guard(stage: str, tables: Mapping[str, pd.DataFrame], quality: Any, folder: Path = REPORTS) -> Verdict:
    """Check the tables of `stage`, write its report and Data Docs, and stop on a critical finding.

    Args:
        stage: one of the files of `quality/suites/`.
        tables: the stage's tables by the names of its suite's `TABLES`.
        quality: the block `quality` of params.yaml: `mode` and the limits of this stage.
        folder: gets `STAGE.json` (stable bytes) and `docs/STAGE.html`.

    Returns:
        The verdict; in mode enforce one without critical findings.

    Raises:
        GuardFailure: in mode enforce, after the report is written, with every critical finding.
        ValueError: there is no such suite, or no check that `severity` names.
    """
    suite = find_suite(stage)
    import_expectations()
    verdict, answers = _judge(stage, suite, tables, quality)
    report = write_report(verdict, folder)
    write_docs(verdict, answers, folder / "docs")
    for finding in verdict.warnings:
        print(say_warning(stage, finding), file=sys.stderr)
    if verdict.critical and verdict.mode == "enforce":
        raise GuardFailure(say_failure(verdict, report))
    return verdict


def find_suite(stage: str) -> Suite:
    """The suite of `stage`; raises ValueError naming the stages that have one."""
    stages = sorted(module.name for module in iter_modules(suites.__path__))
    if stage not in stages:
        raise ValueError(f"The stage of a guard must be one of {', '.join(stages)}. Got {stage!r} instead.")
    return cast(Suite, import_module(f"{suites.__name__}.{stage}"))


def list_checks(stage: str, quality: Any) -> tuple[Check, ...]:
    """The suite's checks with the limits and severities of params.yaml's block `quality`.

    Raises:
        ValueError: there is no such suite, or `quality.STAGE.severity` names a check that it does not have.
    """
    limits = getattr(quality, stage)
    return overrule(find_suite(stage).expectations(limits), limits.severity, stage)


def check_severities(quality: Any) -> None:
    """Demand that `quality.STAGE.severity` names checks of STAGE's suite, for all stages at once.

    Args:
        quality: the whole block `quality` of params.yaml.

    Raises:
        ValueError: a line for each name that is none.
    """
    faults = []
    for module in iter_modules(suites.__path__):
        if getattr(quality, module.name).severity:
            try:
                list_checks(module.name, quality)
            except ValueError as fault:
                faults.append(str(fault))
    if faults:
        raise ValueError("\n".join(faults))


def _judge(
    stage: str, suite: Suite, handed: Mapping[str, pd.DataFrame], quality: Any
) -> tuple[Verdict, dict[str, ExpectationValidationResult]]:
    tables = complete_tables(handed, suite.TABLES)
    first = contract_checks()
    then = list_checks(stage, quality)
    answers = validate({**tables, **describe_tables(tables, suite.TABLES)}, first)
    # The suite may rely on the contract: on broken tables it would only fail in ways that hide the cause.
    if all(answer.success for answer in answers.values()):
        answers |= validate({**tables, **suite.derive(tables)}, then)
    checks = (*first, *then)
    rows = {table.name: len(tables[table.name]) for table in suite.TABLES if table.name in tables}
    return Verdict(stage, quality.mode, rows, read_outcomes(checks, answers)), answers
