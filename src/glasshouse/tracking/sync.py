"""`glasshouse runs sync`: MLflow brought up to the files and to every state's journal."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from glasshouse.journal.digests import Digests
from glasshouse.journal.git import has_changes, read_commit
from glasshouse.journal.journal import list_states, read_executions, state_folder
from glasshouse.journal.page import write_page
from glasshouse.journal.pipeline import PARAMS
from glasshouse.journal.state import read_state
from glasshouse.tracking.challenger import find_other, say_other, show_challenger
from glasshouse.tracking.commits import is_lasting
from glasshouse.tracking.mirror import Mirror
from glasshouse.tracking.names import read_names
from glasshouse.tracking.outcome import MANIFEST, NETWORK, Outcome, flatten_scores, read_outcome
from glasshouse.tracking.registry import register
from glasshouse.tracking.store import AFTERWARDS, Patience, Store, alone, locate_store, spoken

if TYPE_CHECKING:
    from mlflow.entities import Dataset, Run

ARTIFACTS, WHOLE, COMMIT, DIRTY = (
    "glasshouse.artifacts",
    "glasshouse.whole",
    "glasshouse.commit",
    "glasshouse.dirty",
)
HEADLINES = ("mAP_50_95", "mAP_50", "accuracy", "mean_iou")  # of the scores that a model's version carries


@dataclass(slots=True)
class Report:
    """What a sync found and did."""

    store: str
    state: str
    parent: str | None = None  # run id of the present state
    states: int = 0
    children: int = 0
    points: int = 0  # new points on curves
    scores: int = 0  # new or changed figures of the present state
    files: int = 0  # uploaded
    version: str | None = None
    new_version: bool = False
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shown = f"{self.states} states, {self.children} stage runs"
        new = f"{self.points} points, {self.scores} scores, {self.files} files"
        lines = [f"MLflow at {self.store}: {shown}; new: {new}"]
        if self.parent is not None:
            lines.append(f"state {self.state[:12]} is run {self.parent}")
        if self.version is not None:
            lines.append(
                f"model {self.version} {'registered' if self.new_version else 'was registered before'}"
            )
        return "\n".join([*lines, *(f"not mirrored: {fault}" for fault in self.faults)])


def sync(root: Path, store: Store | None = None, patience: Patience = AFTERWARDS) -> Report:
    """Bring MLflow up to the files of the project in `root`; may be repeated and cut off at any time.

    Raises StoreAway where the store does not answer or breaks off, ValueError for files that cannot be
    believed.
    """
    store = store or locate_store(root)
    state, outcome = read_state(root), read_outcome(root)
    folder = state_folder(root, state.id)
    if outcome.metrics or folder.is_dir():
        write_page(root, state)
    names = read_names(root)
    report = Report(store.shown, state.id, faults=outcome.faults)
    mirror = Mirror(root, store, names.experiment, patience)
    with spoken(store), alone(root):
        for place in list_states(root):
            parent, children, points = mirror.show_state(place)
            report.states, report.children = report.states + 1, report.children + children
            report.points += points
            if place == folder:
                _show_present(mirror, parent, outcome, names.model_name, report, children == 0)
            else:
                mirror.log_values(parent, _last_scores(place))
    return report


def _show_present(
    mirror: Mirror, parent: Run, outcome: Outcome, model_name: str, report: Report, childless: bool
) -> None:
    report.parent = parent.info.run_id
    other = find_other(mirror, parent, outcome, model_name)
    if other is not None:  # a run shows one set of bytes: those of its model
        report.version = other.shown
        mirror.set_tags(parent, _git_tags(mirror.root, parent))
        if outcome.is_whole:
            show_challenger(mirror, parent, outcome, model_name, other.number)
        report.faults.append(say_other(other))
        return
    scores = outcome.metrics or _last_scores(state_folder(mirror.root, report.state))
    report.scores = mirror.log_values(parent, scores)
    if childless:  # everything came from a cache: the curves have no other run to stand in
        report.points += _show_histories(mirror, parent, outcome.histories)
    report.files = _upload(mirror, parent, outcome)
    _show_manifest(mirror, parent, outcome)
    digests = {f"dvc.{path}": digest for path, digest in outcome.data_digests.items()}
    mirror.set_tags(
        parent, {**digests, **_git_tags(mirror.root, parent), WHOLE: str(outcome.is_whole).lower()}
    )
    if outcome.network is not None and scores:
        headlines = {name: scores[name] for name in HEADLINES if name in scores}
        version, report.new_version = register(mirror, parent, outcome.network, model_name, headlines)
        report.version = f"{model_name} version {version}"
        if outcome.is_whole:
            show_challenger(mirror, parent, outcome, model_name, version)
    elif outcome.is_whole:
        report.faults.append(f"no model to register: {NETWORK} is missing (params.yaml export.formats: onnx)")


def _last_scores(folder: Path) -> dict[str, float]:
    """The scores that the state's last sound evaluation put into its journal."""
    for execution in reversed(read_executions(folder, "evaluate")):
        if execution.status == "ok" and execution.metrics:
            return flatten_scores(execution.metrics, str(execution.path))
    return {}


