"""`glasshouse doctor`: what a report of a fault should say of the machine and the project."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

from glasshouse.journal.git import ask_git, has_changes, read_commit
from glasshouse.journal.machine import THREADS, asked_threads, count_processors, count_threads, name_processor
from glasshouse.params import check
from glasshouse.tracking.store import StoreAway, inspect, locate_store

PACKAGES = ("dvc", "mlflow", "great-expectations", "keras", "numpy", "pandas", "pyarrow", "onnxruntime")
TENSORFLOWS = ("tensorflow", "tensorflow-cpu")
PYTHONS = ((3, 11), (3, 12))
SCARCE_GIB = 5.0
DRIVER_SECONDS = 30.0
STATUS_SECONDS = 300.0

Line = tuple[bool, str, str]  # all well, subject, what was found


def show(_options: Namespace) -> int:
    """A line a subject; status 1 where something keeps the pipeline from running."""
    root = Path.cwd()
    lines = [*_machine(root), *_packages(), *_project(root)]
    for well, subject, text in lines:
        print(f"{'ok ' if well else 'BAD'} {subject:20} {text}")
    return 0 if all(well for well, _, _ in lines) else 1


def _machine(root: Path) -> Iterator[Line]:
    found = sys.version_info[:2]
    valid = " or ".join(".".join(map(str, python)) for python in PYTHONS)
    yield found in PYTHONS, "python", f"{platform.python_version()} ({sys.executable}); must be {valid}"
    yield True, "system", platform.platform()
    yield True, "processors", f"{count_processors()} usable of {name_processor()}"
    why = THREADS if asked_threads() else "as many as processors"
    yield True, "threads", f"{count_threads()} ({why}): a training's last bits depend on their number"
    yield _say_gpus()
    free_gib = shutil.disk_usage(root).free / 2**30
    yield free_gib > SCARCE_GIB, "disk", f"{free_gib:.1f} GiB free in {root}; {SCARCE_GIB:.0f} are wanted"


def _say_gpus() -> Line:
    """The NVIDIA GPUs that the driver shows, without importing TensorFlow."""
    if shutil.which("nvidia-smi") is None:
        return True, "GPU", "none (no nvidia-smi): training runs on the CPU"
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False, "GPU", f"nvidia-smi did not answer in {DRIVER_SECONDS:g} s: the driver is at fault"
    if answer.returncode != 0:
        return False, "GPU", f"nvidia-smi failed: {_say_reason(answer)}"
    return True, "GPU", "; ".join(answer.stdout.split("\n")).strip("; ") or "none: training runs on the CPU"


def _packages() -> Iterator[Line]:
    for name in PACKAGES:
        found = _find_version(name)
        yield found is not None, name, found or "missing: run `make setup`"
    tensorflows = [f"{name} {found}" for name in TENSORFLOWS if (found := _find_version(name))]
    yield bool(tensorflows), "tensorflow", ", ".join(tensorflows) or "missing: run `make setup`"


def _project(root: Path) -> Iterator[Line]:
    missing = [name for name in ("params.yaml", "dvc.yaml") if not (root / name).is_file()]
    yield (
        not missing,
        "folder",
        f"{', '.join(missing)} missing: go to the project's folder" if missing else str(root),
    )
    if not missing:
        faults = check(root / "params.yaml")
        yield (
            not faults,
            "params.yaml",
            f"{len(faults)} faults: `glasshouse params check`" if faults else "sound",
        )
    yield _say_git(root)
    yield _say_dvc(root)
    if (root / ".dvc").is_dir():
        yield _say_cache(root)
    yield _say_store(root)


def _say_git(root: Path) -> Line:
    if shutil.which("git") is None:
        return False, "git", "missing: install it"
    try:
        return _look_at_repository(root)
    except ValueError as error:  # it does not answer
        return False, "git", str(error)


def _look_at_repository(root: Path) -> Line:
    commit = read_commit(root)
    if commit is None:  # none yet, no repository, or one of another owner
        command = ["git", "rev-parse", "--git-dir"]
        answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            return False, "git", _say_reason(answer)
    branch = ask_git(root, "branch", "--show-current") or "no branch"
    state = f"{branch} {commit[:12]}" if commit else f"{branch}, no commit yet"
    return commit is not None, "git", f"{state}, {'changed since' if has_changes(root) else 'clean'}"


def _say_dvc(root: Path) -> Line:
    if not (root / ".dvc").is_dir():
        return False, "pipeline", "no .dvc folder: run `dvc init`"
    # --quiet has status 1 both for changes and for most faults; --json has 0 unless something is wrong.
    well, answer = _ask_dvc(root, "status", "--json")
    if not well:
        return False, "pipeline", answer
    return True, "pipeline", "not up to date: `dvc repro`" if json.loads(answer) else "up to date"


def _say_cache(root: Path) -> Line:
    """Whether DVC's cache takes files: a stage is told only when it has worked, after minutes of training."""
    well, answer = _ask_dvc(root, "cache", "dir")
    if not well:
        return False, "cache", answer
    cache = Path(root, answer.strip())
    there = next(place for place in (cache, *cache.parents) if place.exists())
    try:
        with TemporaryFile(dir=there):
            return True, "cache", str(cache)
    except OSError as error:
        return False, "cache", f"nothing can be written in {there} ({error.strerror}): no stage can end well"


def _ask_dvc(root: Path, *words: str) -> tuple[bool, str]:
    """Whether DVC answered, and its answer, or else what is wrong."""
    shown = f"`dvc {' '.join(word for word in words if not word.startswith('-'))}`"
    command = [sys.executable, "-m", "dvc", *words]
    try:
        answer = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=STATUS_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"{shown} did not answer in {STATUS_SECONDS:g} s"
    if answer.returncode != 0:
        return False, f"{shown} failed: {_say_reason(answer)}"
    return True, answer.stdout


def _say_reason(answer: subprocess.CompletedProcess[str]) -> str:
    """The first line of what it says, where DVC names the file; the lines below quote it."""
    lines = [line.strip() for line in (answer.stderr.strip() or answer.stdout).splitlines()]
    return lines[0].removeprefix("ERROR: ") if lines else f"status {answer.returncode}"


def _say_store(root: Path) -> Line:
    store = locate_store(root)
    try:
        inspect(store)
    except StoreAway as away:
        return False, "MLflow", f"{away} Stages run all the same; `glasshouse runs sync` mirrors them later."
    return True, "MLflow", store.shown


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
