from __future__ import annotations

import shutil
from pathlib import Path

import mirror_checks
import pytest
from project_copy import ProjectCopy, TrialFailure


@pytest.fixture
def copy(tmp_path: Path, store_template: Path) -> ProjectCopy:
    """A copy with an MLflow store that has the experiment `trial`."""
    from mlflow import MlflowClient

    shutil.copy(store_template, tmp_path / "mlflow.db")
    (tmp_path / "params.yaml").write_text("tracking: {experiment: trial, model_name: m}\n")
    copy = ProjectCopy(tmp_path)
    MlflowClient(copy.store).create_experiment("trial", (tmp_path / "mlruns").as_uri())
    return copy


def add(copy: ProjectCopy, kind: str, state: str, end: str | None = "FINISHED", **tags: str) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(copy.store)
    experiment = client.get_experiment_by_name("trial")
    named = {"glasshouse.kind": kind, "glasshouse.state": state, **tags}
    run_id: str = client.create_run(experiment.experiment_id, tags=named).info.run_id
    if end:
        client.set_terminated(run_id, end)
    return run_id


def add_child(copy: ProjectCopy, parent: str, stage: str) -> None:
    add(copy, "stage", "a", **{"mlflow.parentRunId": parent, "glasshouse.stage": stage})


def test_one_parent_a_state(copy: ProjectCopy) -> None:
    parent = add(copy, "pipeline", "a")
    add_child(copy, parent, "split")
    assert mirror_checks.check_parents(copy, states=1) == "1 parent runs of 1 states, 1 stage runs"
    with pytest.raises(TrialFailure, match="2 states have 1 parent"):
        mirror_checks.check_parents(copy, states=2)
    add_child(copy, parent, "split")
    with pytest.raises(TrialFailure, match="more than one run below one parent: split"):
        mirror_checks.check_parents(copy, states=1)


def test_second_parent_of_a_state(copy: ProjectCopy) -> None:
    add(copy, "pipeline", "a")
    add(copy, "pipeline", "a")
    with pytest.raises(TrialFailure, match=r"2 states have 2 parent runs \(1 different\)"):
        mirror_checks.check_parents(copy, states=2)


@pytest.mark.parametrize("end", [None, "KILLED", "FAILED"])
def test_run_that_never_ended(end: str | None, copy: ProjectCopy) -> None:
    add(copy, "pipeline", "a", end)
    with pytest.raises(TrialFailure, match="not FINISHED"):
        mirror_checks.check_parents(copy, states=1)


def test_store_without_the_experiment(copy: ProjectCopy) -> None:
    (copy.folder / "params.yaml").write_text("tracking: {experiment: other, model_name: m}\n")
    with pytest.raises(TrialFailure, match="nothing was mirrored"):
        mirror_checks.read_runs(copy, "pipeline")


def test_best_scores_of_boxes_and_of_labels() -> None:
    boxes = [{"image_id": 1, "score": 0.2}, {"image_id": 2, "score": 0.5}, {"image_id": 1, "score": 0.4}]
    assert mirror_checks.best_scores(boxes) == {1: 0.4, 2: 0.5}
    labels = [{"image_id": 3, "probabilities": {"a": 0.1, "b": 0.9}}]
    assert mirror_checks.best_scores(labels) == {3: 0.9}
