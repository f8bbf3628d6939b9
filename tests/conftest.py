"""A small project with all files that stages, mirror and commands read; shared by tests of several rooms."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from ruamel.yaml import YAML

from glasshouse.journal.digests import Digests
from glasshouse.journal.journal import Journal, state_folder
from glasshouse.journal.page import write_page
from glasshouse.journal.pipeline import look_up, read_pipeline, read_yaml
from glasshouse.journal.state import read_state

# What a script starts in the background ignores SIGINT, and so would all that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same cases on every machine and run, however slow: a chance find must not turn away a change that did
# not cause it. `pytest --hypothesis-profile=explore` looks for new ones.
settings.register_profile(
    "same", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("same")

REPOSITORY = Path(__file__).parents[1]
SCORES = {
    "test": {
        "mAP_50_95": 0.61,
        "mAP_50": 0.88,
        "protocol": {"max_detections": 100},
        "per_class": {"tulips": {"mAP_50_95": 0.5}, "dan@delion": {"mAP_50_95": None}},
        "ci95": {"mAP_50_95": [0.58, 0.64], "mAP_50": [0.85, 0.91]},
    },
    "valid": {"mAP_50_95": 0.6, "ci95": {"mAP_50_95": [0.57, 0.63]}},
}
DVC_YAML = """
stages:
  download:
    cmd: python pipeline/download.py
    deps: [pipeline/download.py, src/room.py]
    params: [seed, dataset]
    outs: [data/raw]
  train_head:
    cmd: python pipeline/train_head.py
    deps: [pipeline/train_head.py, src/room.py, data/raw, src/weights.h5]
    params: [model, train_head]
    outs: [models/head.json]
  evaluate:
    cmd: python pipeline/evaluate.py
    deps: [pipeline/evaluate.py, models/head.json]
    params: [evaluate.nms_iou, evaluate.batch_size]
    outs:
      - reports/evaluate:
          cache: false
  export:
    cmd: python pipeline/export.py
    deps: [models/head.json, pipeline/export.py]
    params: [export]
    outs: [exports]
"""


class Project:
    """A small project that has all files which the mirror reads, with a dvc.lock that vouches for them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copy(REPOSITORY / "params.yaml", root / "params.yaml")
        self.set("weights: builtin", "weights: none")  # whatever ships with the project
        self.write("dvc.yaml", DVC_YAML)
        for name in ("download", "train_head", "evaluate", "export"):
            self.write(f"pipeline/{name}.py", f"# {name}\n")
        self.write("src/room.py", "X = 1\n")
        self.write("src/weights.h5", "w" * 1000)

    def write(self, path: str, content: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")

    def make_outputs(self, network: bool = True) -> None:
        import pandas as pd

        images = pd.DataFrame({"image_id": [1, 2], "file_name": ["a.png", "b.png"]})
        (self.root / "data/raw").mkdir(parents=True, exist_ok=True)
        images.to_parquet(self.root / "data/raw/images.parquet")
        self.write("models/head.json", json.dumps([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5}]))
        self.write("reports/evaluate/metrics.json", json.dumps(SCORES))
        self.write("reports/evaluate/index.html", "<p>report</p>")
        self.write("reports/evaluate/test/predictions.json", "[]")
        (self.root / "exports").mkdir(exist_ok=True)
        if network:
            write_network(self.root / "exports/model.onnx")
        self.lock()

    def lock(self) -> None:
        """What `dvc repro` would write."""
        params = read_yaml(self.root / "params.yaml")
        digests = Digests(self.root)
        stages = {}
        for stage in read_pipeline(self.root, params).stages.values():
            entries = {
                kind: [{"path": path, "hash": "md5", "md5": digests.digest(path)} for path in paths]
                for kind, paths in (("deps", stage.deps), ("outs", stage.outs))
            }
            values = {key: look_up(params, key) for key in stage.params}
            stages[stage.name] = {"cmd": stage.command, "params": {"params.yaml": values}, **entries}
        with (self.root / "dvc.lock").open("w") as stream:
            YAML().dump({"schema": "2.0", "stages": stages}, stream)

    def set(self, old: str, new: str, path: str = "params.yaml") -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        self.write(path, text.replace(old, new))

    def open(self, stage: str) -> Journal:
        state = read_state(self.root)
        return Journal(write_page(self.root, state), stage, {"params": "x", "commit": None})

    def execute(self, stage: str, losses: dict[int, float] | None = None, metrics: Any = None) -> Path:
        """An execution that ends well."""
        with self.open(stage) as journal:
            for step, loss in (losses or {}).items():
                journal.epoch(step, {"loss": loss})
            if metrics is not None:
                journal.metrics(metrics)
            journal.phase("work", 1.5)
            journal.phase("guard", 0.5)
            journal.end("ok")
        return journal.path

    def train(self, stage: str, status: str, epochs: range, resumed: bool = False) -> None:
        """An execution that takes 10 s an epoch, and 1 s for the rest."""
        with self.open(stage) as journal:
            if resumed:
                journal.resumed(epochs.start - 1)
            for epoch in epochs:
                journal.epoch(epoch, {"loss": 1.0})
            journal.phase("work", 10.0 * len(epochs) + 1)
            journal.end(status)

    @property
    def folder(self) -> Path:
        return state_folder(self.root, read_state(self.root).id)


def write_network(path: Path) -> None:
    """ONNX: pixels (B, 8, 8, 3) -> probabilities (B, 3), the mean of each channel over 255."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 8, 8, 3])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], np.array([1, 2]))
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], np.array([255.0], np.float32))
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "scale"], ["probabilities"]),
    ]
    graph = helper.make_graph(nodes, "mean", [pixels], [probabilities], [axes, scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: creating it takes long, so it is done once and copied."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def stored(project: Project, store_template: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that has its empty database already."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(store_template, project.root / "mlflow.db")
    return project


@pytest.fixture
def killed(project: Project) -> Callable[[str, dict[int, float]], Path]:
    """Run a stage in a process of its own that is killed with SIGKILL after its last epoch."""

    def run(stage: str, losses: dict[int, float]) -> Path:
        folder = write_page(project.root, read_state(project.root))
        lines = [
            "import sys, time",
            "from pathlib import Path",
            "from glasshouse.journal.journal import Journal",
            f"journal = Journal(Path({str(folder)!r}), {stage!r}, {{}})",
            *(f"journal.epoch({step}, {{'loss': {loss}}})" for step, loss in losses.items()),
            "print(journal.path, flush=True)",
            "time.sleep(60)",
        ]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
        process = subprocess.Popen(
            [sys.executable, "-c", "\n".join(lines)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        process.kill()
        process.wait()
        process.stdout.close()
        return path

    return run


@pytest.fixture
def wait_for() -> Callable[..., None]:
    def wait(condition: Callable[[], bool], seconds: float = 100.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.05)

    return wait


@pytest.fixture
def make_project() -> type[Project]:
    return Project


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run code, or a script with its arguments, in a process of its own, with the package on its path."""

    def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        whole = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), **environment}
        return subprocess.run(
            [sys.executable, *arguments], cwd=cwd, env=whole, capture_output=True, text=True, timeout=100
        )

    return run
