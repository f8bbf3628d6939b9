"""From finished entries to the leaderboard: scores, costs, latencies, one row a backbone."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from glasshouse.comparison.leaderboard import Row, list_columns, order_rows
from glasshouse.comparison.measured import find_training
from glasshouse.comparison.page import FOLDER, Board, write_board
from glasshouse.comparison.plan import Entry
from glasshouse.comparison.processes import Command, Ended
from glasshouse.comparison.run import Comparison
from glasshouse.comparison.schedule import Schedule
from glasshouse.comparison.statistics import (
    Scored,
    check_same_pictures,
    name_score,
    read_scored,
    sample_scores,
)
from glasshouse.comparison.words import tell_limits
from glasshouse.comparison.workplace import FOLDER as COPIES
from glasshouse.comparison.workplace import make_environment

EXPORT = Path("exports/saved_model")
Figures = dict[str, float | None]


class MeasureFailure(RuntimeError):
    """The latencies could not be measured."""


def write_results(comparison: Comparison) -> Path:
    """Measure and write reports/compare/ and the figures in MLflow; returns the HTML page."""
    progress, entries = comparison.progress, comparison.plan.entries
    scored = {
        entry: read_scored(progress.folders[entry], entry.params.model.task)
        for entry in entries
        if "evaluate" in progress.sound[entry]
    }
    check_same_pictures([(entry.name, each) for entry, each in scored.items()])
    exported = [entry for entry in entries if "export" in progress.sound[entry]]
    measured = measure(comparison, exported)
    rows = order_rows(
        make_row(label, mine, scored, comparison, measured.get(label, {})) for label, mine in _group(entries)
    )
    page = write_board(comparison.root / FOLDER, make_board(comparison, rows, scored))
    for entry, run_id in progress.run_ids.items():
        training = find_training(progress.folders[entry], comparison.root)
        comparison.runs.log(entry, run_id, {**measured.get(entry.label, {}), **training})
    return page


def make_row(
    label: str,
    entries: Sequence[Entry],
    scored: Mapping[Entry, Scored],
    comparison: Comparison,
    figures: Mapping[str, float | None],
) -> Row:
    """One backbone: means over the seeds that came to a score; the peak is the highest of them."""
    params, folders = entries[0].params, comparison.progress.folders
    done = [entry for entry in entries if entry in scored]
    seed, rounds = params.seed, params.evaluate.bootstrap_rounds
    sample = sample_scores([scored[entry] for entry in done], rounds, seed) if done else None
    trainings = [find_training(folders[entry], comparison.root) for entry in done]
    seconds = [found for each in trainings if (found := each["training_seconds"]) is not None]
    peaks = [found for each in trainings if (found := each["peak_bytes"]) is not None]
    scores = [comparison.progress.read_score(entry, "valid") for entry in done]
    valid = [score for score in scores if score is not None]
    values: Figures = {
        **figures,
        "test": sample.score if sample else None,
        "valid": fmean(valid) if valid else None,
        "training_seconds": fmean(seconds) if seconds else None,
        "peak_bytes": max(peaks) if peaks else None,
    }
    reasons = {entry.seed: told for entry in entries if (told := comparison.progress.reasons.get(entry))}
    return Row(label, entries[0].weights, values, sample, tuple(entry.seed for entry in done), reasons)


def make_board(comparison: Comparison, rows: Sequence[Row], scored: Mapping[Entry, Scored]) -> Board:
    """The page's content."""
    params, request = comparison.plan.entries[0].params, comparison.plan.request
    score = name_score(params.model.task)
    pictures = next((each.pictures for each in scored.values()), 0)
    count = sum(row.sample is not None for row in rows)
    data = (
        params.dataset.source
        if params.dataset.source == "blooms"
        else (params.dataset.name if params.dataset.source == "tfds" else Path(params.dataset.path).name)
    )
    limits = tell_limits(request.seeds, request.parallel, pictures, params.evaluate.bootstrap_rounds)
    return Board(
        f"{count} backbone{'s' * (count != 1)} on {data}",
        f"{pictures} test pictures, {params.preprocess.height_px} x {params.preprocess.width_px} px",
        score,
        rows,
        list_columns(score, any("gpu_ms_1" in row.values for row in rows)),
        [*limits, *comparison.plan.notes, *comparison.progress.faults],
        {
            "task, neck, head": f"{params.model.task}, {params.model.neck.name}, {params.model.head.name}",
            "changed for all": ", ".join(f"{key}={value}" for key, value in request.changes.items())
            or "nothing",
        },
    )


def measure(comparison: Comparison, exported: Sequence[Entry]) -> dict[str, Figures]:
    """Label -> file size, costs and latencies of one export of each backbone.

    Where a device cannot be measured, the page is written without it, and says so: trainings took hours.
    """
    first = {label: mine[0] for label, mine in _group(exported)}
    folders = {label: comparison.progress.folders[entry] for label, entry in first.items()}
    if not folders:
        return {}
    figures: dict[str, Figures] = {
        label: {"file_bytes": float(count_bytes(folder / EXPORT))} for label, folder in folders.items()
    }
    devices = ["CPU"] + (["GPU"] if shutil.which("nvidia-smi") else [])
    for device in devices:
        try:
            answer = _ask(comparison, folders, device)
        except MeasureFailure as failure:
            comparison.progress.faults.append(str(failure))
            continue
        for label, found in answer.items():
            for key, value in found.items():
                name = f"{device.lower()}_{key}" if key.startswith("ms_") else key
                figures[label][name] = value
    return figures


def count_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _ask(comparison: Comparison, folders: Mapping[str, Path], device: str) -> dict[str, Figures]:
    """Measure on one device, in a process of its own; raises MeasureFailure."""
    count = len(folders)
    print(
        f"latencies on the {device}, {count} model{'s' * (count != 1)} in turns", file=sys.stderr, flush=True
    )
    root = comparison.root
    with tempfile.TemporaryDirectory(prefix="measure-", dir=root / COPIES) as place:
        asked, answer = Path(place, "request.json"), Path(place, "answer.json")
        some = next(iter(folders.values()))
        request = {
            "device": device,
            "costs": device == "CPU",
            "pictures": str(some / "data/prepared"),
            "models": {label: str(folder) for label, folder in folders.items()},
        }
        asked.write_text(json.dumps(request), encoding="utf-8")
        environment = make_environment(root, comparison.runs.store.uri, live=False)
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "CPU" else {}
        words = [sys.executable, "-m", "glasshouse.comparison.measure", str(asked), str(answer)]

        def start(_: str) -> Command:
            log = root / COPIES / "logs" / f"measure-{device.lower()}.log"
            return Command(words, folder=root, environment={**environment, **hidden}, log=log)

        def finish(_: str, command: Command, ended: Ended) -> None:
            if ended.status:
                tail = (command.read_log().strip().splitlines() or ["nothing was printed"])[-1]
                raise MeasureFailure(
                    f"latencies on the {device} failed ({ended.status}): {tail} ({command.log})"
                )

        Schedule([device], 1, start).run(finish)
        return dict(json.loads(answer.read_text(encoding="utf-8")))


def _group(entries: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    """Entries of each backbone, in their order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.label, []).append(entry)
    return list(groups.items())
