"""What must hold of a project whose pipeline has run; each check says what it saw, or raises TrialFailure."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from project_copy import ProjectCopy, TrialFailure, stages_run

LARGEST_GAP = 1e-6  # between metrics.json and pycocotools
COCO_STATS = {"mAP_50_95": 0, "mAP_50": 1, "mAP_75": 2, "AR_100": 8}  # place in COCOeval.stats
SCORES = {
    "detect": ("mAP_50_95", "mAP_50", "mAP_75", "mean_iou", "AR_100"),
    "localize": ("accuracy", "mean_iou", "mAP_50_95", "mAP_50"),
    "classify": ("accuracy",),
}
INTERVALS = {
    "detect": ("mAP_50_95", "mAP_50"),
    "localize": ("accuracy", "mean_iou"),
    "classify": ("accuracy",),
}
FILES = {
    "saved_model": "saved_model/saved_model.pb",
    "litert": "model.tflite",
    "litert_int8": "model_int8.tflite",
    "onnx": "model.onnx",
}
DAMAGED = {
    "daisy/cut off.jpg": "truncated",
    "roses/empty.jpg": "empty file",
    "tulips/words.jpg": "not a picture",
}


def check_quarantine(folder: Path, photos: int) -> str:
    """The damaged files are set aside by name with their reasons, and no other."""
    import pandas as pd

    table = pd.read_parquet(folder / "data/raw/quarantine.parquet")
    reasons = dict(zip(table["file_name"], table["reason"], strict=True))
    images = len(pd.read_parquet(folder / "data/raw/images.parquet"))
    if reasons.keys() != DAMAGED.keys() or images != photos:
        raise TrialFailure(f"{images} of {photos} photos are in, set aside are {reasons}")
    if wrong := [f"{name}: {reasons[name]}" for name, word in DAMAGED.items() if word not in reasons[name]]:
        raise TrialFailure(f"set aside for a wrong reason: {'; '.join(wrong)}")
    return f"{images} photos in, set aside: {', '.join(f'{name} ({reasons[name]})' for name in reasons)}"


def check_unchanged(output: str) -> str:
    """A further `dvc repro` has nothing to do."""
    if ran := stages_run(output):
        raise TrialFailure(f"a further `dvc repro` ran {', '.join(ran)} again:\n{output}")
    return "a further `dvc repro` runs nothing"


def check_tree(copy: ProjectCopy) -> str:
    """A run leaves dvc.lock and nothing else for git to see."""
    left = copy.run("git", "status", "--porcelain").splitlines()
    if left != ["?? dvc.lock"]:
        raise TrialFailure(f"git must see a new dvc.lock and nothing else. Got {', '.join(left)} instead.")
    return "git sees a new dvc.lock and nothing else"


def check_outputs(folder: Path) -> str:
    """Every output of every stage is there."""
    from ruamel.yaml import YAML

    stages = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
    outs = [
        out
        for block in stages.values()
        for kind in ("outs", "metrics", "plots")
        for out in block.get(kind, [])
    ]
    names = [out if isinstance(out, str) else next(iter(out)) for out in outs]
    if missing := [name for name in names if not (folder / name).exists()]:
        raise TrialFailure(f"outputs are missing: {', '.join(missing)}")
    return f"all {len(names)} outputs are there"


def check_scores(folder: Path) -> str:
    """metrics.json has every promised key, as a number from 0 to 1 inside of its interval."""
    from ruamel.yaml import YAML

    task = YAML(typ="safe").load(folder / "params.yaml")["model"]["task"]
    metrics = read_json(folder / "reports/evaluate/metrics.json")
    for split in ("valid", "test"):
        scores = metrics.get(split, {})
        for key in SCORES[task]:
            if not (isinstance(score := scores.get(key), float | int) and 0 <= score <= 1):
                raise TrialFailure(
                    f"metrics.json: {split}.{key} must be a number from 0 to 1. Got {score} instead."
                )
        for key in INTERVALS[task]:
            low, high = scores.get("ci95", {}).get(key) or (None, None)
            if low is None or not low <= scores[key] <= high:
                raise TrialFailure(f"metrics.json: {split}.{key} {scores[key]} is not in {low} to {high}")
        if not scores.get("per_class"):
            raise TrialFailure(f"metrics.json: {split}.per_class must name the classes.")
    return "metrics.json: " + ", ".join(f"{key} {metrics['test'][key]:.4f}" for key in SCORES[task])


def check_coco(folder: Path, split: str) -> str:
    """pycocotools gives the same scores on predictions.json and ground_truth.json."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    place = folder / "reports/evaluate"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(place / split / "ground_truth.json"))
        evaluation = COCOeval(truth, truth.loadRes(str(place / split / "predictions.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ours = read_json(place / "metrics.json")[split]
    gaps = {key: abs(ours[key] - float(evaluation.stats[at])) for key, at in COCO_STATS.items()}
    if wrong := [f"{key} by {gap:.2g}" for key, gap in gaps.items() if not gap <= LARGEST_GAP]:
        raise TrialFailure(f"{split}: pycocotools differs in {', '.join(wrong)}")
    return f"{split}: pycocotools agrees on {', '.join(gaps)} to {max(gaps.values()):.0e}"


def check_exports(folder: Path) -> str:
    """Every configured format is there, was compared with Keras and is within its tolerance."""
    from ruamel.yaml import YAML

    formats = YAML(typ="safe").load(folder / "params.yaml")["export"]["formats"]
    wanted = ["labels.txt", "parity.json", "agreement.json", *(FILES[name] for name in formats)]
    if missing := [name for name in wanted if not (folder / "exports" / name).is_file()]:
        raise TrialFailure(f"exports/ lacks {', '.join(missing)}")
    parity = read_json(folder / "exports/parity.json")
    if list(parity) != list(formats):
        raise TrialFailure(f"parity.json must name {', '.join(formats)}. Got {', '.join(parity)} instead.")
    if wrong := [name for name, row in parity.items() if not (row["within"] and row["compared"] > 0)]:
        raise TrialFailure(f"out of tolerance, or never compared: {', '.join(wrong)}")
    gaps = ", ".join(f"{name} {row['max_abs_difference_scores']:.0e}" for name, row in parity.items())
    return f"exports within tolerance: {gaps}"


def read_json(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
