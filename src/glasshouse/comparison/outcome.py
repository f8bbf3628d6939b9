"""How an entry's pipeline stands in its copy: which stages are sound, the scores, or why it failed."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

from glasshouse.comparison.processes import Ended
from glasshouse.journal.digests import Digests
from glasshouse.journal.journal import Execution, list_stages, read_executions, state_folder
from glasshouse.journal.pipeline import (
    PARAMS,
    find_changed_out,
    find_stale,
    read_lock,
    read_pipeline,
    read_yaml,
)
from glasshouse.journal.state import read_state

METRICS = Path("reports/evaluate/metrics.json")
MOST_CHARACTERS = 300  # of a reason
MEMORY = "most likely the machine ran out of memory: lower the batch sizes, or run fewer side by side"
KILLED = re.compile(r"exited with (-\d+|1[3-9]\d)\b")
STAGE = re.compile(r"^Running stage '([^']+)'", re.MULTILINE)
EPOCH = re.compile(r"^Epoch (\d+/\d+)", re.MULTILINE)


def list_sound(folder: Path) -> tuple[set[str], set[str]]:
    """Stages whose outputs lie on disk as dvc.lock has them for the present params and code; all stages."""
    params = read_yaml(folder / PARAMS)
    pipeline, lock, digests = read_pipeline(folder, params), read_lock(folder), Digests(folder)
    fresh = pipeline.stages.keys() - find_stale(pipeline, lock, params, digests).keys()
    sound = {stage for stage in fresh if find_changed_out(stage, lock, digests) is None}
    digests.save()
    return sound, set(pipeline.stages)


def read_metrics(folder: Path) -> dict[str, Any]:
    """metrics.json of a copy: split -> scores."""
    return dict(json.loads((folder / METRICS).read_text(encoding="utf-8")))


def find_reason(folder: Path, log: str, ended: Ended, began: float) -> str:
    """One sentence on why a pipeline failed: the stage's own, where it came to say one.

    Args:
        folder: the copy.
        log: what `dvc repro` and its stages printed.
        ended: of `dvc repro`.
        began: when it was started, in seconds since 1970; older executions tell of something else.
    """
    stages = STAGE.findall(log)
    stage = stages[-1] if stages else "dvc repro"
    number = _find_signal(log, ended)
    if number is not None:
        advice = f": {MEMORY}." if number == signal.SIGKILL else "."
        return f"{stage} was killed (signal {number}){advice}"
    last = _last_execution(folder, stage)
    message = (last.end or {}).get("message") if last and last.start_time >= began - 1 else None
    return _shorten(f"{stage}: {message}" if message else _last_words(log, stage))


def say_progress(log: str) -> str:
    """`fine_tune 3/20`: the stage that runs, and its epoch where it has any."""
    stages = list(STAGE.finditer(log))
    if not stages:
        return "starting"
    epochs = EPOCH.findall(log, stages[-1].end())
    return " ".join([stages[-1][1], *epochs[-1:]])


def _find_signal(log: str, ended: Ended) -> int | None:
    if ended.status < 0:
        return -ended.status
    codes = [int(code) for code in KILLED.findall(log)]
    return abs(codes[-1]) % 128 if codes and abs(codes[-1]) != 130 else None


def _last_execution(folder: Path, stage: str) -> Execution | None:
    place = state_folder(folder, read_state(folder).id)
    executions = read_executions(place, stage) if stage in list_stages(place) else []
    return executions[-1] if executions else None


def _last_words(log: str, stage: str) -> str:
    """The error that DVC, or a traceback, ended with."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    own = [line for line in lines if line.startswith(f"{stage}: ")]
    return (own or errors or lines or [f"{stage} failed and printed nothing"])[-1]


def _shorten(text: str) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= MOST_CHARACTERS else f"{whole[: MOST_CHARACTERS - 3]}..."
