"""Everything under reports/evaluate/: metrics, COCO files, plot data, and the page for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.evaluation.cases import choose_cases
from glasshouse.evaluation.coco_files import write_coco_files
from glasshouse.evaluation.diagnosis import Calibration, calibrate, reliability_chart, threshold_chart
from glasshouse.evaluation.figures import Chart
from glasshouse.evaluation.gallery import contact_sheet, draw_case, jpeg_bytes
from glasshouse.evaluation.histories import History, learning_rows
from glasshouse.evaluation.json_files import rounded, write_json, write_rows
from glasshouse.evaluation.page import Gallery, render_page
from glasshouse.evaluation.results import SplitResult, SplitTables, evaluate_split
from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.detection import RECALL_THRESHOLDS


def write_report(
    folder: Path,
    task: str,
    splits: Mapping[str, SplitTables],
    histories: Mapping[str, History],
    read_picture: Callable[[int], NDArray[np.uint8]],
    *,
    model: Mapping[str, str],
    gallery_score: float,
    gallery_pictures: int,
    bootstrap_rounds: int,
    seed: int,
) -> dict[str, Any]:
    """Score every split and write all files of the evaluate stage.

    Args:
        folder: where to; files of an earlier run are written over.
        task: "detect", "localize" or "classify".
        splits: name -> tables, in the order to show them; the last one (test) is the one that counts: verdict
            and gallery are its.
        histories: phase (train_head, fine_tune) -> one row an epoch.
        read_picture: image_id -> upright original picture (height, width, 3) uint8; for the gallery only.
        model: what to say about the model, name -> words.
        gallery_score: detections at or above it are what a user is shown.
        gallery_pictures: how many pictures to show.
        bootstrap_rounds, seed: of the intervals.

    Returns:
        What stands in `metrics.json`: split -> scores.
    """
    results = {
        name: evaluate_split(
            task, tables, gallery_score=gallery_score, bootstrap_rounds=bootstrap_rounds, seed=seed
        )
        for name, tables in splits.items()
    }
    calibrations = calibrate({name: result.certainty for name, result in results.items()})
    for name, calibration in calibrations.items():
        results[name].scores["calibration"] = calibration.scores()
    metrics: dict[str, Any] = {name: rounded(result.scores) for name, result in results.items()}
    write_json(folder / "metrics.json", metrics)
    for name, result in results.items():
        write_split(folder / name, splits[name], result)
        rows = calibrations[name].rows() if name in calibrations else []
        write_rows(folder / name / "calibration.json", [rounded(row) for row in rows])
    write_rows(folder / "learning_curves.json", learning_rows(histories))
    final = list(results)[-1]
    gallery = draw_gallery(results[final], read_picture, gallery_pictures)
    (folder / "gallery.jpg").write_bytes(jpeg_bytes(contact_sheet([image for _, image in gallery.all()])))
    charts = draw_charts(results[final], calibrations.get(final))
    page = render_page(task, results, metrics, histories, gallery, model, gallery_score, charts)
    (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
    return metrics


def draw_charts(result: SplitResult, calibration: Calibration | None) -> list[Chart]:
    """The curves of the page beside precision and recall: F1 over the threshold, reliability."""
    thresholds = threshold_chart(result.thresholds) if result.thresholds is not None else None
    reliable = reliability_chart(calibration) if calibration is not None else None
    return [chart for chart in (thresholds, reliable) if chart is not None]


def write_split(folder: Path, tables: SplitTables, result: SplitResult) -> None:
    """Write one split's predictions.json, ground_truth.json, precision_recall.json and confusion.json.

    Classification has no boxes, so neither COCO truth nor precision_recall.json.
    """
    pairs = zip(result.actual.tolist(), result.predicted.tolist(), strict=True)
    names = result.names
    write_rows(
        folder / "confusion.json",
        [{"actual": names[actual], "predicted": names[guess]} for actual, guess in pairs],
    )
    if result.arrays is None or result.precision is None:
        write_rows(folder / "predictions.json", classified_rows(tables))
        return
    write_coco_files(folder, tables.images, result.arrays)
    write_rows(folder / "precision_recall.json", precision_recall_rows(result))


def precision_recall_rows(result: SplitResult) -> list[dict[str, Any]]:
    """One row a recall point: recall, precision (of all classes; its mean is mAP_50), `precision CLASS`."""
    curves = np.empty((0, len(RECALL_THRESHOLDS))) if result.precision is None else result.precision
    means = mean_known(curves, axis=0)
    return [
        rounded(
            {
                "recall": recall,
                "precision": means[point],
                **{
                    f"precision {name}": curve[point]
                    for name, curve in zip(result.names, curves, strict=False)
                },
            }
        )
        for point, recall in enumerate(RECALL_THRESHOLDS)
    ]


def classified_rows(tables: SplitTables) -> list[dict[str, Any]]:
    """One row a picture: image_id, file_name, label, predicted, probabilities by class."""
    names = [str(name) for name in tables.categories["name"]]
    given = tables.predictions.set_index("image_id")["probabilities"]
    rows = []
    for image_id, file_name, label in tables.images[["image_id", "file_name", "label"]].itertuples(
        index=False
    ):
        probabilities = np.asarray(given[image_id], dtype=np.float64)
        rows.append(
            {
                "image_id": int(image_id),
                "file_name": file_name,
                "label": label,
                "predicted": names[int(probabilities.argmax())],
                "probabilities": dict(zip(names, rounded(probabilities), strict=True)),
            }
        )
    return rows


def draw_gallery(
    result: SplitResult, read_picture: Callable[[int], NDArray[np.uint8]], pictures: int
) -> Gallery:
    """The worst and some typical pictures of a split, drawn."""
    worst, typical = choose_cases(result.cases, pictures)
    return Gallery(
        worst=[(case, draw_case(read_picture(case.image_id), case)) for case in worst],
        typical=[(case, draw_case(read_picture(case.image_id), case)) for case in typical],
    )
