"""`glasshouse summary`: how good it is, and where to look."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glasshouse.tracking.outcome import METRICS, read_outcome
from glasshouse.tracking.store import locate_store

REPORT = Path("reports/evaluate/index.html")
SCORES = {"mAP_50": "mAP@0.5", "mAP_50_95": "mAP@[.5:.95]", "accuracy": "accuracy", "mean_iou": "mean IoU"}


def show(_options: Namespace) -> int:
    """Scores on test and valid with their 95 % intervals, and whether they are of the present state; status 1
    where nothing was evaluated yet."""
    path = Path(METRICS)
    if not path.is_file():
        print(f"No scores yet: {path} is missing. Run `dvc repro` (or `dvc pull`).")
        return 1
    scores = read_scores(path)
    for split in ("test", "valid"):
        print(f"{split:6}{'   '.join(say_scores(scores.get(split) or {}))}")
    print(f"report {REPORT}{'' if REPORT.is_file() else ' (missing: run `dvc repro`)'}")
    store = locate_store(Path.cwd())
    is_remote = store.artifacts is None  # its server has pages of its own
    print(f"runs   {store.shown} (MLflow)" if is_remote else "runs   `make ui` opens MLflow")
    outcome = read_outcome(Path.cwd())
    whose = "" if outcome.metrics else "these scores are of an earlier state; "
    for fault in outcome.faults:
        print(f"note   {whose}{fault}")
    return 0


def read_scores(path: Path) -> dict[str, Any]:
    """metrics.json; raises ValueError where it is damaged."""
    try:
        scores: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(scores, dict):
            return scores
        fault = "no object"
    except ValueError as error:  # of JSON, or of UTF-8
        fault = str(error)
    raise ValueError(f"{path} is damaged ({fault}): `dvc checkout --force {path.parent}` brings it back.")


def say_scores(scores: Mapping[str, Any]) -> list[str]:
    """`mAP@0.5 0.880 (0.850 to 0.910)` for each score that is there."""
    said = []
    for key, name in SCORES.items():
        if scores.get(key) is None:
            continue
        ends = scores.get("ci95", {}).get(key)
        interval = f" (95 %: {ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
        said.append(f"{name} {scores[key]:.3f}{interval}")
    return said or ["no scores"]
