from __future__ import annotations

import hashlib
import io
import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from glasshouse.export.parity import Tolerance, measure_parity, write_parity
from glasshouse.journal.state import read_state
from glasshouse.sources.example import Example, ObjectLabel
from glasshouse.tables.gather import write_raw
from glasshouse.tables.schema import build_frame, write_table
from glasshouse.tracking.facts import (
    Facts,
    FactsMissing,
    Pictures,
    judge_exports,
    judge_stage,
    read_facts,
    read_pictures,
    read_trainings,
)
from glasshouse.tracking.outcome import read_outcome

PIXELS = np.linspace(0, 255, 4 * 8 * 8 * 3, dtype=np.float32).reshape(4, 8, 8, 3)


def detector(*, score: float = 0.5, shift_px: float = 0.0, found: int = 2) -> Any:
    """The same boxes in every picture."""

    def predict(pixels: Any) -> dict[str, Any]:
        count = len(pixels)
        corners = np.array([[0, 0, 4, 4], [4, 4, 8, 8]], np.float32) + np.float32(shift_px)
        return {
            "boxes": np.tile(corners, (count, 1, 1)),
            "scores": np.full((count, 2), score, np.float32),
            "labels": np.zeros((count, 2), np.int32),
            "valid": np.full(count, found, np.int32),
        }

    return predict


def judge(folder: Path, name: str, export: Any, reached: float = 0.8) -> str:
    """What is told of one format that the stage export held against Keras; Keras reaches 0.8."""
    reference = detector()
    frame = measure_parity(
        reference,
        {name: export},
        PIXELS.__getitem__,
        len(PIXELS),
        "mAP_50_95",
        lambda predict: 0.8 if predict is reference else reached,
        Tolerance(fp32=1e-3, int8_score=0.05),
        latency_runs=1,
    )
    (folder / "model").write_text("x")
    write_parity(frame, {name: folder / "model"}, folder)
    return judge_exports(folder / "agreement.json")[name]


@pytest.mark.parametrize(
    ("name", "export", "reached", "told"),
    [
        ("onnx", detector(score=0.5005), 0.8, "agrees"),
        ("onnx", detector(score=0.5625), 0.8, "differs by 0.0625 in scores (tolerance 0.001)"),
        # 0.04 of 8 px
        ("onnx", detector(shift_px=0.04), 0.8, "differs by 0.005 in boxes (tolerance 0.001)"),
        # one of two of Keras's boxes has no partner: of a score of 3 x 0.5, a third
        ("onnx", detector(found=1), 0.8, "differs by 0.333333 in unpaired detections (tolerance 0.001)"),
        ("onnx", detector(score=np.nan), 0.8, "differs without measure in scores, unpaired detections"),
        ("onnx", detector(found=0), 0.8, "was held against nothing: no picture has a detection"),
        ("litert_int8", detector(score=0.5625), 0.76, "agrees"),
        ("litert_int8", detector(score=0.5625), 0.7, "loses 0.1 of mAP_50_95 (tolerance 0.05)"),
        ("litert_int8", detector(), np.nan, "has no mAP_50_95 (tolerance 0.05)"),
    ],
)
def test_an_export_is_told_by_what_its_tolerance_limits(
    tmp_path: Path, name: str, export: Any, reached: float, told: str
) -> None:
    assert judge(tmp_path, name, export, reached).startswith(told)


FAILED = {"check": "no_leak", "status": "failed", "severity": "critical"}
PASSED = {"check": "not_dark", "status": "passed", "severity": "critical"}
WARNED = {"check": "stable", "status": "failed", "severity": "warning"}


@pytest.mark.parametrize(
    ("success", "outcomes", "told"),
    [
        (True, [PASSED], "clean"),
        (True, [PASSED, WARNED], "1 warning"),
        (True, [WARNED, WARNED], "2 warnings"),
        (False, [WARNED, FAILED, PASSED], "critical: no_leak"),
        (True, [FAILED], "critical: no_leak"),  # quality.mode is report: the pipeline went on
        (False, [PASSED], "critical: "),  # whatever it was, it is not clean
    ],
)
def test_a_stage_is_judged_by_its_worst_finding(
    success: bool, outcomes: list[dict[str, str]], told: str, tmp_path: Path
) -> None:
    findings = {"warning": outcomes.count(WARNED), "critical": outcomes.count(FAILED)}
    report = {"success": success, "outcomes": outcomes, "findings": findings}
    (tmp_path / "split.json").write_text(json.dumps(report))
    assert judge_stage(tmp_path / "split.json") == told
    assert judge_stage(tmp_path / "export.json") == "missing"


@dataclass
class Shelf:
    """Examples as a source."""

    examples: list[Example]
    categories: tuple[str, ...] = ("rose", "tulip")
    faults: tuple[()] = ()

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)


def make_example(number: int, label: str | None = "rose", *boxes: Any) -> Example:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    objects = tuple(ObjectLabel("tulip", box) for box in boxes)
    return Example(f"{number}.png", stream.getvalue(), label, objects)


def read_shelf(folder: Path, examples: list[Example], splits: list[str | None], **more: Any) -> Pictures:
    write_raw(Shelf(examples, **more), folder / "data/raw")
    rows = [(number, split, number, 1.0) for number, split in enumerate(splits, 1)]
    write_table(build_frame(rows, "split"), "split", folder / "data/split.parquet")
    return read_pictures(folder)


TRAINED, FIRST, SECOND = (
    make_example(1, "rose", (5, 5, 9, 9)),
    make_example(2, "tulip", (1, 2, 9, 9), (0, 0, 4, 4)),
    make_example(3, None, (3, 3, 8, 8)),
)


