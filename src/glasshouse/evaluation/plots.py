"""The files that `dvc plots` draws: the same ones for every task, so that one dvc.yaml fits all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glasshouse.evaluation.diagnosis import Calibration, pick_points
from glasshouse.evaluation.histories import History, learning_rows, score_rows
from glasshouse.evaluation.json_files import rounded, write_rows
from glasshouse.evaluation.results import SplitResult
from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.detection import RECALL_THRESHOLDS


def write_curves(folder: Path, histories: Mapping[str, History]) -> None:
    """Write learning_curves.json and score_curve.json."""
    write_rows(folder / "learning_curves.json", learning_rows(histories))
    write_rows(folder / "score_curve.json", score_rows(histories))


def write_plots(folder: Path, result: SplitResult, calibration: Calibration | None) -> None:
    """Write one split's confusion.json, precision_recall.json, thresholds.json, calibration.json and
    calibration_scaled.json; the last three are empty where nothing was found."""
    names = result.names
    pairs = zip(result.actual.tolist(), result.predicted.tolist(), strict=True)
    write_rows(
        folder / "confusion.json",
        [{"actual": names[actual], "predicted": names[guess]} for actual, guess in pairs],
    )
    write_rows(folder / "precision_recall.json", precision_recall_rows(result))
    write_rows(folder / "thresholds.json", threshold_rows(result))
    for name, scaled in (("calibration", False), ("calibration_scaled", True)):
        rows = calibration.rows(scaled) if calibration is not None else []
        write_rows(folder / f"{name}.json", [rounded(row) for row in rows])


def precision_recall_rows(result: SplitResult) -> list[dict[str, Any]]:
    """One row a recall point: recall, precision (of all classes; a detector's mean is mAP_50), `precision
    CLASS`."""
    means = mean_known(result.precision, axis=0)
    return [
        rounded(
            {
                "recall": recall,
                "precision": means[point],
                **{
                    f"precision {name}": curve[point]
                    for name, curve in zip(result.names, result.precision, strict=False)
                },
            }
        )
        for point, recall in enumerate(RECALL_THRESHOLDS)
    ]


def threshold_rows(result: SplitResult) -> list[dict[str, Any]]:
    """One row a score threshold, rising: threshold, f1, precision, recall; some 200 of all, the best among
    them."""
    curve = result.thresholds
    keys = ("thresholds", "f1", "precision", "recall")
    columns = np.stack([getattr(curve, key) for key in keys], axis=1)[pick_points(curve)[::-1]]
    return [rounded(dict(zip(("threshold", *keys[1:]), row, strict=True))) for row in columns.tolist()]
