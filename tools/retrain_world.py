"""A small world for trials of `make retrain`: a project, its pictures' source, DVC's remote, git's origin,
and an MLflow server on 127.0.0.1."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from project_copy import DVC, GLASSHOUSE, TINY, ProjectCopy, TrialFailure

PICTURES = Path("data/photos")
SPECIES = ("daisy", "roses", "sunflowers")
SIDE_PX, DRAWN, SEED = 72, 640, 11
MODEL = "blooms-detector"
RECIPE: dict[str, Any] = {
    **TINY,
    "dataset.source": "folder",
    "dataset.path": PICTURES.as_posix(),
    "model.task": "classify",
    "model.head.name": "classify",
    "split.test": 0.2,
    "train_head.epochs": 3,
    "fine_tune.epochs": 8,
    "fine_tune.validate_every": 8,
    "fine_tune.learning_rate": 3.0e-3,
    "evaluate.bootstrap_rounds": 300,
    "export.formats": ["onnx"],
    "promotion.class_floor": 0.0,  # so little training teaches some classes nothing
    "quality.train_head.max_final_loss_ratio": 2.0,  # random labels have to come as far as the gate
    "quality.fine_tune.max_valid_drop": 1.0,
}
START_SECONDS, STOP_SECONDS = 180.0, 20.0


@dataclass(frozen=True)
class World:
    """Everything beside one another in `place`, so that a copy of the folder is a world of its own."""

    place: Path
    store: str = ""  # address of an MLflow server; the project's own database where it is empty

    @property
    def copy(self) -> ProjectCopy:
        """The project."""
        return ProjectCopy(self.place / "project")

    @property
    def root(self) -> Path:
        """Its folder."""
        return self.copy.folder

    @property
    def shelf(self) -> Path:
        """DVC's remote."""
        return self.place / "shelf"

    @classmethod
    def make(cls, place: Path, bucket: Path, store: str = "") -> Self:
        """A project that was never run, its pictures imported from `bucket`, an empty remote and origin."""
        ProjectCopy.make(place / "project", RECIPE)
        world = cls(place, store)
        world.shelf.mkdir()
        copy = world.copy
        copy.run("git", "init", "--quiet", "--bare", "../origin.git")
        copy.run("git", "remote", "add", "origin", "../origin.git")
        copy.run(*DVC, "remote", "add", "--default", "shelf", "../shelf")
        copy.run(*DVC, "import-url", "--quiet", str(bucket), PICTURES.as_posix())
        copy.commit("pictures")
        copy.run("git", "push", "--quiet", "--set-upstream", "origin", "HEAD:main")
        world.ready()
        return world

    def ready(self) -> None:
        """Have make take the environment that this runs in for the project's."""
        (self.root / ".venv").mkdir(exist_ok=True)
        (self.root / ".venv" / ".ready-cpu").touch()

    def twin(self, name: str) -> World:
        """All of it once more; MLflow's files of before are read where they were written."""
        target = self.place.with_name(name)
        shutil.copytree(self.place, target, symlinks=True)
        world = World(target, self.store)
        world.ready()
        return world

    def environment(self) -> dict[str, str]:
        """Of a command in the project."""
        return {"MLFLOW_TRACKING_URI": self.store} if self.store else {"GLASSHOUSE_LIVE": "0"}

    def retrain(self) -> subprocess.CompletedProcess[str]:
        """`make retrain`, to its end."""
        return self.copy.attempt(*RETRAIN, **self.environment())

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """`make retrain`, as the leader of a process group."""
        return self.copy.start(*RETRAIN, log=log, **self.environment())

    def glasshouse(self, *words: str) -> str:
        """What another command prints."""
        return self.copy.run(*GLASSHOUSE, *words, **self.environment())

    def branches(self) -> list[str]:
        """The changes that origin has."""
        listed = self.copy.run("git", "ls-remote", "--heads", "origin", "refs/heads/retrain/*")
        return [line.split("refs/heads/")[1] for line in listed.splitlines()]

    def rows(self) -> list[list[str]]:
        """The ledger's rows as cells, without the time."""
        path = self.root / "reports/ledger.md"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        return [line.split(" | ")[1:] for line in text.splitlines() if line.startswith("| 2")]

    def registered(self) -> dict[str, str]:
        """Alias -> version, `versions` -> how many, `network` -> SHA-256 of the champion's."""
        from mlflow import MlflowClient

        client = MlflowClient(self.store or self.copy.store)
        aliases = client.get_registered_model(MODEL).aliases
        champion = client.get_model_version_by_alias(MODEL, "champion")
        count = len(client.search_model_versions(f"name = '{MODEL}'"))
        told = {name: str(number) for name, number in aliases.items()}
        return {**told, "versions": str(count), "network": champion.tags["glasshouse.network"]}


class Trial:
    """The pictures and where they come from; FEW of them are there at first."""

    FEW = 60

    def __init__(self, place: Path, seed: int, kills: int) -> None:
        self.place, self.kills, self.random = place, kills, random.Random(seed)
        self.photos, self.bucket = draw_photos(place / "photos"), place / "bucket"


RETRAIN = ("make", "--no-print-directory", "retrain", "GPU=0")
PULL = ("make", "--no-print-directory", "pull", "GPU=0")


def draw_photos(folder: Path) -> list[Path]:
    """Blooms of one species each, drawn once; the order of the list is the order in which they come in."""
    from glasshouse.sources.blooms.source import Blooms

    for example in Blooms(DRAWN, size_px=SIDE_PX, seed=SEED):
        if len({thing.label for thing in example.objects}) == 1 and example.label in SPECIES:
            path = folder / str(example.label) / example.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(example.picture)
    return sorted(folder.rglob("*.jpg"), key=lambda path: path.name)


def fill(bucket: Path, photos: list[Path], shuffle: int | None = None) -> None:
    """Make the bucket hold just these; `shuffle`: seed of random labels."""
    shutil.rmtree(bucket, ignore_errors=True)
    draw = random.Random(shuffle)
    for path in photos:
        place = bucket / (path.parent.name if shuffle is None else draw.choice(SPECIES)) / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


class Server:
    """An MLflow server with a database and a folder of its own; it may be stopped and started again."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True)
        self._place, self._port = place, find_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """For MLFLOW_TRACKING_URI."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Returns when it answers."""
        words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        words += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self._place / 'mlflow.db'}"]
        words += ["--artifacts-destination", str(self._place / "artifacts")]
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._place / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=self._place, env={**os.environ, **off}, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TrialFailure(f"the MLflow server did not start: see {self._place / 'server.log'}")
            time.sleep(0.3)

    def stop(self) -> None:
        """At once, with all its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def find_free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def succeed(world: World) -> str:
    """`make retrain` must end with status 0; what it said."""
    done = world.retrain()
    if done.returncode or "Traceback" in done.stdout:
        raise TrialFailure(f"`make retrain` ended with status {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def fail(world: World) -> str:
    """`make retrain` must end with status 1, in sentences; what it said."""
    done = world.retrain()
    if "retrain] Error 1" not in done.stdout or "Traceback" in done.stdout:
        raise TrialFailure(f"it must end with status 1 and a sentence. Got instead:\n{done.stdout[-6000:]}")
    return done.stdout


def say_last(said: str, words: str) -> str:
    """The last line with these words."""
    lines = [line for line in said.splitlines() if words in line]
    return lines[-1].removeprefix("retrain: ") if lines else f"(nothing of {words!r})"