def test_pictures_are_known_by_what_they_hold_and_not_by_their_numbers(tmp_path: Path) -> None:
    """The same pictures in another order, the classes numbered otherwise, another picture to train on."""
    examples, splits = [TRAINED, FIRST, SECOND, make_example(4)], ["train", "test", "test", None]
    told = read_shelf(tmp_path / "a", examples, splits)
    hashes = [hashlib.sha256(each.picture).hexdigest()[:16] for each in examples]
    assert told.keys == {"train": hashes[:1], "test": hashes[1:3]}
    assert told.counts == {"train": 1, "test": 2}
    turned = [SECOND, replace(FIRST, objects=FIRST.objects[::-1]), make_example(9)]
    again = read_shelf(tmp_path / "b", turned, ["test", "test", "train"], categories=("tulip", "rose"))
    assert again.keys["test"] == [hashes[2], hashes[1]]
    assert again.test == told.test
    assert read_pictures(tmp_path) == Pictures({}, "")


@pytest.mark.parametrize(
    "changed",
    [
        replace(FIRST, label="rose"),
        replace(FIRST, label=None),
        replace(FIRST, objects=FIRST.objects[:1]),
        replace(FIRST, objects=(replace(FIRST.objects[0], label="rose"), FIRST.objects[1])),
        replace(FIRST, objects=(replace(FIRST.objects[0], is_crowd=True), FIRST.objects[1])),
        replace(FIRST, objects=(replace(FIRST.objects[0], box_xyxy_px=(1, 2, 9, 8)), FIRST.objects[1])),
        make_example(5, "tulip", (1, 2, 9, 9), (0, 0, 4, 4)),
    ],
)
def test_test_pictures_that_say_something_else_are_others(changed: Example, tmp_path: Path) -> None:
    splits = ["train", "test", "test"]
    told = read_shelf(tmp_path / "a", [TRAINED, FIRST, SECOND], splits).test
    assert read_shelf(tmp_path / "b", [TRAINED, changed, SECOND], splits).test != told


def test_what_a_version_tells_is_read_back() -> None:
    facts = Facts(
        **{"state": "s", "commit": "a" * 40, "committed": True, "by": "Ada", "trained": "", "task": "detect"},
        **{
            "classes": ("größe", "b"),
            "preprocess": {"height_px": 8},
            "code": "c",
            "digests": {"exports": "d"},
        },
        **{"counts": {"test": 2}, "test": "t", "quality": {"split": "clean"}, "exports": {"onnx": "agrees"}},
        **{"network": "n", "machines": {"fine_tune": {"cpu": "x"}}},
    )
    tags = facts.as_tags()
    assert tags["glasshouse.classes"] == '["größe", "b"]' and tags["glasshouse.by"] == "Ada"
    assert Facts.from_tags({**tags, "other": "x"}, "v") == facts
    earlier = {key: value for key, value in tags.items() if key != "glasshouse.machines"}
    assert Facts.from_tags(earlier, "v") == replace(facts, machines={})
    assert Facts.from_tags({**tags, "glasshouse.commit": ""}, "v").commit == ""
    with pytest.raises(
        FactsMissing, match=r"flowers version 3 lacks the tags by, test: it was not registered"
    ):
        Facts.from_tags(
            {key: value for key, value in tags.items() if key not in ("glasshouse.by", "glasshouse.test")},
            "flowers version 3",
        )
    for commit in ("a" * 41, "--upload-pack=x", f"{'a' * 40}\n", "HEAD"):
        with pytest.raises(FactsMissing, match="names no commit by its tag"):
            Facts.from_tags({**tags, "glasshouse.commit": commit}, "v")


def facts_of(project: Any) -> Facts:
    state = read_state(project.root)
    return read_facts(project.root, state, read_outcome(project.root), Pictures({}, ""))


def test_when_it_was_trained_is_from_the_first_start_to_the_last_end(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that goes on by an hour with every row of a journal; 0 is 1970."""
    project.make_outputs()
    assert facts_of(project).trained == ""
    hours = itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: next(hours) * 3600.0)
        for stage in ("train_head", "train_head", "fine_tune"):  # the first of them was forced anew
            project.execute(stage)
    ran = read_trainings(project.root, read_state(project.root))
    assert {stage: each.number for stage, each in ran.items()} == {"train_head": 2, "fine_tune": 1}
    start, end = ran["train_head"].start_time, ran["fine_tune"].last_time
    assert 0 < start < ran["train_head"].last_time < ran["fine_tune"].start_time < end < 24 * 3600
    assert facts_of(project).trained == (
        f"1970-01-01 {start // 3600:02.0f}:00:00 to 1970-01-01 {end // 3600:02.0f}:00:00"
    )
    with project.open("fine_tune") as journal:
        journal.end("failed", "NotFinite")
    assert set(read_trainings(project.root, read_state(project.root))) == {"train_head"}


def test_the_code_is_all_that_comes_from_outside_but_the_params(project: Any) -> None:
    project.make_outputs()
    first = facts_of(project).code
    project.set("seed: 7", "seed: 8")
    assert facts_of(project).code == first
    project.set("X = 1", "X = 2", "src/room.py")
    second = facts_of(project).code
    project.set("cmd: python pipeline/export.py", "cmd: python -O pipeline/export.py", "dvc.yaml")
    assert len({first, second, facts_of(project).code}) == 3


def test_who_registers_is_called_as_git_calls_them(project: Any) -> None:
    project.make_outputs()
    subprocess.run(["git", "init", "--quiet"], cwd=project.root, check=True)
    subprocess.run(["git", "config", "user.name", "Ada"], cwd=project.root, check=True)
    assert facts_of(project).by == "Ada"
