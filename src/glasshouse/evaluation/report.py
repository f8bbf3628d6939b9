"""Everything under reports/evaluate/: metrics, COCO files, plot data, and the page for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glasshouse.evaluation.anchors import anchor_rows
from glasshouse.evaluation.cases import Case, choose_cases
from glasshouse.evaluation.coco_files import write_coco_files
from glasshouse.evaluation.diagnosis import Calibration, calibrate, reliability_chart, threshold_chart
from glasshouse.evaluation.figures import Chart
from glasshouse.evaluation.gallery import contact_sheet, draw_case, jpeg_bytes
from glasshouse.evaluation.histories import History
from glasshouse.evaluation.json_files import rounded, write_json, write_rows
from glasshouse.evaluation.page import Gallery, render_page
from glasshouse.evaluation.plots import write_curves, write_plots
from glasshouse.evaluation.results import SplitResult, SplitTables, evaluate_split

ReadPicture = Callable[[int], NDArray[np.uint8]]
Explain = Callable[[Sequence[Case], ReadPicture], list[tuple[Case, Image.Image]]]


def write_report(
    folder: Path,
    task: str,
    splits: Mapping[str, SplitTables],
    histories: Mapping[str, History],
    read_picture: ReadPicture,
    *,
    model: Mapping[str, str],
    gallery_score: float,
    gallery_pictures: int,
    bootstrap_rounds: int,
    seed: int,
    priors: Mapping[str, Any] | None = None,
    explain: Explain | None = None,
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
        priors: what the head took from the training boxes (its anchors); None for nothing.
        explain: draws where the network looked in as many of the gallery's cases, worst first, as it was made
            for (`explained.Explainer.draw`); None for none.

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
        write_predictions(folder / name, splits[name], result)
        write_plots(folder / name, result, calibrations.get(name))
    write_curves(folder, histories)
    if priors is not None:
        write_rows(folder / "anchors.json", anchor_rows(priors))
    final = list(results)[-1]
    gallery = draw_gallery(results[final], read_picture, gallery_pictures, explain)
    (folder / "gallery.jpg").write_bytes(jpeg_bytes(contact_sheet([image for _, image in gallery.all()])))
    charts = draw_charts(results[final], calibrations.get(final))
    page = render_page(task, results, metrics, histories, gallery, model, gallery_score, charts, priors)
    (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
    return metrics


def draw_charts(result: SplitResult, calibration: Calibration | None) -> list[Chart]:
    """The curves of the page beside precision and recall: F1 over the threshold, reliability."""
    what = "of all answers" if result.arrays is None else "all classes, IoU 0.5"
    thresholds = threshold_chart(result.thresholds, f"F1 over the score threshold, {what}")
    reliable = reliability_chart(calibration) if calibration is not None else None
    return [chart for chart in (thresholds, reliable) if chart is not None]


def write_predictions(folder: Path, tables: SplitTables, result: SplitResult) -> None:
    """Write one split's predictions.json and, where there are boxes, ground_truth.json."""
    if result.arrays is None:
        write_rows(folder / "predictions.json", classified_rows(tables))
    else:
        write_coco_files(folder, tables.images, result.arrays)


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
    result: SplitResult,
    read_picture: ReadPicture,
    pictures: int,
    explain: Explain | None = None,
) -> Gallery:
    """The worst and some typical pictures of a split, drawn, and where the network looked in some of them."""
    worst, typical = choose_cases(result.cases, pictures)
    return Gallery(
        worst=[(case, draw_case(read_picture(case.image_id), case)) for case in worst],
        typical=[(case, draw_case(read_picture(case.image_id), case)) for case in typical],
        explained=explain([*worst, *typical], read_picture) if explain is not None else [],
    )
