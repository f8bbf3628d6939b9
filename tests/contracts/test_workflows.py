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
