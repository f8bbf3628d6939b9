"""A project of seven tiny stages without TensorFlow, and trainings that never were."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from glasshouse.comparison.leaderboard import Row
from glasshouse.comparison.plan import Plan, make_plan
from glasshouse.comparison.request import Asked, Request
from glasshouse.comparison.statistics import Scored, sample_scores
from glasshouse.metrics.paired import mean_score

REPOSITORY = Path(__file__).parents[2]
OUTS = {
    "download": "data/raw.txt",
    "split": "data/split.txt",
    "preprocess": "data/prepared.txt",
    "train_head": "models/head.keras",
    "fine_tune": "models/model.keras",
    "evaluate": "reports/evaluate",
    "export": "exports",
}
PARAMS = {
    "download": ["seed"],
    "preprocess": ["preprocess.pad_value"],
    "train_head": ["model", "train_head.epochs"],
    "fine_tune": ["model"],
}
# Backbones behave by name: resnet34 ends with a sentence, vgg16 is killed, resnet18 waits to be let go.
STAGE = """
import json, os, signal, sys, time
from pathlib import Path
from ruamel.yaml import YAML

stage, out = sys.argv[1], Path(sys.argv[2])
model = YAML(typ="safe").load(Path("params.yaml").read_text())["model"]
name, seed = model["backbone"]["name"], model.get("seed", 0)
with open(os.environ["RAN"], "a") as stream:
    stream.write(f"{stage} {name} {seed}\\n")
if (name, stage) == ("resnet34", "train_head"):
    from glasshouse.journal.journal import Journal
    from glasshouse.journal.page import write_page
    from glasshouse.journal.state import read_state
    journal = Journal(write_page(Path("."), read_state(Path("."))), stage, {})
    journal.end("failed", "NotFinite: epoch 1: loss is no finite number")
    sys.exit(1)
if (name, stage) == ("vgg16", "fine_tune"):
    os.kill(os.getpid(), signal.SIGKILL)
if (name, stage) == ("resnet18", "fine_tune") and not os.path.exists(os.environ["RAN"] + ".go"):
    print("waits", flush=True)
    time.sleep(60)
if stage == "evaluate":
    (out / "test").mkdir(parents=True, exist_ok=True)
    score = {"mobilenet_v2": 0.5}.get(name, 0.4) + seed / 100
    scores = {"mAP_50_95": score, "mAP_50": score}
    (out / "metrics.json").write_text(json.dumps({"valid": scores, "test": scores}))
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 8, 8]}
    truth = {"images": [{"id": 1}, {"id": 2}], "categories": [{"id": 1, "name": "a"}],
             "annotations": [{**box, "iscrowd": 0}, {**box, "image_id": 2, "iscrowd": 0}]}
    (out / "test/ground_truth.json").write_text(json.dumps(truth))
    (out / "test/predictions.json").write_text(json.dumps([{**box, "score": 0.9}]))
elif stage == "export":
    (out / "saved_model").mkdir(parents=True, exist_ok=True)
    (out / "saved_model/saved_model.pb").write_text("x" * 100)
else:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(f"{stage} {name} {seed}" if "models" in str(out) else stage)
"""
# What `dvc repro` does, as far as a comparison sees it, without DVC's start-up.
REPRO = """
import subprocess, sys
from pathlib import Path
from ruamel.yaml import YAML
from glasshouse.comparison.outcome import list_sound
from glasshouse.journal.digests import Digests
from glasshouse.journal.pipeline import look_up, read_pipeline, read_yaml

root = Path(".")
params = read_yaml(root / "params.yaml")
lock = YAML(typ="safe").load(Path("dvc.lock").read_text())["stages"] if Path("dvc.lock").exists() else {}
for stage in read_pipeline(root, params).stages.values():
    if stage.name not in list_sound(root)[0]:
        print(f"Running stage '{stage.name}':", flush=True)
        status = subprocess.call(stage.command, shell=True)
        if status:
            print(f"ERROR: failed to reproduce '{stage.name}': failed to run, exited with {status}")
            sys.exit(255)
        digests = Digests(root)
        entries = {kind: [{"path": path, "md5": digests.digest(path)} for path in paths]
                   for kind, paths in (("deps", stage.deps), ("outs", stage.outs))}
        values = {key: look_up(params, key) for key in stage.params}
        lock[stage.name] = {"cmd": stage.command, "params": {"params.yaml": values}, **entries}
        with open("dvc.lock", "w") as stream:
            YAML().dump({"schema": "2.0", "stages": lock}, stream)
    if stage.name in sys.argv[1:]:
        break
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, known to git and with a DVC cache; no MLflow answers."""
    root = tmp_path / "project"
    write(
        root / "params.yaml",
        (REPOSITORY / "params.yaml").read_text().replace("weights: builtin", "weights: none"),
    )
    names, stages, before = list(OUTS), {}, None
    for name in names:
        deps = ["pipeline/stage.py", *([OUTS[before]] if before else [])]
        command = f"{sys.executable} pipeline/stage.py {name} {OUTS[name]}"
        stages[name] = {
            "cmd": command,
            "deps": deps,
            "params": PARAMS.get(name, ["seed"]),
            "outs": [OUTS[name]],
        }
        before = name
    with (root / "dvc.yaml").open("w") as stream:
        YAML().dump({"stages": stages}, stream)
    write(root / "pipeline/stage.py", STAGE)
    write(
        root / ".gitignore",
        ".glasshouse/\n/data\n/models\n/reports\n/exports\n/.dvc/config.local\n/.dvc/tmp\n/.dvc/cache\n",
    )
    write(root / ".dvc/config", "[core]\n    analytics = false\n    check_update = false\n")
    write(tmp_path / "repro.py", REPRO)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))
    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    return root


@pytest.fixture
def repro(tmp_path: Path) -> list[str]:
    return [sys.executable, str(tmp_path / "repro.py")]


@pytest.fixture
def plan() -> Callable[..., Plan]:
    def make(root: Path, *names: str, **options: Any) -> Plan:
        asked = tuple(Asked(name) for name in names)
        return make_plan(root, Request("trial", asked, **options))

    return make


@pytest.fixture
def ran(tmp_path: Path) -> Callable[[], list[str]]:
    """`stage backbone seed` of everything that ran since the last call."""

    def read() -> list[str]:
        path = tmp_path / "ran"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    return read


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """A row whose test score is the share of 1s in each of its seeds' pictures."""

    def make(label: str, *right: list[int], valid: float | None = None, **values: float) -> Row:
        scored = [Scored(mean_score(np.array(each)), None, len(each)) for each in right]
        sample = sample_scores(scored, rounds=400, seed=3) if scored else None
        whole = {"test": sample.score if sample else None, "valid": valid, **values}
        reasons = {} if scored else {0: "train_head: NotFinite: epoch 1"}
        return Row(label, "none", whole, sample, tuple(range(len(scored))), reasons)

    return make


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
