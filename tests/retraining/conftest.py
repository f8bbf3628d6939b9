"""A small project in a real git repository, with an origin and a `dvc` and a `gh` that only pretend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from glasshouse.journal.state import read_state
from glasshouse.retraining import retrain as steps
from glasshouse.retraining.verdict import Verdict

REPOSITORY = Path(__file__).parents[2]
# What it is to say and do stands in dvc.json: command -> {"status", "says", "errs", "script" (Python)}.
FAKE = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "calls.txt").open("a") as log:
    log.write(" ".join([{name!r}, *sys.argv[1:]]) + "\\n")
plans = json.loads((folder / "{name}.json").read_text())
words = " ".join(sys.argv[1:])
plan = next((plans[key] for key in sorted(plans, key=len, reverse=True) if words.startswith(key)), {{}})
exec(plan.get("script", ""))
print(plan.get("says", ""), end="")
print(plan.get("errs", ""), end="", file=sys.stderr)
sys.exit(plan.get("status", 0))
"""


@dataclass
class Desk:
    """The project's folder, the programs' plans, what was said."""

    project: Any
    programs: Path
    said: list[str] = field(default_factory=list)
    verdicts: list[Any] = field(default_factory=list)

    @property
    def root(self) -> Path:
        root: Path = self.project.root
        return root

    @property
    def state(self) -> str:
        return read_state(self.root).id

    @property
    def branch(self) -> str:
        return f"retrain/{self.state[:12]}"

    def plan(self, name: str, **plans: Any) -> None:
        """What a fake program answers: `data_status={"says": ...}` stands for `data status ...`."""
        path = self.programs / f"{name}.json"
        known = json.loads(path.read_text())
        path.write_text(json.dumps({**known, **{key.replace("_", " "): plan for key, plan in plans.items()}}))

    def calls(self, name: str) -> list[str]:
        """The command lines that a fake program got."""
        path = self.programs / "calls.txt"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str = "project") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def run(self) -> int:
        """One retraining."""
        self.said.clear()
        return steps.retrain(self.root, self.said.append)

    def share(self) -> None:
        """Set a DVC remote that is a folder here."""
        shelf = self.programs.parent / "shelf"
        shelf.mkdir(exist_ok=True)
        self.plan("dvc", **{"config core.remote": {"says": "shelf\n"}})
        self.plan("dvc", **{"config remote.shelf.url": {"says": f"{shelf}\n"}})

    def show(self, place: str) -> str:
        return self.git("show", place)


PROMOTED = Verdict(
    model="flowers",
    number="2",
    is_champion=True,
    outcome="promoted: better",
    why="better: accuracy 0.8 against 0.5",
    metric="mAP_50_95",
    against="1",
    gain={
        "first": 0.5,
        "second": 0.8,
        "difference": 0.3,
        "low": 0.2,
        "high": 0.4,
        "better": 1.0,
        "pictures": 40.0,
    },
    before={"mAP_50_95": 0.5, "mAP_50_95_low": 0.4, "mAP_50_95_high": 0.6, "per_class/tulips/AP_50_95": 0.4},
    line="| 2026-11-20 12:00:00 | flowers | promoted: better | 2 (abcdefab) | 1 |",
)


@pytest.fixture
def promoted() -> Verdict:
    return PROMOTED


@pytest.fixture
def desk(project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("dvc", "gh"):
        (programs / f"{name}.json").write_text("{}")
        path = programs / name
        path.write_text(FAKE.format(python=sys.executable, folder=str(programs), name=name))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ACTIONS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    made = Desk(project, programs)
    made.project.write(".gitignore", "/models\n/exports\n/data/raw\n/reports/*\n/.glasshouse/\n")
    (made.root / "data").mkdir()
    for name in ("accepted", "accepted_split"):
        made.project.write(f"data/{name}.json", '{"accepted": null}\n')
    made.git("init", "--quiet", "--initial-branch", "main")
    made.git("config", "user.name", "Ada")
    made.git("config", "user.email", "ada@localhost")
    made.commit()
    made.git("init", "--quiet", "--bare", str(tmp_path / "origin.git"))
    made.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    made.git("push", "--quiet", "origin", "main")
    fake_judge(made, monkeypatch)
    return made


def fake_judge(made: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry's answers come from `verdicts`, the last one again and again; nothing is accepted."""
    made.verdicts.append(PROMOTED)

    def judge(_root: Path, _store: Any) -> Verdict:
        verdict = made.verdicts.pop(0) if len(made.verdicts) > 1 else made.verdicts[0]
        if isinstance(verdict, Exception):
            raise verdict
        assert isinstance(verdict, Verdict)
        return verdict

    def run_stages(root: Path, *words: str, keep_open: Any = ()) -> int:
        status = real_show(root, *words, keep_open=keep_open)
        if words[:2] == ("dvc", "repro") and status == 0:
            made.project.make_outputs()
        return status

    real_show = steps.show
    monkeypatch.setattr(steps, "show", run_stages)
    monkeypatch.setattr(steps, "take_verdict", judge)
    monkeypatch.setattr(steps.acceptance, "accept_later", lambda root, state: False)
    monkeypatch.setattr(steps, "read_pictures", lambda root: type("Known", (), {"counts": {"test": 4}}))
