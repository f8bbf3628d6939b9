"""Runs in MLflow that show what the journals tell: one parent a state, one child a stage that really ran.

Everything here may be repeated at any time: what is there already is found by its tags, and only what is
missing is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glasshouse.journal.journal import (
    Execution,
    list_stages,
    list_states,
    merge_epochs,
    read_about,
    read_executions,
)
from glasshouse.tracking.moved import is_elsewhere, say_left
from glasshouse.tracking.names import make_legal
from glasshouse.tracking.store import AFTERWARDS, DATABASE, Patience, Store, StoreAway, alone, connect, spoken

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Metric, Run
    from mlflow.entities.model_registry import ModelVersion

STATE, KIND, STAGE, CREATED = "glasshouse.state", "glasshouse.kind", "glasshouse.stage", "glasshouse.created"
COUNT, MIRRORED, ERROR = "glasshouse.run_count", "glasshouse.mirrored", "glasshouse.error"
STATUSES = {
    "running": "RUNNING",
    "ok": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
    "killed": "KILLED",
}
PARAMS_A_CALL, METRICS_A_CALL = 100, 1000  # MLflow's limits
LONGEST_KEY = 240  # characters of a param's name; MLflow takes 250

Point = tuple[str, int, float]  # name, step, value


class Mirror:
    """The runs of one project in one experiment of one store."""

    def __init__(self, root: Path, store: Store, experiment: str, patience: Patience = AFTERWARDS) -> None:
        self.root, self.store, self.experiment = root, store, experiment
        with alone(root):  # two processes must not create the database, or the experiment, at once
            self.client = connect(store, patience)
            with spoken(store):
                self.experiment_id = self._open_experiment()

    def open_parent(self, about: Mapping[str, Any]) -> Run:
        """The one parent run of a state, with all its params; `about` is the state's page in the journal."""
        tags = {KIND: "pipeline", STATE: about["state"]}
        run = self._only_run(tags, name=about["name"], start_time=about["time"])
        self._log_params(run, about["params"])
        return run

    def open_child(self, parent: Run, stage: str, start_time: float) -> Run:
        """The one child run of a stage in its parent's state."""
        tags = {KIND: "stage", STATE: parent.data.tags[STATE], STAGE: stage}
        place = {"mlflow.parentRunId": parent.info.run_id}
        child = self._only_run(tags, name=stage, start_time=start_time, more=place)
        self.set_tags(child, place)  # one whose parent was deleted is taken over
        return child

    def read_points(self, run: Run) -> set[Point]:
        """Every point of every curve that the run holds already."""
        histories = (self.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
        return {(point.key, point.step, point.value) for history in histories for point in history}

    def show_stage(self, run: Run, known: set[Point], executions: list[Execution]) -> int:
        """Bring a child up to its journals; `known` grows. Returns the number of new points."""
        missing = [
            metric for metric in _points(executions) if (metric.key, metric.step, metric.value) not in known
        ]
        self.log_metrics(run.info.run_id, missing)
        known.update((metric.key, metric.step, metric.value) for metric in missing)
        last = executions[-1]
        tags = {COUNT: str(len(executions)), MIRRORED: _fingerprint(executions)}
        if last.resumed_from is not None:
            tags["glasshouse.resumed_from"] = str(last.resumed_from)
        if last.guard is not None:
            tags["glasshouse.guard"] = "passed" if last.guard["passed"] else "failed"
        tags[ERROR] = str((last.end or {}).get("message", ""))
        self.set_tags(run, tags)
        self.set_status(run, STATUSES[last.status], last.last_time)
        return len(missing)

    def show_state(self, folder: Path) -> tuple[Run, int, int]:
        """Bring the parent and all children of a state up to its journals: parent, children, new points."""
        about = read_about(folder)
        parent = self.open_parent(about)
        points, journals = 0, {stage: read_executions(folder, stage) for stage in list_stages(folder)}
        for stage, executions in journals.items():
            child = self.open_child(parent, stage, executions[0].start_time)
            if child.data.tags.get(MIRRORED) != _fingerprint(executions):
                points += self.show_stage(child, self.read_points(child), executions)
        self.close_parent(parent, journals)
        return parent, len(journals), points

    def close_parent(self, parent: Run, journals: Mapping[str, list[Execution]]) -> None:
        """Status, time and seconds of the parent by what its stages came to."""
        lasts = {stage: executions[-1] for stage, executions in journals.items()}
        found = {execution.status for execution in lasts.values()}
        status = next(
            (name for name in ("running", "killed", "interrupted", "failed") if name in found), "ok"
        )
        self.set_tags(parent, {f"stage.{stage}": execution.status for stage, execution in lasts.items()})
        self.log_values(
            parent, {f"seconds/{stage}": count_seconds(executions) for stage, executions in journals.items()}
        )
        known_end = (parent.info.end_time or time.time() * 1000) / 1000
        end_time = max((execution.last_time for execution in lasts.values()), default=known_end)
        self.set_status(parent, STATUSES[status], end_time)

    def reap(self) -> None:
        """End what is called RUNNING here though its process died: this project's journals know."""
        for run in self._search({KIND: "stage"}, "attributes.status = 'RUNNING'"):
            for folder in list_states(self.root):
                tags = run.data.tags
                if not tags[STATE].startswith(folder.name):
                    continue
                executions = read_executions(folder, tags[STAGE])
                if executions and executions[-1].status != "running":
                    self.show_state(folder)

    def log_values(self, run: Run, values: Mapping[str, float]) -> int:
        """Single figures (step 0), where they differ from those that the run holds."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        fresh = [
            Metric(name, value, now, 0)
            for name, value in values.items()
            if run.data.metrics.get(name) != value
        ]
        self.log_metrics(run.info.run_id, fresh)
        return len(fresh)

    def log_metrics(self, run_id: str, metrics: list[Metric]) -> None:
        """Points in as many calls as the store wants."""
        for start in range(0, len(metrics), METRICS_A_CALL):
            self.client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_CALL])

    def set_tags(self, run: Run, tags: Mapping[str, str]) -> None:
        """Tags, where they differ from those that the run holds."""
        from mlflow.entities import RunTag

        fresh = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key, "") != value]
        if fresh:
            self.client.log_batch(run.info.run_id, tags=fresh)
            run.data.tags.update({tag.key: tag.value for tag in fresh})

    def set_status(self, run: Run, status: str, end_time: float) -> None:
        """Status and, for a run that is over, its end (seconds since 1970)."""
        end_ms = int(end_time * 1000)
        if status == "RUNNING":
            if run.info.status != status:
                self.client.update_run(run.info.run_id, status=status)
        elif (run.info.status, run.info.end_time) != (status, end_ms):
            self.client.set_terminated(run.info.run_id, status, end_ms)

    def _open_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            try:
                return str(self.client.create_experiment(self.experiment, self.store.artifacts))
            except MlflowException:  # another machine was faster: then it is there now
                found = self.client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        demand_alive(found, self.store)
        self._demand_own_files(str(found.artifact_location))
        return str(found.experiment_id)

    def _demand_own_files(self, location: str) -> None:
        """Never write into another project's folder, but by a database that is shared; raises StoreAway."""
        own = self.store.own
        if own is None or own[0].resolve() != self.root.resolve() / DATABASE:
            return
        if is_elsewhere(location, own[1]):
            raise StoreAway(say_left(self.experiment, location, *own))

    def _only_run(
        self, tags: Mapping[str, str], name: str, start_time: float, more: Mapping[str, str] | None = None
    ) -> Run:
        """The oldest run with these tags, made where there is none; younger ones (of a race) are deleted.

        A younger one from which a model was registered is of no race: the oldest was in MLflow's trash for
        a while. It stays, for the model's lineage lies in it.

        Args:
            more: tags that one that is made gets besides.

        Raises:
            StoreAway: what was made cannot be found.
        """
        runs = self._search(tags)
        if not runs:
            whole = {
                **tags,
                **(more or {}),
                CREATED: str(time.time_ns()),
                "mlflow.runName": name,
                "mlflow.source.name": "dvc repro",
            }
            self.client.create_run(self.experiment_id, int(start_time * 1000), whole)
            runs = self._search(tags)
        if not runs:
            raise StoreAway(
                f"MLflow at {self.store.shown} took a run and does not find it again: "
                "look whether what answers there is MLflow's server."
            )
        first, *later = sorted(runs, key=lambda run: (int(run.data.tags[CREATED]), run.info.run_id))
        for run in later:
            if not self.client.search_model_versions(f"run_id = '{run.info.run_id}'", max_results=1):
                self.client.delete_run(run.info.run_id)
        return first

    def _search(self, tags: Mapping[str, str], condition: str = "") -> list[Run]:
        named = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
        text = " and ".join([*named, condition] if condition else named)
        return list(self.client.search_runs([self.experiment_id], text, max_results=1000))

    def _log_params(self, run: Run, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        named: dict[str, str] = {}
        for key, value in params.items():  # which holds names of classes too (promotion.class_floors)
            legal = make_legal(key, LONGEST_KEY)
            while legal in named:
                legal += "_"
            named[legal] = str(value)
        missing = [Param(key, value) for key, value in named.items() if key not in run.data.params]
        for start in range(0, len(missing), PARAMS_A_CALL):
            self.client.log_batch(run.info.run_id, params=missing[start : start + PARAMS_A_CALL])
        run.data.params.update({param.key: param.value for param in missing})


def demand_alive(experiment: Experiment, store: Store) -> None:
    """Raise StoreAway where the experiment was deleted: no runs can be kept there, and files wait for it."""
    if experiment.lifecycle_stage == "deleted":
        raise StoreAway(
            f"the experiment {experiment.name!r} was deleted in {store.shown}: restore it "
            f"(mlflow experiments restore --experiment-id {experiment.experiment_id}), or set another name "
            "in params.yaml tracking.experiment."
        )


def filter_versions(name: str, state: str) -> str:
    """MLflow's filter for the versions of a state; its texts know no escape, so no name may hold a `"`."""
    return f"name = \"{name}\" and tags.`{STATE}` = '{state}'"


def has_run(client: MlflowClient, version: ModelVersion) -> bool:
    """Whether the run that a model's version came from is there, and not in MLflow's trash."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(str(version.run_id)).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def count_seconds(executions: list[Execution]) -> float:
    """Wall seconds of the last execution and of those before it whose checkpoint it took up, however they
    ended."""
    seconds = executions[-1].seconds
    for earlier, later in reversed(list(pairwise(executions))):
        began_anew = later.epochs and later.resumed_from is None
        if began_anew or earlier.status == "ok":  # one that ended well leaves no checkpoint
            break
        seconds += earlier.seconds
    return round(seconds, 3)


def _points(executions: list[Execution]) -> Iterable[Metric]:
    """The stage's curve over the epochs, and the seconds of its phases over its executions."""
    from mlflow.entities import Metric

    for epoch in merge_epochs(executions):
        for name, value in epoch.metrics.items():
            yield Metric(name, value, int(epoch.time * 1000), epoch.step)
    for execution in executions:
        if execution.end is None:
            continue
        for name, value in {**execution.phases, "total": execution.seconds}.items():
            yield Metric(f"seconds/{name}", value, int(execution.last_time * 1000), execution.number)


def _fingerprint(executions: list[Execution]) -> str:
    """Changes whenever a journal grows or its process ends."""
    size = sum(execution.path.stat().st_size for execution in executions)
    return f"{len(executions)} {size} {executions[-1].status}"
