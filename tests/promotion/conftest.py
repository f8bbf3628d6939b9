"""A small project of finished states: flat pictures of three colours, networks of a few nodes."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from glasshouse.inputs.prepare import write_prepared
from glasshouse.metrics.paired import Gain
from glasshouse.params import Preprocess, Promotion
from glasshouse.promotion.decision import Comparison, Scored
from glasshouse.sources.example import Example, LabelFault, ObjectLabel
from glasshouse.tables.gather import write_raw
from glasshouse.tables.schema import build_frame, write_table
from glasshouse.tracking.facts import Facts

COLOURS = ("red", "green", "blue")
PICTURES = {"train": 50, "valid": 10, "test": 40}
STAGES = {
    "download": ["data/raw"],
    "split": ["data/split.parquet"],
    "preprocess": ["data/prepared"],
    "train_head": ["models/head.json"],
    "evaluate": ["reports/evaluate"],
    "export": ["exports"],
}
SIDE = 32


@dataclass
class Paints:
    """Pictures of one colour each, the channel of the colour being the highest by a random lead."""

    seed: int
    names: tuple[str, ...] = COLOURS
    count: int = sum(PICTURES.values())
    faults: tuple[LabelFault, ...] = ()

    @property
    def categories(self) -> tuple[str, ...]:
        return self.names

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Example]:
        generator = np.random.default_rng(self.seed)
        for number in range(self.count):
            channel = number % 3
            levels = generator.integers(40, 180, 3)
            levels[channel] = levels.max() + generator.integers(2, 70)
            buffer = io.BytesIO()
            Image.fromarray(np.tile(levels.astype(np.uint8), (20, 20, 1))).save(buffer, "PNG")
            name = COLOURS[channel] if COLOURS[channel] in self.names else self.names[0]
            boxes = (ObjectLabel(name, (4.0, 4.0, 14.0, 14.0), False),)
            yield Example(f"{self.seed}-{number:03}.png", buffer.getvalue(), name, boxes)


def write_classifier(
    path: Path, bias: float, classes: int = 3, side: int = SIDE, scale: float = 20.0
) -> None:
    """Softmax of the channels' means (0..1) times scale; `bias` (0..1) is added to the first class."""
    outputs = [("probabilities", TensorProto.FLOAT, ["batch", classes])]
    weights = np.zeros((3, classes), np.float32)
    weights[range(3), [number % classes for number in range(3)]] = scale / 255
    first = np.zeros(classes, np.float32)
    first[0] = bias * scale
    constants = {"axes": np.array([1, 2]), "weights": weights, "bias": first}
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["raw"]),
        helper.make_node("Add", ["raw", "bias"], ["biased"]),
        helper.make_node("Softmax", ["biased"], ["probabilities"], axis=1),
    ]
    save(path, nodes, constants, outputs, side)


def write_detector(path: Path, shift_px: float, classes: int = 3, side: int = SIDE) -> None:
    """One box a picture, at the place of the paints' own moved by `shift_px`; its class by the channels."""
    share = side / 20
    box = (np.array([4.0, 4.0, 14.0, 14.0]) * share + shift_px).astype(np.float32).reshape(1, 1, 4)
    constants = {
        "axes": np.array([1, 2]),
        "box": box,
        "none": np.zeros((1, 1), np.float32),
        "place": np.array([1]),
        "levels": np.array([255.0], np.float32),
        "one": np.ones((1, 1, 1), np.float32),
        "last": np.array([-1]),
    }
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("ArgMax", ["mean"], ["label64"], axis=1, keepdims=1),
        helper.make_node("Cast", ["label64"], ["labels"], to=TensorProto.INT32),
        helper.make_node("ReduceMax", ["mean", "place"], ["highest"], keepdims=1),
        helper.make_node("Div", ["highest", "levels"], ["scores"]),
        helper.make_node("Unsqueeze", ["scores", "last"], ["spread"]),
        helper.make_node("Mul", ["spread", "none"], ["zeros"]),
        helper.make_node("Add", ["zeros", "box"], ["boxes"]),
        helper.make_node("Cast", ["zeros"], ["flat"], to=TensorProto.INT32),
        helper.make_node("Squeeze", ["flat", "last"], ["nothing"]),
        helper.make_node("ReduceMax", ["nothing", "place"], ["valid"], keepdims=0),
    ]
    outputs = [
        ("boxes", TensorProto.FLOAT, ["batch", 1, 4]),
        ("labels", TensorProto.INT32, ["batch", 1]),
        ("scores", TensorProto.FLOAT, ["batch", 1]),
        ("valid", TensorProto.INT32, ["batch"]),
    ]
    save(path, nodes, constants, outputs, side)


