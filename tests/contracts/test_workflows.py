"""What GitHub runs is what a person runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glasshouse.journal.pipeline import read_yaml

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"


def read_steps(name: str) -> list[dict[str, Any]]:
    (job,) = read_yaml(WORKFLOWS / f"{name}.yml")["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


@pytest.mark.parametrize(("name", "command"), [("ci", "make check test smoke"), ("retrain", "make retrain")])
def test_a_workflow_runs_one_command(name: str, command: str) -> None:
    assert command in [step.get("run") for step in read_steps(name)]


def test_a_night_with_nothing_new_saves_no_cache() -> None:
    (save,) = [step for step in read_steps("retrain") if "cache/save" in step.get("uses", "")]
    assert "hashFiles('.glasshouse/journal/**') != steps.before.outputs.journals" in save["if"]


def test_a_retraining_that_runs_out_of_time_leaves_some_for_keeping_what_it_did() -> None:
    """At the end of the job's own time GitHub gives all that is left to do five minutes, and ends it."""
    (job,) = read_yaml(WORKFLOWS / "retrain.yml")["jobs"].values()
    (step,) = [step for step in job["steps"] if step.get("run") == "make retrain"]
    assert step["timeout-minutes"] <= job["timeout-minutes"] - 15
