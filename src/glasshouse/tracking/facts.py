"""What a model version carries about itself: enough to judge it, compare it and make it again.

Read from the files of a finished state, written as tags of the version, read back from them. Lists and
tables of a version are JSON in its tags; what is long (the pictures of each split) is a file of its run.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glasshouse.export.formats import QUANTIZED
from glasshouse.journal.git import ask_git
from glasshouse.journal.journal import Execution, read_executions, state_folder
from glasshouse.journal.pipeline import PARAMS, look_up, read_pipeline, read_yaml
from glasshouse.journal.state import State, digest_values
from glasshouse.tracking.commits import find_commit
from glasshouse.tracking.outcome import NETWORK, Outcome

PREFIX = "glasshouse."
LABELS, AGREEMENT, REPORTS = "exports/labels.txt", "exports/agreement.json", "reports/quality"
SPLIT_TABLE = "data/split.parquet"
CLEAN, MISSING, AGREES = "clean", "missing", "agrees"
MAIN_SCORES = ("mAP_50_95", "accuracy")  # one of them stands in agreement.json
TRAININGS = ("train_head", "fine_tune")
COMMIT = re.compile("|[0-9a-f]{40}|[0-9a-f]{64}")  # of git: none, by SHA-1, by SHA-256
LATER = ("machines",)  # facts that versions of earlier releases lack
KEY_DIGITS = (
    16  # hex digits of a picture's SHA-256: two of a million pictures share 64 bits once in 10^7 sets
)


class FactsMissing(ValueError):
    """A model version does not say of itself what a comparison needs."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one finished state.

    Args:
        state: id of the state.
        commit: of git, "" without one; `committed`: it holds all files that git knows as they were run.
        by: who registered it; trained: from when to when, UTC, "" where the outputs came from a cache.
        task: detect, localize or classify; classes: names in the order of the network's class index.
        preprocess: the block of params.yaml: size and manner of the pictures that the network takes.
        code: SHA-256 of all that comes from outside except params: code, weights, source pictures.
        digests: output -> its digest in dvc.lock.
        counts: pictures of each split; test: SHA-256 of the test pictures and their labels.
        quality: stage -> "clean", "2 warnings", "critical: names of checks" or "missing".
        exports: format -> "agrees", or how it differs from Keras.
        network: SHA-256 of the ONNX file.
        machines: training stage -> the machine that it ran on last, as `Machine.as_values`; none where the
            output came from a cache, and empty for versions registered before it was kept.
    """

    state: str
    commit: str
    committed: bool
    by: str
    trained: str
    task: str
    classes: tuple[str, ...]
    preprocess: dict[str, Any]
    code: str
    digests: dict[str, str]
    counts: dict[str, int]
    test: str
    quality: dict[str, str]
    exports: dict[str, str]
    network: str
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_tags(self) -> dict[str, str]:
        """Text as it is, everything else as JSON."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            f"{PREFIX}{name}": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in values.items()
        }

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], whose: str) -> Facts:
        """Read back; raises FactsMissing naming the version and what it lacks, or says wrongly.

        Whoever may write to the MLflow server writes these tags: what git is asked about must be a commit.
        """
        told = [each for each in fields(cls) if f"{PREFIX}{each.name}" in tags]
        missing = [each.name for each in fields(cls) if each not in told and each.name not in LATER]
        if missing:
            raise FactsMissing(
                f"{whose} lacks the tags {', '.join(missing)}: it was not registered by `glasshouse runs "
                "sync` of this release. Run that where its state stands, or move the alias by hand."
            )
        texts = {each.name: tags[f"{PREFIX}{each.name}"] for each in told}
        values: dict[str, Any] = {
            each.name: texts[each.name] if each.type == "str" else json.loads(texts[each.name])
            for each in told
        }
        if not COMMIT.fullmatch(values["commit"]):
            raise FactsMissing(
                f"{whose} names no commit by its tag {PREFIX}commit ({values['commit'][:80]!r}): it was not "
                "written by Glasshouse. Do not use what it says."
            )
        return cls(**{**values, "classes": tuple(values["classes"])})


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of each split by the first digits of their SHA-256; `test`: SHA-256 of them and labels."""

    keys: dict[str, list[str]]
    test: str

    @property
    def counts(self) -> dict[str, int]:
        """Pictures of each split."""
        return {split: len(keys) for split, keys in self.keys.items()}


def read_facts(root: Path, state: State, outcome: Outcome, pictures: Pictures) -> Facts:
    """Of the state that stands finished in `root`."""
    params = read_yaml(root / PARAMS)
    commit, committed = find_commit(root, state.id, state.sources)
    stages = read_pipeline(root, params).stages
    outside = {"stages": state.stages, "sources": state.sources}
    ran = read_trainings(root, state)
    return Facts(
        state=state.id,
        commit=commit,
        committed=committed,
        by=read_person(root),
        trained=_say_times(ran.values()),
        task=str(look_up(params, "model.task")),
        classes=_read_lines(root / LABELS),
        preprocess=dict(look_up(params, "preprocess")),
        code=digest_values(outside),
        digests=dict(sorted(outcome.data_digests.items())),
        counts=pictures.counts,
        test=pictures.test,
        quality={stage: judge_stage(root / REPORTS / f"{stage}.json") for stage in stages},
        exports=judge_exports(root / AGREEMENT),
        network=hashlib.sha256((root / NETWORK).read_bytes()).hexdigest(),
        machines=take_machines(ran),
    )


def read_person(root: Path) -> str:
    """The name that git has for who works here, else the login."""
    return ask_git(root, "config", "user.name") or getpass.getuser()


def judge_stage(path: Path) -> str:
    """The verdict of a stage's quality report in a few words."""
    if not path.is_file():
        return MISSING
    report = json.loads(path.read_text(encoding="utf-8"))
    critical = [
        str(found["check"])
        for found in report["outcomes"]
        if found["status"] == "failed" and found["severity"] == "critical"
    ]
    if critical or not report["success"]:
        return f"critical: {', '.join(critical)}"
    warnings = int(report["findings"]["warning"])
    return f"{warnings} warning{'s' if warnings > 1 else ''}" if warnings else CLEAN


