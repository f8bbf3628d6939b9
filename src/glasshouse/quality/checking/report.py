"""The verdict as a file of stable bytes, and back, and as text for the terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from glasshouse.quality.checking.checks import Outcome, Verdict
from glasshouse.tables.folders import replace_file

SHOWN_ROWS = 10  # of a critical finding in the terminal; the report holds more
SHOWN_IN_WARNING = 3
UNTOLD = "see Data Docs"  # in place of the status of what hangs on times


def write_report(verdict: Verdict, folder: Path) -> Path:
    """Write `folder/STAGE.json`: counts and every check; the same bytes for the same tables and limits."""
    path = folder / f"{verdict.stage}.json"
    text = json.dumps(_report(verdict), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replace_file(path) as place:
        place.write_text(text + "\n", encoding="utf-8", newline="\n")
    return path


def read_report(path: Path) -> dict[str, Any] | None:
    """A JSON file of reports/quality, or None where it is not there.

    Raises:
        ValueError: it is damaged; the message names the file and what writes it anew.
    """
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # json's and Unicode's alike
        raise ValueError(
            f"{path.as_posix()} is no JSON ({error}): delete it; its stage, run with `dvc repro --force`, "
            "writes it anew."
        ) from error
    return document


def _report(verdict: Verdict) -> dict[str, Any]:
    hidden = [outcome for outcome in verdict.outcomes if outcome.timed and not _stops(outcome, verdict.mode)]
    stable = [outcome for outcome in verdict.outcomes if outcome not in hidden]
    statuses = Counter(outcome.status for outcome in stable)
    findings = Counter(outcome.severity for outcome in stable if outcome.status == "failed")
    return {
        "stage": verdict.stage,
        "mode": verdict.mode,
        "success": findings["critical"] == 0,
        "checks": {status: statuses[status] for status in ("passed", "failed", "not_run")},
        "findings": {severity: findings[severity] for severity in ("critical", "warning")},
        "rows": dict(verdict.rows),
        "outcomes": [
            _without_times(outcome) if outcome in hidden else asdict(outcome) for outcome in verdict.outcomes
        ],
    }


def _stops(outcome: Outcome, mode: str) -> bool:
    """Whether it stops the stage. DVC then keeps nothing of it, so its report may tell of times, and must:
    it is where a person looks for what stopped."""
    return mode == "enforce" and outcome.severity == "critical" and outcome.status == "failed"


def _without_times(outcome: Outcome) -> dict[str, Any]:
    """What is demanded of a time; what was found differs from run to run and stands in the Data Docs."""
    kept = ("check", "table", "severity", "expectation", "demanded", "remedy", "timed")
    return {key: value for key, value in asdict(outcome).items() if key in kept} | {"status": UNTOLD}


def say_finding(finding: Outcome) -> str:
    """A finding in full: check, demand, number of rows, the first rows, what to do."""
    lines = [f"{finding.check} ({finding.table}): {finding.demanded}", f"  {_say_extent(finding)}"]
    lines += [f"    {say_row(row)}" for row in finding.failing_rows[:SHOWN_ROWS]]
    if finding.failing_rows and finding.unexpected > SHOWN_ROWS:
        lines.append(f"    ... and {finding.unexpected - SHOWN_ROWS} more")
    return "\n".join([*lines, f"  What to do: {finding.remedy}"])


def say_warning(stage: str, finding: Outcome) -> str:
    """A finding in one line, with the first rows as examples."""
    rows = "; ".join(say_row(row) for row in finding.failing_rows[:SHOWN_IN_WARNING])
    first = f", first {rows.rstrip('.')}" if rows else ""
    return f"{stage}: warning: {finding.check}: {_say_extent(finding)}{first}. {finding.remedy}"


def say_failure(verdict: Verdict, report: Path) -> str:
    """The message that stops a stage: every critical finding, and where the rest stands."""
    head = f"{verdict.stage}: {len(verdict.critical)} critical finding(s); nothing of this stage goes on."
    findings = [say_finding(finding) for finding in verdict.critical]
    where = f"All checks: {report.as_posix()}; to look at: {report.with_name('index.html').as_posix()}"
    return "\n\n".join([head, *findings, where])


def say_row(row: Mapping[str, Any]) -> str:
    """One failing row as `column=value` pairs."""
    return " ".join(f"{column}={'missing' if value is None else value}" for column, value in row.items())


def _say_extent(finding: Outcome) -> str:
    if finding.counted is None:
        return f"found {finding.observed}"
    return f"{finding.unexpected} of {finding.counted} rows"
