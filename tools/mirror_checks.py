"""What MLflow must show of a project: one parent run a state, its stages below it, a model that works."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from project_copy import ProjectCopy, TrialFailure

import glasshouse  # noqa: F401 - turns MLflow's telemetry off before it is imported

LARGEST_GAP = 1e-4  # between the registered model's scores and those that the report holds
STAGES = ("download", "split", "preprocess", "train_head", "fine_tune", "evaluate", "export")


def read_runs(copy: ProjectCopy, kind: str) -> list[Any]:
    """All runs of a kind (pipeline, stage) in the copy's store, deleted ones left out."""
    from mlflow import MlflowClient

    client = MlflowClient(copy.store)
    experiment = client.get_experiment_by_name(copy.read("params.yaml")["tracking"]["experiment"])
    if experiment is None:
        raise TrialFailure(f"{copy.store} has no experiment: nothing was mirrored.")
    condition = f"tags.`glasshouse.kind` = '{kind}'"
    return list(client.search_runs([experiment.experiment_id], condition, max_results=1000))


def check_parents(copy: ProjectCopy, states: int) -> str:
    """As many parents as states, each with one child a stage at most, and none that is said to run on."""
    parents, children = read_runs(copy, "pipeline"), read_runs(copy, "stage")
    named = Counter(run.data.tags["glasshouse.state"] for run in parents)
    if len(parents) != states or len(named) != states:
        raise TrialFailure(f"{states} states have {len(parents)} parent runs ({len(named)} different).")
    below = Counter(
        (run.data.tags["mlflow.parentRunId"], run.data.tags["glasshouse.stage"]) for run in children
    )
    if twice := [stage for (_, stage), count in below.items() if count > 1]:
        raise TrialFailure(f"more than one run below one parent: {', '.join(twice)}")
    if unended := [run.info.run_name for run in (*parents, *children) if run.info.status != "FINISHED"]:
        raise TrialFailure(f"runs that are not FINISHED though every stage is: {', '.join(unended)}")
    return f"{len(parents)} parent runs of {states} states, {len(children)} stage runs"


def check_whole_run(copy: ProjectCopy) -> str:
    """The one state's run: params, all stages, scores with their intervals, data set, git commit."""
    check_parents(copy, states=1)
    (run,) = read_runs(copy, "pipeline")
    stages = {child.data.tags["glasshouse.stage"] for child in read_runs(copy, "stage")}
    if missing := set(STAGES) - stages:
        raise TrialFailure(f"stages without a run: {', '.join(sorted(missing))}")
    wanted = {"mAP_50", "mAP_50_low", "mAP_50_high", "valid_mAP_50"}
    if copy.read("params.yaml")["model"]["task"] == "classify":
        wanted = {"accuracy", "accuracy_low", "accuracy_high", "valid_accuracy"}
    if missing := wanted - run.data.metrics.keys():
        raise TrialFailure(f"scores missing in MLflow: {', '.join(sorted(missing))}")
    if run.data.params["seed"] != str(copy.read("params.yaml")["seed"]):
        raise TrialFailure(f"MLflow has seed {run.data.params['seed']}")
    if not run.inputs.dataset_inputs or "glasshouse.commit" not in run.data.tags:
        raise TrialFailure("the run has no data set, or no git commit")
    return f"{len(run.data.params)} params, {len(run.data.metrics)} metrics, {len(stages)} stages"


def check_model(copy: ProjectCopy) -> str:
    """The registered model loads through mlflow.pyfunc and scores the test pictures as the report says."""
    import mlflow
    import numpy as np
    from mlflow import MlflowClient

    name = copy.read("params.yaml")["tracking"]["model_name"]
    versions = MlflowClient(copy.store).search_model_versions(f'name = "{name}"')
    if len(versions) != 1:
        raise TrialFailure(f"one state must have one model version. Got {len(versions)} instead.")
    mlflow.set_tracking_uri(copy.store)
    model = mlflow.pyfunc.load_model(f"models:/{name}/{versions[0].version}")
    if model.metadata.signature is None:
        raise TrialFailure("the registered model has no signature")
    image_ids, pixels = read_test_pictures(copy.folder / "data/prepared/test")
    answers = model.predict(pixels.astype(np.float32))
    rows = json.loads((copy.folder / "reports/evaluate/test/predictions.json").read_text(encoding="utf-8"))
    said = best_scores(rows)
    found = np.max(answers["scores" if "scores" in answers else "probabilities"], axis=1)
    gap = max(abs(float(score) - said[number]) for number, score in zip(image_ids, found, strict=True))
    if not gap <= LARGEST_GAP:
        raise TrialFailure(f"the registered model's best scores are up to {gap:.2g} from those of the report")
    return f"version {versions[0].version} predicts {len(image_ids)} pictures within {gap:.1e}"


def read_test_pictures(folder: Path) -> tuple[list[int], Any]:
    """(image ids, pixels (N, H, W, 3)) of a prepared split, row by row."""
    import numpy as np
    import pandas as pd

    pixels = np.concatenate([np.load(path) for path in sorted(folder.glob("pixels-*.npy"))])
    images = pd.read_parquet(folder / "images.parquet").sort_values("row")
    return images["image_id"].tolist(), pixels[images["row"].to_numpy()]


def best_scores(rows: list[dict[str, Any]]) -> dict[int, float]:
    """Image id -> the highest score of its rows in a predictions.json."""
    best: dict[int, float] = {}
    for row in rows:
        score = row["score"] if "score" in row else max(row["probabilities"].values())
        best[row["image_id"]] = max(best.get(row["image_id"], 0.0), score)
    return best
