"""SIGKILL at chosen moments of a training: when, how, and what the next run made of what was left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from project_copy import DVC, ProjectCopy, TrialFailure

from glasshouse.journal.journal import Execution, read_execution

POLL_SECONDS = 0.002
DYING_SECONDS = 20.0


@dataclass(frozen=True)
class Moment:
    """So many seconds after the checkpoint of an epoch (from 1) was written; epoch 0 is the stage's start."""

    epoch: int
    seconds: float

    def __str__(self) -> str:
        since = f"after the checkpoint of epoch {self.epoch}" if self.epoch else "after its start"
        return f"{self.seconds:.2f} s {since}"


@dataclass(frozen=True)
class Timeline:
    """How long the parts of an undisturbed training took, in seconds."""

    epochs: int
    to_first_epoch: float
    epoch_seconds: float  # the mean of all but the first
    from_last_epoch: float


def read_timeline(copy: ProjectCopy, stage: str) -> Timeline:
    """The timeline of the stage's last execution, by its journal."""
    execution = last_execution(copy, stage)
    times = [epoch.time for epoch in execution.epochs]
    between = [later - earlier for earlier, later in pairwise(times)]
    return Timeline(
        epochs=len(times),
        to_first_epoch=times[0] - execution.start_time,
        epoch_seconds=sum(between) / len(between),
        from_last_epoch=execution.last_time - times[-1],
    )


def draw_moments(draw: random.Random, timeline: Timeline, count: int) -> list[Moment]:
    """Random moments, in turn: before the first epoch, right after a checkpoint, within an epoch, right after
    the last checkpoint, while the outputs are written and checked."""
    last = timeline.epochs
    moments = []
    for number in range(count):
        match number % 5:
            case 0:
                moment = Moment(0, draw.uniform(0.05, 0.95) * timeline.to_first_epoch)
            case 1:
                moment = Moment(draw.randint(1, last - 1), 0.0)
            case 2:
                moment = Moment(draw.randint(1, last - 1), draw.uniform(0.1, 0.9) * timeline.epoch_seconds)
            case 3:
                moment = Moment(last, 0.0)
            case _:
                moment = Moment(last, draw.uniform(0.1, 0.9) * timeline.from_last_epoch)
        moments.append(moment)
    return moments


def kill_during(copy: ProjectCopy, stage: str, moment: Moment, **environment: str) -> str | None:
    """Start `dvc repro STAGE` and kill its whole process group at the moment; says what was saved by then.

    None where all was over before the moment came. Raises TrialFailure where the stage failed by itself, or
    outlived the kill.
    """
    known, log = len(list_journals(copy, stage)), copy.folder.with_suffix(".log")
    process = copy.start(*DVC, "repro", stage, log=log, **{"GLASSHOUSE_LIVE": "0", **environment})
    if not await_moment(process, copy, stage, known, moment):
        if process.wait():
            raise TrialFailure(f"{stage} failed before it was killed:\n{log.read_text(errors='replace')}")
        return None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    status = await_end(copy, stage)
    return f"{moment}, {count_saved(copy, stage)} saved{', stage just over' if status == 'ok' else ''}"


def await_end(copy: ProjectCopy, stage: str) -> str:
    """How the stage's last execution ended: a killed process needs a moment to give its memory back."""
    deadline = time.monotonic() + DYING_SECONDS
    while (status := last_execution(copy, stage).status) == "running":
        if time.monotonic() > deadline:
            raise TrialFailure(f"{stage} runs on though its process group was killed")
        time.sleep(POLL_SECONDS)
    return status


def await_moment(
    process: subprocess.Popen[bytes], copy: ProjectCopy, stage: str, known: int, moment: Moment
) -> bool:
    """Wait for the stage's start, the checkpoint, the seconds; False where the process ended before."""

    def reached() -> bool:
        return len(list_journals(copy, stage)) > known and count_saved(copy, stage) >= moment.epoch

    while not reached():
        if process.poll() is not None:
            return False
        time.sleep(POLL_SECONDS)
    try:
        process.wait(moment.seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def list_journals(copy: ProjectCopy, stage: str) -> list[Path]:
    """The journals of all executions of a stage, in the order they began."""
    return sorted(
        copy.folder.glob(f".glasshouse/journal/*/{stage}/*.jsonl"), key=lambda path: path.stat().st_mtime_ns
    )


def last_execution(copy: ProjectCopy, stage: str) -> Execution:
    """The execution of a stage that wrote last."""
    return read_execution(list_journals(copy, stage)[-1])


def count_saved(copy: ProjectCopy, stage: str) -> int:
    """Epochs in the stage's checkpoint, 0 where there is none."""
    try:
        with np.load(copy.folder / f".glasshouse/checkpoints/{stage}.npz") as data:
            return len(json.loads(data["note"].tobytes())["history"])
    except FileNotFoundError:
        return 0


def check_resumed(copy: ProjectCopy, stage: str, saved: int) -> str:
    """After which epoch the stage's last execution went on; raises TrialFailure where it started over though
    so many epochs were saved: the bytes would be the same, the work lost."""
    said = say_resumed(copy, stage)
    if saved and said == "started over":
        raise TrialFailure(f"{stage} started over though {saved} epochs were saved")
    return said


def say_resumed(copy: ProjectCopy, stage: str) -> str:
    """After which epoch the stage's last execution went on."""
    execution = last_execution(copy, stage)
    if not execution.epochs:  # the journal tells of a resumption by the epochs that follow it
        return "resumed after the last epoch"
    epoch = execution.resumed_from
    return "started over" if epoch is None else f"resumed after epoch {epoch}"