def _show_histories(mirror: Mirror, parent: Run, histories: Mapping[str, list[dict[str, float]]]) -> int:
    from mlflow.entities import Metric

    known = mirror.read_points(parent)
    points = [
        Metric(f"{stage}/{name}", float(value), parent.info.start_time, int(row["epoch"]))
        for stage, rows in histories.items()
        for row in rows
        for name, value in row.items()
        if name != "epoch" and isinstance(value, int | float)
    ]
    missing = [point for point in points if (point.key, point.step, point.value) not in known]
    mirror.log_metrics(parent.info.run_id, missing)
    return len(missing)


def _upload(mirror: Mirror, parent: Run, outcome: Outcome) -> int:
    """Pages and figures, where they differ from those uploaded last; returns the number of files."""
    files = [(folder, path) for folder, paths in outcome.pages.items() for path in paths]
    files += [
        ("project", Path(name)) for name in (PARAMS, "dvc.yaml", "dvc.lock") if (mirror.root / name).is_file()
    ]
    digests = Digests(mirror.root)
    listing = json.dumps([(folder, path.as_posix(), digests.digest(path)) for folder, path in files])
    seal = hashlib.sha256(listing.encode()).hexdigest()
    if parent.data.tags.get(ARTIFACTS) == seal:
        return 0
    for folder, path in files:
        target = _artifact_folder(folder, path)
        mirror.client.log_artifact(parent.info.run_id, str(mirror.root / path), target)
    mirror.set_tags(parent, {ARTIFACTS: seal})
    return len(files)


def _artifact_folder(folder: str, path: Path) -> str:
    """`evaluate/test` for reports/evaluate/test/x.png: what lies below the folder keeps its place."""
    return path.parent.as_posix().removeprefix("reports/") if folder != "project" else folder


def _show_manifest(mirror: Mirror, parent: Run, outcome: Outcome) -> None:
    """The data set of the state as an input of its run, by the digest that dvc.lock has of it."""
    digest = next(
        (outcome.data_digests[path] for path in ("data/raw", MANIFEST) if path in outcome.data_digests), None
    )
    if digest is None or not (mirror.root / MANIFEST).is_file():
        return
    if _has_input(parent, digest):
        return
    from mlflow.entities import DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    manifest = _describe_manifest(mirror.root / MANIFEST, parent.data.params["dataset.source"], digest)
    tags = [InputTag("mlflow.data.context", "training")]
    try:
        mirror.client.log_inputs(parent.info.run_id, [DatasetInput(manifest, tags)])
    except MlflowException:
        if not _has_input(mirror.client.get_run(parent.info.run_id), digest):
            raise  # else another machine was faster


def _has_input(run: Run, digest: str) -> bool:
    inputs = run.inputs.dataset_inputs if run.inputs is not None else []
    return any(entry.dataset.digest == digest for entry in inputs)


def _describe_manifest(path: Path, name: str, digest: str) -> Dataset:
    import mlflow.data
    import pandas as pd
    from mlflow.entities import Dataset

    images = pd.read_parquet(path)
    with (
        warnings.catch_warnings()
    ):  # on integers that might be missing, and on two names of one kind of source
        warnings.simplefilter("ignore", UserWarning)
        manifest = mlflow.data.from_pandas(images, source=MANIFEST, name=name, digest=digest)  # type: ignore[attr-defined]
        return Dataset(**manifest.to_dict())


def _git_tags(root: Path, parent: Run) -> dict[str, str]:
    """The commit that holds this state; a clean one, once found, stands while it is in a branch or tag."""
    told, commit = parent.data.tags, read_commit(root)
    if commit is None:
        return {}
    dirty = has_changes(root)
    if told.get(DIRTY) == "false" and (dirty or is_lasting(root, told[COMMIT])):
        return {}
    return {COMMIT: commit, "mlflow.source.git.commit": commit, DIRTY: str(dirty).lower()}
