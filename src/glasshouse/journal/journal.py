"""The journal of what ran: JSON lines in `.glasshouse/journal/<state>/<stage>/<n>.jsonl`, never a DVC output.

Every execution of a stage has a file of its own. Rows: start, resumed, epoch, guard, metrics, phase, end. A
killed execution has no end row; its last line may be torn. While its process lives it holds a lock on
`<n>.lock`, which the system drops however the process dies, so that no stale process id is ever believed.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import posixpath
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

FOLDER = Path(".glasshouse", "journal")
ABOUT = "state.json"  # beside the stages' folders: the whole state id, its params
SHORT_ID = 16  # hex digits of the state id in the folder's name
LEGAL_METRIC = re.compile(r"[\w/.\- ]+")  # what every MLflow store takes

_held: set[Path] = set()  # locks of this process: probing one's own POSIX lock would drop it

End = Literal["ok", "failed", "interrupted"]
Status = Literal["running", "killed", "ok", "failed", "interrupted"]


class Journal:
    """One execution of one stage, written as it goes."""

    def __init__(self, folder: Path, stage: str, about: Mapping[str, Any]) -> None:
        """Open the next free number under `folder`/`stage` (folder: of the state) and write the start row."""
        self.stage = stage
        self.path = _create_next(folder / stage)
        self._lock_path = self.path.resolve().with_suffix(".lock")
        self._lock = self._lock_path.open("w")
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        _held.add(self._lock_path)
        self._stream = self.path.open("a", encoding="utf-8")
        self._write("start", stage=stage, pid=os.getpid(), **about)

    def epoch(self, step: int, metrics: Mapping[str, float]) -> None:
        """One epoch's figures, on disk when this returns; raises ValueError as `check_metrics` does."""
        self._write(
            "epoch", sync=True, step=step, metrics=check_metrics(metrics, f"{self.stage}, epoch {step}")
        )

    def resumed(self, epoch: int) -> None:
        """Training goes on after `epoch` finished epochs of an execution that was cut off."""
        self._write("resumed", epoch=epoch)

    def guard(self, passed: bool, message: str = "") -> None:
        """The guard's verdict."""
        self._write("guard", passed=passed, message=message)

    def metrics(self, metrics: Mapping[str, Any]) -> None:
        """The scores, nested as in metrics.json; raises ValueError where one is not finite."""
        for name in _name_not_finite(metrics, ""):
            raise ValueError(
                f"{self.stage}: the score {name} must be a finite number, or null where undefined."
            )
        self._write("metrics", sync=True, metrics=metrics)

    def phase(self, name: str, seconds: float) -> None:
        """Wall seconds that a phase took in all."""
        self._write("phase", name=name, seconds=round(seconds, 4))

    def end(self, status: End, message: str = "", traceback: str = "") -> None:
        """The last row."""
        self._write("end", sync=True, status=status, message=message, traceback=traceback)

    def close(self) -> None:
        """Give the lock back."""
        self._stream.close()
        self._lock_path.unlink(missing_ok=True)
        _held.discard(self._lock_path)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, row: str, sync: bool = False, **values: Any) -> None:
        line = json.dumps({"row": row, "time": round(time.time(), 6), **values}, allow_nan=False)
        self._stream.write(f"{line}\n")
        self._stream.flush()
        if sync:
            os.fsync(self._stream.fileno())


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a curve; `time` in seconds since 1970."""

    step: int
    time: float
    metrics: dict[str, float]


@dataclass(slots=True)
class Execution:
    """One execution of a stage as its journal tells it; times in seconds since 1970."""

    path: Path
    number: int
    about: dict[str, Any] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, Any] | None = None
    resumed_from: int | None = None
    guard: dict[str, Any] | None = None
    end: dict[str, Any] | None = None
    last_time: float = 0.0

    @property
    def status(self) -> Status:
        """How it stands: by its end row, else by whether its process still lives."""
        if self.end is not None:
            status: Status = self.end["status"]
            return status
        return "running" if _is_held(self.path.resolve().with_suffix(".lock")) else "killed"

    @property
    def start_time(self) -> float:
        """When the stage began."""
        return float(self.about.get("time", self.last_time))

    @property
    def seconds(self) -> float:
        """Wall seconds: the sum of its phases, or from its first to its last row where it was cut off."""
        return sum(self.phases.values()) if self.phases else self.last_time - self.start_time


def check_metrics(metrics: Mapping[str, Any], where: str) -> dict[str, float]:
    """The figures as floats; raises ValueError naming an illegal name, or a figure that is not finite."""
    checked: dict[str, float] = {}
    for name, value in metrics.items():
        if not _is_legal(name):
            raise ValueError(
                f"{where}: the metric name {name!r} may hold letters, digits, spaces, _ - . and inner / only."
            )
        figure = float(value)
        if not math.isfinite(figure):
            raise ValueError(
                f"{where}: {name} must be a finite number. Got {figure} instead: the run has diverged."
            )
        checked[name] = figure
    return checked


def _name_not_finite(block: Mapping[str, Any], above: str) -> Iterator[str]:
    for name, value in block.items():
        if isinstance(value, Mapping):
            yield from _name_not_finite(value, f"{above}{name}.")
        elif any(isinstance(item, float) and not math.isfinite(item) for item in _as_list(value)):
            yield f"{above}{name}"


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_legal(name: str) -> bool:
    """Letters, digits and few marks; as a path it must be as short as it can be, and lead downwards."""
    shortest = posixpath.normpath(name) == name and name != "." and not name.startswith(("/", ".."))
    return bool(LEGAL_METRIC.fullmatch(name)) and shortest


def state_folder(root: Path, state_id: str) -> Path:
    """Where the journals of a state lie."""
    return root / FOLDER / state_id[:SHORT_ID]


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Write a state's own page once; a second process may do the same at the same time."""
    path = folder / ABOUT
    if path.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{ABOUT}.{os.getpid()}"
    fresh.write_text(json.dumps(about, indent=1), encoding="utf-8")
    fresh.replace(path)


