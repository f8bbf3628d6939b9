"""The states in MLflow as lines of text."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from glasshouse.journal.pipeline import PARAMS, look_up, read_yaml
from glasshouse.tracking.mirror import KIND, STATE
from glasshouse.tracking.store import AFTERWARDS, connect, locate_store, spoken

SCORES = ("mAP_50_95", "mAP_50", "accuracy", "mean_iou")


def list_runs(root: Path, limit: int) -> list[str]:
    """Newest first: start, status, name, scores with intervals, run id.

    Raises:
        FileNotFoundError: `root` is no project's folder.
        StoreAway: MLflow is away.
    """
    wanted, store = look_up(read_yaml(root / PARAMS), "tracking.experiment"), locate_store(root)
    if store.is_unborn:
        return []
    client = connect(store, AFTERWARDS)
    with spoken(store):
        experiment = client.get_experiment_by_name(wanted)
        if experiment is None:
            return []
        runs = client.search_runs(
            [experiment.experiment_id], f"tags.`{KIND}` = 'pipeline'", max_results=limit
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
