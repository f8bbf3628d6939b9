"""Runs the whole pipeline on a tiny set, in a copy of the project: nobody's data or models are touched.

python tools/smoke.py              boxes on drawn flowers
python tools/smoke.py classify     labels on a folder of photos, some of them damaged
python tools/smoke.py detect classify      both at once: imports keep one processor busy each
python tools/smoke.py heads        every other head through training, evaluation and export (some minutes)
python tools/smoke.py options      settings that the default leaves off, several at once (some minutes)
python tools/smoke.py backbones    a classifier on every architecture (long)
python tools/smoke.py heads --only ssd yolo_v1      cases of heads, options or backbones whose names begin so
python tools/smoke.py --keep       the copy stays for a look
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mirror_checks import check_model, check_parents, check_whole_run
from project_copy import GLASSHOUSE, TINY, ProjectCopy, TrialFailure, stages_run
from smoke_checks import (
    DAMAGED,
    check_coco,
    check_exports,
    check_outputs,
    check_quarantine,
    check_scores,
    check_tree,
    check_unchanged,
)

HEADS = {
    "localize": "localize",
    "fcn_grid": "detect",
    "sliding": "detect",
    "yolo_v1": "detect",
    "yolo_v3": "detect",
    "ssd": "detect",
}
PHOTOS = Path("data/photos")
INTERRUPTED = 130  # the exit status of what Ctrl-C stopped
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
    parser.add_argument("trials", nargs="*", choices=[*TRIALS, *CASES, []], help="default: detect")
    parser.add_argument("--keep", action="store_true", help="leave the copy")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=(), help="of heads, options, backbones")
    asked = parser.parse_args()
    trials = list(dict.fromkeys(asked.trials)) or ["detect"]
    if asked.only and (len(trials) > 1 or trials[0] not in CASES):
        parser.error(f"--only goes with one of {', '.join(CASES)}. Got {', '.join(trials)} instead.")
    if len(trials) > 1:
        return run_side_by_side(trials, ["--keep"] if asked.keep else [])
    (trial,) = trials
    place = Path(tempfile.mkdtemp(prefix="glasshouse-smoke-"))
    start = time.monotonic()
    try:
        for line in CASES[trial](place, asked.only) if trial in CASES else TRIALS[trial](place):
            print(f"smoke: {time.monotonic() - start:4.0f} s  {trial}: {line}", flush=True)
    except TrialFailure as error:
        print(f"smoke: {trial}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"smoke: {trial}: interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        if asked.keep:
            print(f"smoke: the copy is in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    print(f"smoke: {trial}: the pipeline runs end to end, {time.monotonic() - start:.0f} s")
    return 0


def run_side_by_side(trials: Sequence[str], flags: Sequence[str]) -> int:
    """Each trial in a process of its own, all to their ends; the exit status is 1 where any failed."""
    running = [subprocess.Popen([sys.executable, __file__, trial, *flags]) for trial in trials]
    try:
        return int(any([process.wait() for process in running]))
    except KeyboardInterrupt:  # which reaches the trials too: each takes its copy away
        for process in running:
            process.wait()
        return INTERRUPTED


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


def heads(place: Path, only: Sequence[str] = ()) -> Iterator[str]:
    """Every head that the other trials leave out, on the same drawn flowers; raises as `each` does."""
    copy = ProjectCopy.make(place / "heads", TINY)

    def copy_with(name: str, task: str) -> ProjectCopy:
        copy.change({"model.head.name": name, "model.task": task})
        return copy

    yield from each({name: partial(copy_with, name, task) for name, task in HEADS.items()}, only)


def options(place: Path, only: Sequence[str] = ()) -> Iterator[str]:
    """Settings that the default leaves off, through all stages; raises as `each` does."""

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
        },
        only,
    )


def backbones(place: Path, only: Sequence[str] = ()) -> Iterator[str]:
    """A classifier on every architecture through all stages; raises as `each` does."""
    from glasshouse.params import part_names

    copy = ProjectCopy.make(place / "backbones", {})
    write_photos(copy.folder / PHOTOS)

    def copy_with(name: str) -> ProjectCopy:
        copy.change({**BACKBONES, "model.backbone": {"name": name, "weights": "none"}})
        return copy

    yield from each({name: partial(copy_with, name) for name in part_names("backbone")}, only)


def each(cases: dict[str, Callable[[], ProjectCopy]], only: Sequence[str] = ()) -> Iterator[str]:
    """Every case, or those whose names begin like one of `only`, through all stages, with its scores and its
    exports; one that fails hinders no other.

    Raises:
        TrialFailure: at once for a beginning that no case has, else at the end, naming those that failed.
    """
    if unknown := [start for start in only if not any(name.startswith(start) for name in cases)]:
        raise TrialFailure(
            f"--only {' '.join(unknown)}: there is no such case. There are: {'; '.join(cases)}."
        )
    chosen = {name: make for name, make in cases.items() if not only or name.startswith(tuple(only))}
    failed: list[str] = []
    for name, make in chosen.items():
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
}
CASES: dict[str, Callable[[Path, Sequence[str]], Iterator[str]]] = {
    "heads": heads,
    "options": options,
    "backbones": backbones,
}


def grow(copy: ProjectCopy) -> str:
    """`dvc repro` of a new copy or of changed params; raises TrialFailure where no stage runs: what is looked
    at afterwards would be another run's."""
    start = time.monotonic()
    ran = stages_run(said := copy.repro())
    if not ran:
        raise TrialFailure(f"`dvc repro` ran no stage:\n{said}")
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


if __name__ == "__main__":
    sys.exit(main())
