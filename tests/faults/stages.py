"""A small project around a data set, and its stages run one after the other in this process."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from project_copy import override

ROOT = Path(__file__).parents[2]
STAGES = ("download", "split", "preprocess")
PIXELS = {"preprocess.height_px": 64, "preprocess.width_px": 64}
CLASSIFY = {"model.task": "classify", "model.head.name": "classify"}  # for labels without boxes
LABELS_ONLY = ("class_folders", "npy")


@dataclass
class Trial:
    """A project's folder and what its stages have said.

    Attributes:
        root: of the project.
        statuses: exit status of each stage that ran.
        said: what each printed to stderr.
    """

    root: Path
    statuses: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def run(self, stage: str) -> int:
        """Run a stage's script here; what a stage does not expect goes through as it is: with a traceback."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            try:
                with contextlib.chdir(self.root):
                    load_script(stage)()
                status = 0
            except SystemExit as leaving:
                status = int(leaving.code or 0)
        self.statuses[stage], self.said[stage] = status, said.getvalue()
        return status

    def run_all(self) -> None:
        """Run the stages until one fails."""
        for stage in STAGES:
            if self.run(stage):
                return

    def read_report(self, stage: str) -> dict[str, Any]:
        """reports/quality/STAGE.json."""
        report: dict[str, Any] = json.loads((self.root / f"reports/quality/{stage}.json").read_text("utf-8"))
        return report

    def list_findings(self, *severities: str) -> dict[str, dict[str, Any]]:
        """{"stage.check": its outcome} of the checks of these severities that failed."""
        found = {}
        for stage in self.statuses:
            if (self.root / f"reports/quality/{stage}.json").is_file():
                for outcome in self.read_report(stage)["outcomes"]:
                    if outcome["status"] == "failed" and outcome["severity"] in severities:
                        found[f"{stage}.{outcome['check']}"] = outcome
        return found


def make_trial(
    root: Path, form: str, changes: Mapping[str, Any] | None = None, path: str = "pictures"
) -> Trial:
    """A project in an empty folder whose params.yaml names a labelled folder and is else this project's."""
    root.mkdir(parents=True, exist_ok=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, root / name)
    task = CLASSIFY if form in LABELS_ONLY else {}
    folder = {"dataset.source": "folder", "dataset.format": form, "dataset.path": path}
    override(root / "params.yaml", {**folder, **PIXELS, **task, **(changes or {})})
    return Trial(root)


@cache
def load_script(stage: str) -> Callable[[], None]:
    """`main` of pipeline/STAGE.py."""
    main: Callable[[], None] = runpy.run_path(str(ROOT / f"pipeline/{stage}.py"))["main"]
    return main
