"""`glasshouse runs list` only asks: it makes no database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glasshouse.cli import main
from glasshouse.tracking.listing import list_runs, say_score
from glasshouse.tracking.sync import sync


@pytest.fixture(autouse=True)
def default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_outside_of_a_project_it_names_the_file_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "list"]) == 1
    assert capsys.readouterr().err == f"glasshouse: {tmp_path}/params.yaml: No such file or directory.\n"
    assert not list(tmp_path.iterdir())


def test_before_anything_was_mirrored(
    project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    assert main(["runs", "list"]) == 0
    assert capsys.readouterr().out.startswith("No state is mirrored yet")
    assert not Path("mlflow.db").exists()


def test_an_experiment_that_was_deleted_is_not_called_empty(
    stored: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{stored.root}/mlflow.db")
    client.delete_experiment(client.create_experiment("glasshouse"))
    monkeypatch.chdir(stored.root)
    assert main(["runs", "list"]) == 1
    assert "'glasshouse' was deleted" in capsys.readouterr().err


def test_more_may_be_asked_for_than_mlflow_gives_at_once(
    stored: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.execute("download")
    sync(stored.root)
    monkeypatch.chdir(stored.root)
    assert main(["runs", "list", "--limit", "1000000"]) == 0
    assert capsys.readouterr().out.count("FINISHED") == 1


def test_the_newest_come_first_with_their_scores(stored: Any) -> None:
    from mlflow import MlflowClient

    stored.execute("download")
    first = sync(stored.root).parent
    stored.set("seed: 7", "seed: 8")
    stored.execute("download")
    second = sync(stored.root).parent
    client = MlflowClient(f"sqlite:///{stored.root}/mlflow.db")
    for name, value in {
        "mean_iou": 0.25,
        "accuracy": 0.5,
        "accuracy_low": 0.4,
        "accuracy_high": 0.625,
    }.items():
        client.log_metric(first, name, value)
    newest, oldest = list_runs(stored.root, 2)
    assert newest.endswith(f"  no scores  {second}")
    assert oldest.endswith(f"  accuracy 0.500 (0.400 to 0.625), mean_iou 0.250  {first}")
    assert list_runs(stored.root, 1) == [newest]
    stored.set("experiment: glasshouse", "experiment: another")
    assert list_runs(stored.root, 2) == []


def test_half_an_interval_is_none() -> None:
    scores = {"mAP_50": 0.88, "mAP_50_low": 0.85}
    assert say_score(scores, "mAP_50") == "mAP_50 0.880"
    assert say_score({**scores, "mAP_50_high": 0.91}, "mAP_50") == "mAP_50 0.880 (0.850 to 0.910)"


def test_without_the_name_of_an_experiment(
    stored: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.set("  experiment: glasshouse\n", "")
    monkeypatch.chdir(stored.root)
    assert main(["runs", "list"]) == 1
    assert "tracking must hold two texts" in capsys.readouterr().err
