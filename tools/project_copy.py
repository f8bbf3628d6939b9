"""A copy of the project for trials: its commands see its own sources, settings, caches and MLflow store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
DVC = (sys.executable, "-m", "dvc")
GLASSHOUSE = (sys.executable, "-m", "glasshouse.cli")
IDENTITY = ("-c", "user.name=trial", "-c", "user.email=trial@localhost", "-c", "commit.gpgsign=false")
FOREIGN = ("DVC_", "GIT_", "GLASSHOUSE_", "MLFLOW_")  # settings of the caller's that are none of a copy's
SHOWN_LINES = 40  # of a failed command's output

# Small enough for a minute, and large enough that every class is in every split and a box is found.
TINY: dict[str, Any] = {
    "dataset.blooms.pictures": 100,
    "dataset.blooms.size_px": 96,
    "preprocess.height_px": 64,
    "preprocess.width_px": 64,
    "train_head.epochs": 6,
    "train_head.epoch_pictures": 0,
    "train_head.learning_rate": 0.01,
    "train_head.variants": 1,
    "fine_tune.epochs": 4,
    "fine_tune.epoch_pictures": 0,
    "fine_tune.validate_every": 2,
    "augment.mosaic_off_epochs": 1,
    "evaluate.bootstrap_rounds": 50,
    "evaluate.gallery_pictures": 4,
    "evaluate.explained_pictures": 1,
    "export.calibration_pictures": 8,
    "export.latency_runs": 2,
}


class TrialFailure(AssertionError):
    """Something ran, and what came out is not right; the message says what."""


@dataclass(frozen=True)
class ProjectCopy:
    """A copy in `folder`; what DVC keeps outside of a project lies beside it, in the folder above."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, changes: Mapping[str, Any]) -> Self:
        """Copy what git tracks, or would, without dvc.lock; set `changes` in params.yaml; commit all."""
        copy = cls(folder)
        copy_files(ROOT, folder)
        copy.change(changes)
        copy.run("git", "init", "--quiet")
        copy.commit("trial")
        return copy

    def twin(self, name: str) -> ProjectCopy:
        """A copy of this copy beside it, DVC's cache and journals included, MLflow's runs left out."""
        runs = shutil.ignore_patterns("mlflow.db*", "mlruns")
        shutil.copytree(self.folder, self.folder.parent / name, symlinks=True, ignore=runs)
        return ProjectCopy(self.folder.parent / name)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set dotted keys of params.yaml."""
        override(self.folder / "params.yaml", changes)

    def commit(self, message: str) -> None:
        """Commit all files that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", *IDENTITY, "commit", "--quiet", "--no-verify", "--allow-empty", "--message", message)

    def run(self, *command: str, **environment: str) -> str:
        """What `command` prints; raises TrialFailure with the end of it where the status is not 0."""
        done = self.attempt(*command, **environment)
        if done.returncode:
            said = "\n".join(done.stdout.splitlines()[-SHOWN_LINES:])
            raise TrialFailure(f"`{say(command)}` ended with status {done.returncode}:\n{said}")
        return done.stdout

    def attempt(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `command` to its end, well or not; `stdout` holds all that it printed."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def start(self, *command: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
        """Start `command` as the leader of a process group of its own, so that all of it can be killed."""
        with log.open("wb") as stream:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def environment(self, **changes: str) -> dict[str, str]:
        """The caller's environment, less what would lead out of the copy."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        aside = self.folder.parent / "outside"
        (aside / "tmp").mkdir(parents=True, exist_ok=True)  # what is killed leaves its temporary files behind
        own = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": str(self.folder / "src"),
            "TMPDIR": str(aside / "tmp"),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(aside / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(aside / "global"),
            "DVC_SYSTEM_CONFIG_DIR": str(aside / "system"),
        }
        return {**kept, **own, **changes}

    def repro(self, *arguments: str, **environment: str) -> str:
        """`dvc repro`; the text that it printed."""
        return self.run(*DVC, "repro", *arguments, **environment)

    @property
    def lock(self) -> bytes:
        """The bytes of dvc.lock, empty where there is none."""
        path = self.folder / "dvc.lock"
        return path.read_bytes() if path.is_file() else b""

    @property
    def store(self) -> str:
        """Address of the copy's MLflow store."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def read(self, name: str) -> Any:
        """A YAML file of the copy."""
        return YAML(typ="safe").load((self.folder / name).read_text(encoding="utf-8"))


def copy_files(root: Path, folder: Path) -> None:
    """Copy the files below `root` that git tracks, or would, to `folder`; dvc.lock stays behind."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = root / name, folder / name
        if source.is_file() and name != "dvc.lock":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def override(path: Path, changes: Mapping[str, Any]) -> None:
    """Set dotted keys in a YAML file; raises TrialFailure for one that is not there."""
    yaml = YAML()
    document = yaml.load(path)
    for key, value in changes.items():
        *blocks, name = key.split(".")
        block = document
        for part in blocks:
            block = block.get(part, {})
        if name not in block:
            raise TrialFailure(f"{path.name} has no {key} any more: bring {Path(__file__).name} up to date.")
        block[name] = value
    yaml.dump(document, path)


def say(command: tuple[str, ...]) -> str:
    """A command as a person would type it."""
    words = ["python" if word == sys.executable else word for word in command]
    return " ".join(words).replace("python -m dvc", "dvc").replace("python -m glasshouse.cli", "glasshouse")


def stages_run(output: str) -> list[str]:
    """Names of the stages that `dvc repro` executed, by what it printed."""
    starts = (line for line in output.splitlines() if line.startswith("Running stage '"))
    return [line.split("'")[1] for line in starts]
