"""What the guard said of a state, and where a stage stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.journal.journal import Execution, list_stages, read_executions
from glasshouse.quality.page.page import read_stages
from glasshouse.retraining.tables import say_figure, write_table

QUALITY = Path("reports/quality")
SHOWN_ROWS = 5  # of a finding; reports/quality/index.html has more
MOVED = ("psi_beyond", "ks_beyond")  # of a distribution, beyond what chance explains


@dataclass(frozen=True, slots=True)
class Stopped:
    """The stage at which `dvc repro` ended, and what it said."""

    stage: str
    message: str
    by_guard: bool


def find_stopped(folder: Path) -> Stopped | None:
    """By the journals of a state (`folder`): the stage that ran last, if it did not end well."""
    last = max(
        ((execution.last_time, stage, execution) for stage, execution in _last_executions(folder)),
        key=lambda entry: entry[0],
        default=None,
    )
    if last is None or last[2].status == "ok":
        return None
    _, stage, execution = last
    refused = execution.guard is not None and not execution.guard["passed"]
    told = execution.guard if refused else execution.end
    return Stopped(stage, str((told or {}).get("message") or f"it was {execution.status}"), refused)


def _last_executions(folder: Path) -> list[tuple[str, Execution]]:
    return [(stage, read_executions(folder, stage)[-1]) for stage in list_stages(folder)]


def list_findings(root: Path, severity: str | None = None) -> list[tuple[str, Mapping[str, Any]]]:
    """(stage, failed check) of all stages that were judged on the present data, critical ones first."""
    return [
        (stage.name, finding)
        for stage in read_stages(root / QUALITY)
        if not stage.is_old
        for finding in stage.findings
        if severity in (None, finding["severity"])
    ]


def write_findings(root: Path) -> list[str]:
    """Markdown: a row a finding with its first rows, or a sentence that there is none."""
    found = list_findings(root)
    if not found:
        return ["The guard found nothing amiss in any stage."]
    rows = [
        [stage, str(finding["severity"]), f"`{finding['check']}`", say_extent(finding), say_rows(finding)]
        for stage, finding in found
    ]
    return write_table(["stage", "severity", "check", "found", "such as"], rows)


def say_extent(finding: Mapping[str, Any]) -> str:
    """How many rows fail a check."""
    if finding.get("counted") is None:
        return f"{finding.get('observed')}"
    return f"{finding['unexpected']} of {finding['counted']}"


def say_rows(finding: Mapping[str, Any]) -> str:
    """The first failing rows."""
    rows: Sequence[Mapping[str, Any]] = finding.get("failing_rows", ())
    return "; ".join(
        " ".join(f"{column}={say_figure(value)}" for column, value in row.items())
        for row in rows[:SHOWN_ROWS]
    )


def write_drift(root: Path) -> list[str]:
    """Markdown: what has moved beyond chance since the accepted data version, and the guard's word on it."""
    path = root / QUALITY / "profile.json"
    document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if document is None or document["reference"] is None:
        return ["No data version was accepted before, so there is nothing to hold this one against."]
    before, now = document["reference"], document["profile"]
    told = f"{now['pictures']} pictures; the accepted version has {before['pictures']}."
    moved = [row for row in document["drift"] if any((row[key] or 0.0) > 0 for key in MOVED)]
    warned = _list_warned(root)
    if not moved and not warned:
        return [f"{told} Nothing has moved beyond chance."]
    rows = [
        [
            str(row["feature"]),
            f"{say_figure(row['reference'])} to {say_figure(row['present'])}",
            say_figure(row["psi"]),
            say_figure(row["ks"]),
            "warning" if row["feature"] in warned else "within the limits",
        ]
        for row in moved
    ]
    classes = [[name, "", "", "", "warning"] for name in warned if name not in {row[0] for row in rows}]
    return [told, "", *write_table(["what moved", "median", "PSI", "KS", "guard"], [*rows, *classes])]


def _list_warned(root: Path) -> list[str]:
    """Distributions, and classes that are new, gone or renumbered, that a check of drift names."""
    tables = {"drift": "feature", "category_changes": "name"}
    return [
        str(row[tables[str(finding["table"])]])
        for stage, finding in list_findings(root)
        if stage == "download" and finding["table"] in tables
        for row in finding["failing_rows"]
    ]