def save(path: Path, nodes: list[Any], constants: dict[str, Any], outputs: list[Any], side: int) -> None:
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", side, side, 3])
    given = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    told = [helper.make_tensor_value_info(*output) for output in outputs]
    graph = helper.make_graph(nodes, "paints", [pixels], told, given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def write_data(root: Path, paints: Paints, side: int = SIDE, test_first: bool = False) -> None:
    """data/raw, split and prepared; `test_first` deals the splits in another order."""
    shutil.rmtree(root / "data", ignore_errors=True)
    write_raw(paints, root / "data/raw")
    order = sorted(PICTURES) if test_first else list(PICTURES)
    parts = [split for split in order for _ in range(PICTURES[split])][: len(paints)]
    rows = [(number, split, number, 1.0) for number, split in enumerate(parts, start=1)]
    split = build_frame(rows, "split")
    write_table(split, "split", root / "data/split.parquet")
    # As params.yaml has the rest.
    size = Preprocess(height_px=side, width_px=side, resize="letterbox", pad_value=114)
    write_prepared(root / "data/raw", split, size, root / "data/prepared")


class House:
    """A project with its data; `finish` makes one finished state after the other."""

    def __init__(self, project: Any, task: str) -> None:
        self.project, self.root, self.task = project, project.root, task

    def set(self, old: str, new: str) -> None:
        self.project.set(old, new)

    def finish(self, quality: float, names: tuple[str, ...] = COLOURS, side: int = SIDE) -> None:
        """A finished state of another seed; `quality`: bias of the classifier, or shift of the detector."""
        text = (self.root / "params.yaml").read_text(encoding="utf-8")
        seed = int(text.split("seed: ")[1].split()[0])
        self.set(f"seed: {seed}", f"seed: {seed + 1}")
        self.write_network(quality, len(names), side)
        self.project.write("exports/labels.txt", "".join(f"{name}\n" for name in names))
        self.project.write("exports/agreement.json", json.dumps(self.agreement()))
        metric = "accuracy" if self.task == "classify" else "mAP_50_95"
        self.project.write("reports/evaluate/metrics.json", json.dumps({"test": {metric: 0.5}}))
        self.project.write("models/head.json", "[]")
        for stage in STAGES:
            self.judge(stage)
        self.project.lock()

    def write_network(self, quality: float, classes: int = len(COLOURS), side: int = SIDE) -> None:
        write = write_classifier if self.task == "classify" else write_detector
        write(self.root / "exports/model.onnx", quality, classes, side)

    def agreement(self, within: bool = True) -> dict[str, Any]:
        return {"onnx": {"within": within, "max_abs_difference_scores": 1e-6, "tolerance": 1e-3}}

    def judge(self, stage: str, *critical: str) -> None:
        outcomes = [{"check": name, "status": "failed", "severity": "critical"} for name in critical]
        report = {"success": not critical, "outcomes": outcomes, "findings": {"warning": 0}}
        self.project.write(f"reports/quality/{stage}.json", json.dumps(report))


def prepare(project: Any, task: str, template: Path) -> House:
    stages = {
        stage: {
            "cmd": f"python pipeline/{stage}.py",
            "deps": [f"pipeline/{stage}.py"],
            "params": ["seed"],
            "outs": [*outs, f"reports/quality/{stage}.json"],
        }
        for stage, outs in STAGES.items()
    }
    project.write("dvc.yaml", json.dumps({"stages": stages}))
    for stage in STAGES:
        project.write(f"pipeline/{stage}.py", f"# {stage}\n")
    set_params(project, task)
    shutil.copytree(template, project.root / "data")
    return House(project, task)


CLASSIFY = {"task: detect": "task: classify", "anchor_free": "classify", "source: blooms": "source: tfds"}


def set_params(project: Any, task: str) -> None:
    for old, new in {
        "height_px: 128": f"height_px: {SIDE}",
        "width_px: 128": f"width_px: {SIDE}",
        "bootstrap_rounds: 1000": "bootstrap_rounds: 200",
        **(CLASSIFY if task == "classify" else {}),
    }.items():
        text = (project.root / "params.yaml").read_text(encoding="utf-8")
        project.write("params.yaml", text.replace(old, new, 1))


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of every house, made once."""
    folder = tmp_path_factory.mktemp("painted")
    write_data(folder, Paints(seed=1))
    return folder / "data"


@pytest.fixture
def house(stored: Any, painted: Path) -> House:
    """Of classifiers, with its empty MLflow database."""
    return prepare(stored, "classify", painted)


@pytest.fixture
def offline_house(project: Any, painted: Path) -> House:
    """Of detectors, without MLflow."""
    return prepare(project, "detect", painted)


@pytest.fixture
def repaint() -> Callable[..., None]:
    """Other data: write_data(root, Paints(seed, names)), for houses."""

    def paint(house: House, seed: int, names: tuple[str, ...] = COLOURS, **deal: Any) -> None:
        write_data(house.root, Paints(seed, names), **deal)

    return paint


@pytest.fixture
def writers() -> dict[str, Callable[..., None]]:
    return {"classify": write_classifier, "detect": write_detector}


RULES = Promotion(
    metric="main",
    rule="better",
    margin=0.0,
    tolerance=0.02,
    confidence=0.95,
    class_floor=0.05,
    class_floors={},
    lost_classes="refuse",
)


@pytest.fixture
def make_rules() -> Callable[..., Promotion]:
    return lambda **changes: RULES.model_copy(update=changes)


@pytest.fixture
def make_facts() -> Callable[..., Facts]:
    def make(**changes: Any) -> Facts:
        facts = {
            "state": "s" * 64,
            "commit": "c" * 40,
            "committed": True,
            "by": "Ada",
            "trained": "",
            "task": "detect",
            "classes": COLOURS,
            "preprocess": {"height_px": 32},
            "code": "k" * 64,
            "digests": {"data/raw": "1.dir"},
            "counts": PICTURES,
            "test": "t" * 64,
            "quality": {"download": "clean", "evaluate": "2 warnings"},
            "exports": {"onnx": "agrees", "litert": "agrees"},
            "network": "n" * 64,
        }
        return Facts(**{**facts, **changes})

    return make


@pytest.fixture
def make_scored() -> Callable[..., Scored]:
    def make(score: float | None = 0.7, fault: str = "", **classes: float) -> Scored:
        return Scored(score, classes or dict.fromkeys(COLOURS, 0.7), fault)

    return make


@pytest.fixture
def make_comparison() -> Callable[..., Comparison]:
    def make(difference: float, low: float, high: float, *notes: str, fault: str = "") -> Comparison:
        better = 0.99 if difference > 0 else 0.01
        return Comparison(Gain(0.7, 0.7 + difference, low, high, better, 40), notes, fault)

    return make