def judge_exports(path: Path) -> dict[str, str]:
    """Format -> whether it agrees with Keras; empty where nothing was held against it."""
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {name: AGREES if row["within"] else _say_apart(name, row) for name, row in rows.items()}


def _say_apart(name: str, row: Mapping[str, Any]) -> str:
    """By the figure that the tolerance limits: an 8-bit format's lost score, else the largest difference."""
    tolerance = f"(tolerance {row['tolerance']})"
    if not row["compared"]:
        return "was held against nothing: no picture has a detection"
    if name in QUANTIZED:
        metric = next(each for each in MAIN_SCORES if each in row)
        if None in (row[metric], row["reference_score"]):
            return f"has no {metric} {tolerance}"
        return f"loses {row['reference_score'] - row[metric]:.6g} of {metric} {tolerance}"
    figures = {
        "scores": row["max_abs_difference_scores"],
        "boxes": row["max_abs_difference_boxes"],
        "unpaired detections": row["unpaired"],
    }
    unknown = [which for which, value in figures.items() if value is None]
    if unknown:
        return f"differs without measure in {', '.join(unknown)} {tolerance}"
    which = max(figures, key=lambda each: float(figures[each]))
    return f"differs by {figures[which]} in {which} {tolerance}"


def read_pictures(root: Path) -> Pictures:
    """Which pictures are in which split; empty where the pipeline writes no split table."""
    if not (root / SPLIT_TABLE).is_file():
        return Pictures({}, "")
    from glasshouse.tables.raw import read_raw
    from glasshouse.tables.schema import read_table

    raw, split = read_raw(root / "data/raw"), read_table("split", root / SPLIT_TABLE)
    images = raw.images.merge(split[["image_id", "split"]], on="image_id").sort_values("image_id")
    keys = {
        str(name): [str(digest)[:KEY_DIGITS] for digest in part["sha256"]]
        for name, part in images.groupby("split")
    }
    return Pictures(keys, _digest_labelled(images[images["split"] == "test"], raw.objects, raw.categories))


def _digest_labelled(images: Any, objects: Any, categories: Any) -> str:
    """SHA-256 of pictures, labels and boxes, whatever their numbers are."""
    names = categories.set_index("category_id")["name"]
    sha256 = images.set_index("image_id")["sha256"]
    here = objects[objects["image_id"].isin(sha256.index)]
    boxes = [
        [sha256[row["image_id"]], str(names[row["category_id"]]), *(float(row[key]) for key in CORNERS)]
        for row in here.to_dict("records")
    ]
    labels = images["label"].astype(object).where(images["label"].notna(), None)
    return digest_values(
        {"pictures": sorted(zip(images["sha256"], map(str, labels), strict=True)), "boxes": sorted(boxes)}
    )


CORNERS = ("x_min_px", "y_min_px", "x_max_px", "y_max_px", "is_crowd")


def _read_lines(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()


def read_trainings(root: Path, state: State) -> dict[str, Execution]:
    """The trainings of the state whose last execution here was sound."""
    folder = state_folder(root, state.id)
    return {
        stage: execution
        for stage in TRAININGS
        for execution in read_executions(folder, stage)[-1:]
        if execution.status == "ok"
    }


def take_machines(ran: Mapping[str, Execution]) -> dict[str, dict[str, Any]]:
    """Where the trainings ran, for those whose journal tells it."""
    return {stage: each.about["machine"] for stage, each in ran.items() if "machine" in each.about}


def _say_times(ran: Collection[Execution]) -> str:
    """From the start of the first to the end of the last."""
    if not ran:
        return ""
    ends = (min(each.start_time for each in ran), max(each.last_time for each in ran))
    return " to ".join(datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M:%S") for end in ends)
