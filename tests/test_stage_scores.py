from __future__ import annotations

from typing import Any

import pytest

from glasshouse.journal.journal import read_executions
from glasshouse.stage import stage


def test_scores_come_to_the_journal(project: Any) -> None:
    project.make_outputs(network=False)
    with stage("evaluate", project.root) as run:
        run.metrics({"test": {"mAP_50": 0.5}})
    assert read_executions(project.folder, "evaluate")[-1].metrics == {"test": {"mAP_50": 0.5}}


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("params.yaml", "channels: 64", "channels: 48", "train_head is not up to date (params.yaml model"),
        ("models/head.json", "2.0", "2.1", "models/head.json is not as train_head wrote it"),
        ("dvc.lock", "train_head:", "another:", "train_head is not up to date (has not been run)"),
    ],
    ids=["an edit", "another's file", "never run"],
)
def test_scores_of_what_another_state_left_are_none_of_this_one(
    project: Any, capsys: pytest.CaptureFixture[str], path: str, old: str, new: str, reason: str
) -> None:
    """After `dvc repro --single-item evaluate` MLflow showed the former network's for the new params."""
    project.make_outputs(network=False)
    project.set(old, new, path)
    with stage("evaluate", project.root) as run:
        run.metrics({"test": {"mAP_50": 0.5}})
    assert read_executions(project.folder, "evaluate")[-1].metrics is None
    assert f"evaluate: the scores are not those of the present params, code and data: {reason}" in (
        capsys.readouterr().err
    )
