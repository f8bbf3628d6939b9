"""What a suite is made of: the contract of its tables and the checks on their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation
    from pandas import DataFrame

Severity = Literal["critical", "warning"]
Kind = Literal["integer", "number", "text", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a stage must hand over; an integer passes where a number is asked for."""

    name: str
    kind: Kind
    nullable: bool = False


def columns(kind: Kind, *names: str, nullable: bool = False) -> tuple[Column, ...]:
    """Several columns of one kind."""
    return tuple(Column(name, kind, nullable) for name in names)


@dataclass(frozen=True, slots=True)
class Table:
    """The contract of one table.

    Attributes:
        name: key under which the stage hands the table over.
        columns: columns that must be there; others are left alone.
        min_rows: 0 where an empty table is legitimate.
        remedy: what to do when a value is missing or NaN.
        optional: the stage may leave the table out; it then counts as empty.
    """

    name: str
    columns: tuple[Column, ...]
    min_rows: int = 1
    remedy: str = "Look at the stage that writes this table: the value must never be missing."
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation and what a person does when it is not met.

    Attributes:
        name: unique within the suite.
        table: the handed or derived table that it looks at.
        expectation: of Great Expectations, by column names and limits.
        remedy: what to do, in one or two sentences.
        severity: a critical finding stops the pipeline in mode enforce, a warning never.
        rows: columns that tell a person which row it is (file name, id, box).
        timed: it looks at times, which differ from run to run; its outcome stays out of the report's bytes,
            unless it stops the stage.
    """

    name: str
    table: str
    expectation: Expectation
    remedy: str
    severity: Severity = "critical"
    rows: tuple[str, ...] = ()
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one check.

    Attributes:
        demanded: the expectation in words, with its limits.
        status: `not_run` where a broken contract leaves nothing to look at.
        counted: rows looked at, or None for a check on the table as a whole.
        unexpected: rows that failed (1 for a table as a whole).
        observed: what was seen, for a check on the table as a whole, or the reason why nothing could be seen.
        failing_rows: the failing rows, by the check's `rows` and the offending values; at most `KEPT_ROWS`.
    """

    check: str
    table: str
    severity: Severity
    status: Literal["passed", "failed", "not_run"]
    expectation: str
    demanded: str
    remedy: str
    counted: int | None = None
    unexpected: int = 0
    observed: Any = None
    failing_rows: tuple[Mapping[str, Any], ...] = ()
    timed: bool = False


KEPT_ROWS = (
    100  # of the failing rows of one check in the report: enough to work through, small enough to read
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All outcomes of one stage, in the order of its suite."""

    stage: str
    mode: str
    rows: Mapping[str, int]
    outcomes: tuple[Outcome, ...] = field(repr=False)

    @property
    def findings(self) -> tuple[Outcome, ...]:
        """The checks that failed, critical ones first."""
        failed = [outcome for outcome in self.outcomes if outcome.status == "failed"]
        return tuple(sorted(failed, key=lambda outcome: outcome.severity))

    @property
    def critical(self) -> tuple[Outcome, ...]:
        """The findings that stop the pipeline in mode enforce."""
        return tuple(finding for finding in self.findings if finding.severity == "critical")

    @property
    def warnings(self) -> tuple[Outcome, ...]:
        """The findings that are told and nothing more."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")


class GuardFailure(Exception):
    """A stage wrote something that must not go on; the message lists every critical finding."""


class Suite(Protocol):
    """What each file of `quality/suites/` offers."""

    TABLES: tuple[Table, ...]

    def derive(self, tables: Mapping[str, DataFrame]) -> dict[str, DataFrame]:
        """Relate the handed tables: small frames for the checks that need more than one table."""
        ...

    def expectations(self, thresholds: Any) -> tuple[Check, ...]:
        """The checks, with the limits of the stage's block in params.yaml under `quality`."""
        ...
