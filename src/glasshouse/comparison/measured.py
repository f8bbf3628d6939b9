"""What a training took: seconds from the journal, peak memory from the system, kept beside the copy's models.

Both are kept by the digest of what the training wrote, so that a run that finds it in DVC's cache still has
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glasshouse.journal.journal import read_executions, state_folder
from glasshouse.journal.pipeline import read_lock
from glasshouse.journal.state import read_state
from glasshouse.tracking.mirror import count_seconds

FILE = Path(".glasshouse", "measured.json")
TRAININGS = {"train_head": "models/head.keras", "fine_tune": "models/model.keras"}

Kept = dict[str, dict[str, float]]


def note_peak(folder: Path, peak_bytes: int) -> None:
    """Keep the peak memory of a run of the pipeline, well ended or cut off: the training may go on later."""
    kept = _read(folder)
    peaks = kept.setdefault("peak_bytes_by_state", {})
    state = read_state(folder).id
    peaks[state] = max(peak_bytes, peaks.get(state, 0))
    _write(folder, kept)


def note_trainings(folder: Path) -> None:
    """Keep seconds and peak of the trainings that ran in the copy's present state, by what they wrote."""
    kept = _read(folder)
    lock, state = read_lock(folder), read_state(folder).id
    for stage, out in TRAININGS.items():
        executions = read_executions(state_folder(folder, state), stage)
        if executions and executions[-1].status == "ok" and stage in lock:
            digest = lock[stage].outs.get(out, "")
            kept.setdefault("seconds", {})[digest] = count_seconds(executions)
            if state in (peaks := kept.get("peak_bytes_by_state", {})):
                kept.setdefault("peak_bytes", {})[digest] = peaks[state]
    _write(folder, kept)


def find_training(folder: Path, project: Path) -> dict[str, float | None]:
    """`training_seconds` and `peak_bytes` of the model in the copy; None for what nobody measured.

    A model that the project's own pipeline trained came from DVC's cache: its seconds stand in the project's
    journal.
    """
    kept, lock = _read(folder), read_lock(folder)
    digests = {stage: lock[stage].outs.get(out, "") for stage, out in TRAININGS.items() if stage in lock}
    known = kept.get("seconds", {})
    seconds = [
        known[digest] if digest in known else _find_in_project(project, stage, digest)
        for stage, digest in digests.items()
    ]
    peaks = [kept.get("peak_bytes", {}).get(digest) for digest in digests.values()]
    found = [peak for peak in peaks if peak is not None]
    whole = len(seconds) == len(TRAININGS) and None not in seconds
    return {
        "training_seconds": sum(value or 0.0 for value in seconds) if whole else None,
        "peak_bytes": max(found) if len(found) == len(TRAININGS) else None,
    }


def _find_in_project(project: Path, stage: str, digest: str) -> float | None:
    locked = read_lock(project).get(stage)
    if locked is None or locked.outs.get(TRAININGS[stage]) != digest:
        return None
    executions = read_executions(state_folder(project, read_state(project).id), stage)
    return count_seconds(executions) if executions and executions[-1].status == "ok" else None


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _write(folder: Path, kept: Mapping[str, Any]) -> None:
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    draft.replace(path)
