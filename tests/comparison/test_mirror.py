from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasshouse.comparison.mirror import Runs, place_store
from glasshouse.comparison.plan import Plan

MakePlan = Callable[..., Plan]


def test_two_copies_are_two_runs_of_the_projects_own_store(
    stored: Any, make_project: Any, plan: MakePlan
) -> None:
    from mlflow import MlflowClient

    runs, ids = Runs(stored.root), []
    for entry in plan(stored.root, "mobilenet_v2", "csp_compact").entries:
        folder = stored.root / ".glasshouse/compare" / entry.folder
        folder.mkdir(parents=True)
        copy = make_project(folder)
        copy.write("params.yaml", entry.text)
        copy.make_outputs(network=False)
        copy.execute("train_head", {1: 2.0, 2: 1.5})
        run_id = runs.show(entry, folder, "trial")
        assert run_id is not None
        runs.log(entry, run_id, {"cpu_ms_1": 4.5, "gpu_ms_1": None})
        assert runs.show(entry, folder, "trial") == run_id  # again: the same run
        ids.append(run_id)
        assert not (folder / "mlflow.db").exists() and not (folder / "mlruns").exists()
    client = MlflowClient(f"sqlite:///{stored.root / 'mlflow.db'}")
    found = [client.get_run(run_id) for run_id in ids]
    for name, run in zip(("mobilenet_v2", "csp_compact"), found, strict=True):
        tags = {key: value for key, value in run.data.tags.items() if key.startswith("glasshouse.compare")}
        assert tags == {
            "glasshouse.compare": "trial",
            "glasshouse.compare.backbone": name,
            "glasshouse.compare.weights": "none",
            "glasshouse.compare.seed": "0",
        }
        assert run.data.params["model.backbone.name"] == name
        assert run.data.metrics["mAP_50_95"] == 0.61 and run.data.metrics["compare/cpu_ms_1"] == 4.5
        assert "compare/gpu_ms_1" not in run.data.metrics
        assert run.info.artifact_uri.startswith((stored.root / "mlruns").as_uri())


def test_a_store_that_is_away_is_said_once(
    project: Any, plan: MakePlan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    runs, entry = Runs(project.root), plan(project.root, "mobilenet_v2").entries[0]
    assert not runs.open("glasshouse") and runs.show(entry, project.root, "trial") is None
    runs.log(entry, "no run", {"x": 1.0})
    assert capsys.readouterr().err.count("The comparison goes on") == 1


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, "sqlite:///{root}/mlflow.db"),
        ("sqlite:///other.db", "sqlite:///{root}/other.db"),
        ("sqlite:////x/y.db", "sqlite:////x/y.db"),
        ("http://x:5", "http://x:5"),
    ],
)
def test_copies_use_the_projects_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, wanted: str
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if given:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert place_store(tmp_path).uri == wanted.format(root=tmp_path)
