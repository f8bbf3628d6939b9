"""What the files say of the present state: scores, histories, pages, as far as dvc.lock vouches for them."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.journal.digests import Digests
from glasshouse.journal.journal import check_metrics
from glasshouse.journal.pipeline import (
    PARAMS,
    Locked,
    Pipeline,
    find_changed_out,
    find_stale,
    read_lock,
    read_pipeline,
    read_yaml,
)
from glasshouse.tracking.names import make_legal

METRICS = "reports/evaluate/metrics.json"
HISTORIES = {"train_head": "models/head.json", "fine_tune": "models/model.json"}
NETWORK = "exports/model.onnx"
MANIFEST = "data/raw/images.parquet"
PAGES = {
    "evaluate": "reports/evaluate",
    "quality": "reports/quality",
    "models": "models",
}  # artifact folder -> folder
PAGE_KINDS = (".html", ".json", ".png", ".svg", ".jpg", ".jpeg", ".csv", ".txt")
NOT_PAGES = ("predictions.json", "ground_truth.json")  # large, and of use only beside DVC's other files
NOT_SCORES = ("protocol",)  # how it was measured: numbers, but none to compare runs by
LONGEST_PART = 150  # characters: MLflow takes 250 for the whole name of a metric
SPLIT_PREFIXES = {"test": "", "valid": "valid_"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The parts of the files that belong to the state; `faults` say what does not, and what to run."""

    metrics: dict[str, float]
    histories: dict[str, list[dict[str, float]]]
    pages: dict[str, list[Path]]  # artifact folder -> files, relative to the root
    network: Path | None
    data_digests: dict[str, str]  # path of an output -> its digest in dvc.lock
    faults: list[str]

    @property
    def is_whole(self) -> bool:
        """Whether every stage is up to date and its outputs are on disk."""
        return not self.faults


def read_outcome(root: Path) -> Outcome:
    """Read what dvc.lock vouches for; raises ValueError where a score is not finite."""
    params = read_yaml(root / PARAMS)
    pipeline, lock, digests = read_pipeline(root, params), read_lock(root), Digests(root)
    stale = find_stale(pipeline, lock, params, digests)
    absent = {
        stage: find_changed_out(stage, lock, digests) for stage in pipeline.stages if stage not in stale
    }
    digests.save()
    sound = {stage for stage, path in absent.items() if path is None}
    files = _Files(root, pipeline, sound)
    return Outcome(
        metrics=flatten_scores(files.read(METRICS) or {}, METRICS),
        histories={
            stage: _rows(files.read(path)) for stage, path in HISTORIES.items() if files.is_sound(path)
        },
        pages={name: list(files.pages(folder)) for name, folder in PAGES.items()},
        network=root / NETWORK if files.is_sound(NETWORK) else None,
        data_digests=_out_digests(lock, stale),
        faults=list(_faults(stale, absent)),
    )


def flatten_scores(document: Mapping[str, Any], where: str) -> dict[str, float]:
    """metrics.json as flat names: test as it is, valid with `valid_`, intervals as `_low` and `_high`.

    Raises ValueError naming the score where one is not finite.
    """
    scores: dict[str, float] = {}
    for split, prefix in SPLIT_PREFIXES.items():
        for name, value in _leaves(document.get(split) or {}, prefix):
            scores[_find_free(name, scores)] = value
    return check_metrics(scores, where)


def name_class_scores(document: Mapping[str, Any], score: str) -> dict[str, str]:
    """Flat name, as `flatten_scores` has it, of a score of each class on the test pictures -> the class."""
    classes: dict[str, str] = {}
    for name, own in (document.get("test") or {}).get("per_class", {}).items():
        if own.get(score) is not None:
            classes[_find_free(f"per_class/{_make_legal(name)}/{score}", classes)] = name
    return classes


def _find_free(name: str, taken: Container[str]) -> str:
    """The name, lengthened where classes whose names differ in illegal characters only share it."""
    while name in taken:
        name += "_"
    return name


def _leaves(block: Mapping[str, Any], above: str) -> Iterator[tuple[str, float]]:
    """Numbers below `block`; a score that is not defined (null) has none."""
    for name, value in block.items():
        if name in NOT_SCORES:
            continue
        if name == "ci95":
            yield from _interval_ends(value, above)
        elif isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{_make_legal(name)}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{above}{_make_legal(name)}", float(value)


def _make_legal(name: str) -> str:
    """One part of a metric's name: a class may be called by nothing, by dots, or by a whole sentence."""
    legal = make_legal(name, LONGEST_PART)
    return legal.replace(".", "_") if legal.startswith(".") else legal or "_"


def _interval_ends(intervals: Mapping[str, Any], above: str) -> Iterator[tuple[str, float]]:
    for name, ends in intervals.items():
        if ends is not None and None not in ends:
            low, high = ends
            yield f"{above}{name}_low", float(low)
            yield f"{above}{name}_high", float(high)


class _Files:
    """Files below the root, where the stage that writes them is sound."""

    def __init__(self, root: Path, pipeline: Pipeline, sound: set[str]) -> None:
        self.root, self.pipeline, self.sound = root, pipeline, sound

    def is_sound(self, path: str) -> bool:
        return self.pipeline.owner(path) in self.sound and (self.root / path).is_file()

    def read(self, path: str) -> Any:
        return json.loads((self.root / path).read_text(encoding="utf-8")) if self.is_sound(path) else None

    def pages(self, folder: str) -> Iterator[Path]:
        for path in sorted((self.root / folder).rglob("*")):
            inside = path.relative_to(self.root)
            if path.suffix in PAGE_KINDS and path.name not in NOT_PAGES and self.is_sound(inside.as_posix()):
                yield inside


def _rows(document: Any) -> list[dict[str, float]]:
    """The rows of a history: one an epoch, with its number."""
    rows = document.get("history", []) if isinstance(document, Mapping) else document
    return [dict(row) for row in rows if isinstance(row, Mapping) and "epoch" in row]


def _out_digests(lock: Mapping[str, Locked], stale: Mapping[str, str]) -> dict[str, str]:
    return {path: digest for stage in lock if stage not in stale for path, digest in lock[stage].outs.items()}


def _faults(stale: Mapping[str, str], absent: Mapping[str, str | None]) -> Iterator[str]:
    if stale:
        said = ", ".join(f"{stage} ({reason})" for stage, reason in stale.items())
        yield f"not up to date: {said}: run `dvc repro`, then `glasshouse runs sync`"
    for stage, path in absent.items():
        if path is not None:
            yield f"{path} is not on disk as {stage} wrote it: run `dvc checkout` (or `dvc pull`)"