def read_about(folder: Path) -> dict[str, Any]:
    """A state's own page; raises ValueError naming it where a crash of the machine left it empty."""
    path = folder / ABOUT
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path}: no valid page of a state ({error}). Remove the file.") from error


def list_states(root: Path) -> list[Path]:
    """Folders of all states that have journals, oldest first."""
    pages = (root / FOLDER).glob(f"*/{ABOUT}")
    return [page.parent for page in sorted(pages, key=lambda page: (page.stat().st_mtime, page.parent.name))]


def read_executions(folder: Path, stage: str) -> list[Execution]:
    """All executions of a stage in one state, in the order they began."""
    return [read_execution(path) for path in _numbered(folder / stage)]


def list_stages(folder: Path) -> list[str]:
    """Stages that ran in a state, in the order they first began."""
    first = {}
    for place in folder.iterdir() if folder.is_dir() else []:
        paths = _numbered(place) if place.is_dir() else []
        if paths:
            first[place.name] = read_execution(paths[0]).start_time
    return sorted(first, key=lambda stage: (first[stage], stage))


def read_execution(path: Path) -> Execution:
    """Read one file; a torn last line is left out, any other fault raises ValueError with file and line."""
    execution = Execution(path, int(path.stem))
    for row in _read_rows(path):
        execution.last_time = row["time"]
        _take(row, execution)
    return execution


def merge_epochs(executions: list[Execution]) -> list[Epoch]:
    """One curve of all executions: of two that differ at a step the later one stands."""
    curve: dict[int, Epoch] = {}
    for execution in executions:
        for epoch in execution.epochs:
            known = curve.get(epoch.step)
            if known is None or known.metrics != epoch.metrics:
                curve[epoch.step] = epoch
    return [curve[step] for step in sorted(curve)]


def _take(row: dict[str, Any], execution: Execution) -> None:
    match row["row"]:
        case "start":
            execution.about = row
        case "epoch":
            execution.epochs.append(Epoch(row["step"], row["time"], row["metrics"]))
        case "phase":
            execution.phases[row["name"]] = execution.phases.get(row["name"], 0.0) + row["seconds"]
        case "resumed":
            execution.resumed_from = row["epoch"]
        case "metrics":
            execution.metrics = row["metrics"]
        case "guard":
            execution.guard = row
        case "end":
            execution.end = row
        case kind:
            raise ValueError(f"{execution.path}: row of unknown kind {kind!r}: written by a newer version?")


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    lines = path.read_bytes().split(b"\n")  # what follows the last newline is torn, or empty
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield dict(json.loads(line))
        except ValueError as error:
            if number == len(lines) - 1:  # a crash of the machine may leave zero bytes before the newline
                return
            raise ValueError(
                f"{path}, line {number}: no valid journal row ({error}). Remove the file."
            ) from error


def _create_next(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    number = max((int(path.stem) for path in _numbered(folder)), default=0)
    while True:
        number += 1
        path = folder / f"{number}.jsonl"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:  # another process began at the same moment
            continue
        return path


def _numbered(folder: Path) -> list[Path]:
    return sorted(
        (path for path in folder.glob("*.jsonl") if path.stem.isdigit()), key=lambda path: int(path.stem)
    )


def _is_held(lock: Path) -> bool:
    """Whether the process that took the lock still lives."""
    if lock in _held:
        return True
    try:
        stream = lock.open("rb")
    except FileNotFoundError:
        return False
    with stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: readers do not mistake one another
        except (BlockingIOError, PermissionError):
            return True
        return False
