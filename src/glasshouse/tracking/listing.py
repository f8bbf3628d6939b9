"""The states in MLflow as lines of text."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from glasshouse.tracking.mirror import KIND, STATE, demand_alive
from glasshouse.tracking.names import read_names
from glasshouse.tracking.store import AFTERWARDS, connect, locate_store, spoken

SCORES = ("mAP_50_95", "mAP_50", "accuracy", "mean_iou")
MOST_RUNS = 50_000  # MLflow gives no more at once


def list_runs(root: Path, limit: int) -> list[str]:
    """Newest first: start, status, name, scores with intervals, run id.

    Raises:
        FileNotFoundError: `root` is no project's folder.
        StoreAway: MLflow is away, or the experiment was deleted.
        ValueError: params.yaml names no experiment.
    """
    wanted, store = read_names(root).experiment, locate_store(root)
    if store.is_unborn:
        return []
    client = connect(store, AFTERWARDS)
    with spoken(store):
        experiment = client.get_experiment_by_name(wanted)
        if experiment is None:
            return []
        demand_alive(experiment, store)
        runs = client.search_runs(
            [experiment.experiment_id], f"tags.`{KIND}` = 'pipeline'", max_results=min(limit, MOST_RUNS)
        )
    lines = []
    for run in runs:
        start = datetime.fromtimestamp(run.info.start_time / 1000).strftime("%Y-%m-%d %H:%M")
        scores = ", ".join(say_score(run.data.metrics, name) for name in SCORES if name in run.data.metrics)
        name = (run.info.run_name or run.data.tags[STATE][:8]).ljust(44)
        lines.append(f"{start}  {run.info.status:8}  {name}  {scores or 'no scores'}  {run.info.run_id}")
    return lines


def say_score(metrics: dict[str, float], name: str) -> str:
    """`mAP_50 0.880 (0.850 to 0.910)`."""
    ends = [metrics.get(f"{name}_{end}") for end in ("low", "high")]
    interval = f" ({ends[0]:.3f} to {ends[1]:.3f})" if None not in ends else ""
    return f"{name} {metrics[name]:.3f}{interval}"
