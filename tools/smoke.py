"""Runs the whole pipeline on a tiny set, in a copy of the project: nobody's data or models are touched.

python tools/smoke.py              boxes on drawn flowers
python tools/smoke.py classify     labels on a folder of photos, some of them damaged; `detect classify`: both
python tools/smoke.py heads        every other head through training, evaluation and export (some minutes)
python tools/smoke.py options      settings that the default leaves off, several at once (some minutes)
python tools/smoke.py backbones    a classifier on every architecture (long); --only NAME NAME: on some
python tools/smoke.py --keep       the copy stays for a look
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mirror_checks import check_model, check_parents, check_whole_run
from project_copy import GLASSHOUSE, TINY, ProjectCopy, TrialFailure, stages_run

LARGEST_GAP = 1e-6  # between metrics.json and pycocotools
COCO_STATS = {"mAP_50_95": 0, "mAP_50": 1, "mAP_75": 2, "AR_100": 8}  # place in COCOeval.stats
HEADS = {
    "localize": "localize",
    "fcn_grid": "detect",
    "sliding": "detect",
    "yolo_v1": "detect",
    "yolo_v3": "detect",
    "ssd": "detect",
}
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
PHOTOS = Path("data/photos")
DAMAGED = {
    "daisy/cut off.jpg": "truncated",
    "roses/empty.jpg": "empty file",
    "tulips/words.jpg": "not a picture",
}
CLASSIFY: dict[str, Any] = {
    **TINY,
    "dataset.source": "folder",
    "dataset.path": PHOTOS.as_posix(),
    "model.task": "classify",
    "model.head.name": "classify",
    "fine_tune.epochs": 2,
    "fine_tune.validate_every": 1,
    "export.formats": ["litert_int8", "onnx"],
}


# Each with several settings that the default leaves off.
OPTIONS: dict[str, dict[str, Any]] = {
    "classify: dropout, smoothing, flattened, live features, frozen batch norm": {
        "model.task": "classify",
        "model.neck": {"name": "none"},
        "model.head": {"name": "classify", "dropout": 0.3, "label_smoothing": 0.1, "pool": "flatten"},
        "train_head.features": "live",
        "fine_tune.batch_norm": "frozen",
        "fine_tune.unfreeze_from": "stage4_down",
        "evaluate.explained_pictures": 2,
        # In twelve steps dropout moves the loss by more than learning does.
        "quality.train_head.max_final_loss_ratio": 1.2,
    },
    "detect: pasted, mixed, turned, cropped, soft suppression": {
        "augment.copy_paste": 0.5,
        "augment.mix_up": 0.5,
        "augment.rotate": 15.0,
        "augment.crop": 0.3,
        "evaluate.nms": "soft",
    },
    "detect: several sizes, no average, no warm-up, no decay, other seed": {
        "fine_tune.sizes_px": [64, 96],
        "fine_tune.ema_epochs": 0,
        "fine_tune.warmup_epochs": 0,
        "fine_tune.weight_decay": 0.0,
        "model.seed": 3,
    },
    "yolo_v3: chosen anchors, three cells, several sizes, cropped to aspect, oversampled": {
        "model.head": {"name": "yolo_v3", "anchors": "auto", "match_iou": 1.0, "cells": 3},
        "fine_tune.sizes_px": [64, 96],
        "preprocess.resize": "crop",
        "split.balance": "oversample",
    },
    "localize: CIoU, plain sizes, stretched, ordered split": {
        "model.task": "localize",
        "model.head": {"name": "localize", "box_loss": "ciou", "square_root": False, "dropout": 0.2},
        "preprocess.resize": "stretch",
        "split.method": "ordered",
    },
}
# Small enough that all of them take half an hour, large enough for the largest minimum.
BACKBONES: dict[str, Any] = {
    **CLASSIFY,
    "preprocess.height_px": 96,
    "preprocess.width_px": 96,
    "model.neck": {"name": "none"},
    "train_head.epochs": 2,
    "fine_tune.epochs": 1,
    "quality.mode": "report",  # two epochs from random weights need not lower the loss enough
    "export.formats": ["saved_model", "onnx"],
}


def main() -> int:
    """Run what is asked for; the exit status is 1 where anything is not as it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trials", nargs="*", choices=[*TRIALS, []], help="default: detect")
    parser.add_argument("--keep", action="store_true", help="leave the copy")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the trial backbones")
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="glasshouse-smoke-"))
    start = time.monotonic()
    try:
        for trial in asked.trials or ["detect"]:
            lines = TRIALS[trial](place) if trial != "backbones" else backbones(place, asked.only)
            for line in lines:
                print(f"smoke: {time.monotonic() - start:4.0f} s  {trial}: {line}", flush=True)
    except TrialFailure as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    finally:
        if asked.keep:
            print(f"smoke: the copy is in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    print(f"smoke: the pipeline runs end to end, {time.monotonic() - start:.0f} s")
    return 0


def detect(place: Path) -> Iterator[str]:
    """Boxes on drawn flowers, from nothing to a registered model; tells each thing that holds."""
    copy = ProjectCopy.make(place / "detect", TINY)
    yield grow(copy)
    yield check_unchanged(copy.repro())
    yield check_tree(copy)
    yield check_outputs(copy.folder)
    yield check_scores(copy.folder)
    for split in ("valid", "test"):
        yield check_coco(copy.folder, split)
    yield check_exports(copy.folder)
    for _ in range(2):
        copy.run(*GLASSHOUSE, "runs", "sync")
    yield check_whole_run(copy)
    yield check_model(copy)
    yield copy.run(*GLASSHOUSE, "summary").splitlines()[0]


def classify(place: Path) -> Iterator[str]:
    """Labels on a folder of photos, three of which are none."""
    copy = ProjectCopy.make(place / "classify", {})
    photos = write_photos(copy.folder / PHOTOS)
    copy.change(CLASSIFY)
    copy.commit("photos")
    yield grow(copy)
    yield check_quarantine(copy.folder, photos)
    yield check_unchanged(copy.repro())
    yield check_outputs(copy.folder)
    yield check_scores(copy.folder)
    yield check_exports(copy.folder)
    copy.run(*GLASSHOUSE, "runs", "sync")
    yield check_parents(copy, states=1)
    yield check_model(copy)


def heads(place: Path) -> Iterator[str]:
    """Every head that the other trials leave out, on the same drawn flowers."""
    copy = ProjectCopy.make(place / "heads", TINY)
    for name, task in HEADS.items():
        copy.change({"model.head.name": name, "model.task": task})
        copy.commit(name)
        yield f"{name}: {grow(copy)}"
        yield f"{name}: {check_scores(copy.folder)}"
        yield f"{name}: {check_exports(copy.folder)}"


def options(place: Path) -> Iterator[str]:
    """Settings that the default leaves off, through all stages; one case that fails hinders no other.

    Raises:
        TrialFailure: at the end, naming those that failed.
    """

    def copy_of(number: int, name: str, changes: dict[str, Any]) -> ProjectCopy:
        copy = ProjectCopy.make(place / f"options{number}", {})
        if name.startswith("classify"):
            write_photos(copy.folder / PHOTOS)
            changes = {**CLASSIFY, **changes}
        copy.change({**TINY, **changes})
        return copy

    yield from each(
        {
            name: partial(copy_of, number, name, changes)
            for number, (name, changes) in enumerate(OPTIONS.items())
        }
    )


def backbones(place: Path, only: Sequence[str] | None = None) -> Iterator[str]:
    """A classifier on every architecture through all stages; one that fails hinders no other.

    Raises:
        TrialFailure: at the end, naming those that failed.
    """
    from glasshouse.params import part_names

    copy = ProjectCopy.make(place / "backbones", {})
    write_photos(copy.folder / PHOTOS)

    def copy_with(name: str) -> ProjectCopy:
        copy.change({**BACKBONES, "model.backbone": {"name": name, "weights": "none"}})
        return copy

    yield from each({name: partial(copy_with, name) for name in only or part_names("backbone")})


def each(cases: dict[str, Callable[[], ProjectCopy]]) -> Iterator[str]:
    """Every case through all stages, its scores and its exports; those that failed are named at the end."""
    failed: list[str] = []
    for name, make in cases.items():
        copy = make()
        copy.commit(name)
        try:
            yield f"{name}: {grow(copy)}; {check_scores(copy.folder)}; {check_exports(copy.folder)}"
        except TrialFailure as error:
            failed.append(name)
            yield f"{name}: FAILED: {error}"
    if failed:
        raise TrialFailure(f"these failed: {'; '.join(failed)}")


TRIALS: dict[str, Callable[[Path], Iterator[str]]] = {
    "detect": detect,
    "classify": classify,
    "heads": heads,
    "options": options,
    "backbones": backbones,
}


def grow(copy: ProjectCopy) -> str:
    """The first `dvc repro`: every stage runs."""
    start = time.monotonic()
    ran = stages_run(copy.repro())
    return f"`dvc repro` ran {len(ran)} stages in {time.monotonic() - start:.0f} s"


def write_photos(folder: Path, pictures: int = 90) -> int:
    """Blooms of one species each as files in class folders, and three damaged ones; number of good ones."""
    from glasshouse.sources.blooms.source import Blooms

    drawn = Blooms(pictures, size_px=80, seed=11)
    good = 0
    for example in drawn:
        if len({thing.label for thing in example.objects}) == 1 and example.label is not None:
            path = folder / example.label / example.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(example.picture)
            good += 1
    whole = min(folder.rglob("*.jpg")).read_bytes()
    contents = (whole[: len(whole) // 2], b"", b"no picture\n")
    for name, content in zip(DAMAGED, contents, strict=True):
        (folder / name).write_bytes(content)
    return good


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


if __name__ == "__main__":
    sys.exit(main())
