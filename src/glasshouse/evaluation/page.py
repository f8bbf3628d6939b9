"""The page for people: what to show, in words; the template says how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from glasshouse.evaluation.anchors import anchor_chart, anchor_rows
from glasshouse.evaluation.cases import Case
from glasshouse.evaluation.figures import Chart, Line, line_chart
from glasshouse.evaluation.gallery import COLOURS, data_uri
from glasshouse.evaluation.histories import History, learning_charts
from glasshouse.evaluation.results import SplitResult
from glasshouse.evaluation.saliency import MASKS
from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.detection import RECALL_THRESHOLDS
from glasshouse.quality.page.environment import open_templates

READS = ("src/glasshouse/evaluation/templates",)
TEMPLATES = Path(__file__).parent / "templates"
MOST_CURVES = 8  # as many colours as the page tells apart
MOST_NAMES = 60  # of a matrix: one of a thousand classes has a million cells, which no browser likes
MIX_UPS = 50  # shown of more classes

DETECTION_SCORES = {
    "mAP_50_95": "mean average precision over IoU 0.50 to 0.95: found, and tightly boxed",
    "mAP_50": "mean average precision where IoU 0.5 counts as found",
    "mAP_75": "the same at IoU 0.75",
    "mean_iou": "IoU of each object with its best box shown, 0 when missed",
    "AR_1": "objects found by the 1 best box of a class",
    "AR_10": "by the 10 best",
    "AR_100": "by the 100 best",
    "mAP_small": "objects up to 32 x 32 px",
    "mAP_medium": "up to 96 x 96 px",
    "mAP_large": "larger",
}
EXTRA_SCORES = {  # other readings, named as in metrics.json: no comparison rests on them
    "pascal.mAP_11_point": "extra: mean of the maximum precisions at recall 0, 0.1 .. 1, IoU 0.5 (VOC 2007)",
    "pascal.mAP_all_point": "extra: area under precision over recall, IoU 0.5 (VOC 2010 and later)",
}
SCORES = {
    "detect": {**DETECTION_SCORES, **EXTRA_SCORES},
    "localize": {
        "accuracy": "pictures whose surest box has the class of the largest object",
        "mean_iou": "IoU of the surest box with the largest object, 0 without a box",
        **{key: words for key, words in DETECTION_SCORES.items() if key != "mean_iou"},
        **EXTRA_SCORES,
    },
    "classify": {
        "accuracy": "pictures whose surest class is the true one",
        "top_3_accuracy": "true class among the 3 surest",
        "top_5_accuracy": "among the 5 surest",
        "macro_f1": "F1, each class counting alike",
        "log_loss": "surprise at the truth, in nats; 0 is best",
        "calibration_error": "gap between confidence and accuracy; 0 is best",
    },
}
HEADLINES = {
    "detect": ("mAP_50", "mAP_50_95"),
    "localize": ("accuracy", "mean_iou"),
    "classify": ("accuracy", "macro_f1"),
}
CLASS_SCORES = {
    "detect": ("AP_50_95", "AP_50", "AR_100"),
    "localize": ("AP_50_95", "AP_50", "AR_100"),
    "classify": ("f1", "precision", "recall"),
}
REMARKS = {  # beside the verdict, where numbers that seem to contradict each other would be doubted
    "localize": "Accuracy asks for the class of a picture's largest object, found for IoU 0.5 as well. "
    "Other objects are none of a localiser's business, by design: they count as missed here and in mAP.",
}
KINDS = {"detect": "detector", "localize": "localiser", "classify": "classifier"}
ERRORS = {
    "localisation": "right class, badly placed (IoU 0.1 to 0.5)",
    "classification": "well placed, wrong class",
    "duplicate": "a second box on an object that was found",
    "both": "wrong class and badly placed",
    "background": "nothing there",
    "missed": "an object that no box was meant for; mended: it is not asked for",
}
COUNTS = {
    "pictures_with_several_objects": "only the largest object of each is scored by accuracy and mean_iou",
    "pictures_without_objects": "left out of accuracy and mean_iou",
    "objects_without_target": "the head's targets have no place for them",
    "objects_beyond_100": "of one class in one picture: COCO's scores look at its 100 surest boxes, so as "
    "many stay missed in mAP, AR, F1 and kinds of errors, however well they are boxed",
}


@dataclass(frozen=True, slots=True)
class Gallery:
    """Drawn pictures: those where it fails, worst first, typical ones, and where the network looked."""

    worst: list[tuple[Case, Image.Image]]
    typical: list[tuple[Case, Image.Image]]
    explained: list[tuple[Case, Image.Image]] = field(default_factory=list)

    def all(self) -> list[tuple[Case, Image.Image]]:
        """Worst, then typical."""
        return [*self.worst, *self.typical]


def render_page(
    task: str,
    results: Mapping[str, SplitResult],
    metrics: Mapping[str, Any],
    histories: Mapping[str, History],
    gallery: Gallery,
    model: Mapping[str, str],
    gallery_score: float,
    charts: Sequence[Chart] = (),
    priors: Mapping[str, Any] | None = None,
) -> str:
    """One self-contained HTML page. The last split is the one that the verdict speaks of."""
    environment = open_templates(TEMPLATES, score=score_words, gain=gain_words, plain=plain_words)
    final = list(results)[-1]
    columns = {final: metrics[final], **metrics}  # the one that counts first: a phone shows no more
    return environment.get_template("index.html.jinja").render(
        kind=KINDS[task],
        has_boxes=task != "classify",
        count_rows=count_rows(columns),
        model=model,
        final=final,
        columns=columns,
        headlines=HEADLINES[task],
        found=found_words(results[final], task),
        remark=REMARKS.get(task),
        score_rows=score_rows(SCORES[task], columns),
        class_scores=CLASS_SCORES[task],
        class_rows=class_rows(
            metrics[final]["per_class"], class_outcomes(results[final]), CLASS_SCORES[task][0]
        ),
        confusion=results[final].confusion.tolist() if len(results[final].names) <= MOST_NAMES else None,
        mix_ups=mix_ups(results[final]),
        names=results[final].names,
        curves=precision_recall_chart(results[final]),
        learning=[*charts, *learning_charts(histories)],
        error_rows=error_rows(metrics[final].get("errors", {})),
        explained=_tiles(gallery.explained),
        masks=MASKS,
        sections=[("Where it fails", _tiles(gallery.worst)), ("Typical pictures", _tiles(gallery.typical))],
        colours={kind: "#{:02x}{:02x}{:02x}".format(*colour) for kind, colour in COLOURS.items()},
        gallery_score=gallery_score,
        anchors=anchor_rows(priors),
        anchor_chart=anchor_chart(priors) if priors is not None else None,
    )


def score_rows(words_of: Mapping[str, str], columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a score that the first split has: key, words, and each split's value and interval (or None)."""
    rows = [
        {
            "key": key,
            "words": words,
            "cells": [(look_up(scores, key), scores["ci95"].get(key)) for scores in columns.values()],
        }
        for key, words in words_of.items()
    ]
    return [row for row in rows if row["cells"][0][0] is not None]


def count_rows(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a count that any split has: key, words, and each split's count, 0 where it has none."""
    counts = [scores.get("counts", {}) for scores in columns.values()]
    return [
        {"key": key, "words": words, "cells": [own.get(key, 0) for own in counts]}
        for key, words in COUNTS.items()
        if any(key in own for own in counts)
    ]


def look_up(scores: Mapping[str, Any], key: str) -> Any:
    """What stands at a dotted key; None for nothing."""
    first, _, rest = key.partition(".")
    value = scores.get(first)
    return look_up(value, rest) if rest and value is not None else value


def error_rows(errors: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """TIDE's kinds of mistakes, the costliest first and of equal ones the most frequent, in words."""
    rows = [
        {"kind": kind, "words": words, **errors[kind]} for kind, words in ERRORS.items() if kind in errors
    ]
    return sorted(rows, key=lambda row: (-(row["gain_mAP_50"] or 0.0), -row["count"]))


def score_words(value: float | None) -> str:
    """Three digits behind the point, a dash for what is not known."""
    return "-" if value is None else f"{value:.3f}"


def gain_words(value: float | None) -> str:
    """A score's rise with its sign, a dash for what is not known."""
    return score_words(value) if value is None else f"{value:+z.3f}"


def plain_words(value: Any) -> str:
    """An entry of the protocol in one line."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {plain_words(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(plain_words(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def class_outcomes(result: SplitResult) -> list[dict[str, int]]:
    """For each class: found, confused and missed objects, false boxes; the last two only for detection."""
    counts = result.confusion
    classes = len(counts) - (result.arrays is not None)
    return [
        {
            "found": int(counts[row, row]),
            "confused": int(counts[row, :classes].sum() - counts[row, row]),
            "missed": int(counts[row, classes:].sum()),
            "false": int(counts[classes:, row].sum()),
        }
        for row in range(classes)
    ]


def class_rows(
    per_class: Mapping[str, Mapping[str, float | None]], outcomes: Sequence[Mapping[str, int]], key: str
) -> list[tuple[str, Mapping[str, float | None], Mapping[str, int]]]:
    """Name, scores and outcomes of each class: the lowest `key` first, classes without one last."""

    def level(scores: Mapping[str, float | None]) -> float:
        value = scores[key]
        return math.inf if value is None else value

    rows = [(*named, outcome) for named, outcome in zip(per_class.items(), outcomes, strict=True)]
    return sorted(rows, key=lambda row: level(row[1]))


def mix_ups(result: SplitResult) -> list[dict[str, Any]]:
    """The commonest pairs of the confusion matrix beside its diagonal: actual, predicted, count, share of the
    actual ones."""
    counts = result.confusion
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    actual, predicted = np.nonzero(counts)
    commonest = np.argsort(-counts[actual, predicted], kind="stable")[:MIX_UPS].tolist()
    return [
        {
            "actual": result.names[row],
            "predicted": result.names[column],
            "count": int(counts[row, column]),
            "share": float(counts[row, column] / totals[row]),
        }
        for row, column in zip(actual[commonest].tolist(), predicted[commonest].tolist(), strict=True)
    ]


def found_words(result: SplitResult, task: str) -> str:
    """The verdict in things instead of scores."""
    outcomes = class_outcomes(result)
    total = {
        key: sum(outcome[key] for outcome in outcomes) for key in ("found", "confused", "missed", "false")
    }
    things = total["found"] + total["confused"] + total["missed"]
    if task == "classify":
        return f"{total['found']} of {things} pictures right, {total['confused']} taken for another class"
    return (
        f"{total['found']} of {things} objects found, {total['confused']} taken for another class, "
        f"{total['missed']} missed, {total['false']} boxes too many"
    )


def precision_recall_chart(result: SplitResult) -> Chart | None:
    """Mean over classes and, of many classes, those with the lowest AP."""
    if not np.isfinite(result.precision).any():
        return None
    precision = result.precision.mean(axis=1)
    known = [row for row in np.argsort(precision, kind="stable").tolist() if np.isfinite(precision[row])]
    chosen = sorted(known[: MOST_CURVES - 1])
    curves = [("all classes", mean_known(result.precision, axis=0))]
    curves += [(result.names[row], result.precision[row]) for row in chosen]
    few = len(chosen) < len(known)
    at = ", one class against the rest" if result.arrays is None else " at IoU 0.5"
    title = f"Precision and recall{at}{f', the {len(chosen)} weakest classes' if few else ''}"
    lines = [
        Line(name, tuple(zip(RECALL_THRESHOLDS.tolist(), curve.tolist(), strict=True)))
        for name, curve in curves
    ]
    return line_chart(lines, title, "recall", "precision", unit_square=True)


def _tiles(drawn: list[tuple[Case, Image.Image]]) -> list[dict[str, Any]]:
    return [
        {
            "name": case.file_name,
            "summary": case.summary,
            "uri": data_uri(image),
            "width": image.width,
            "height": image.height,
        }
        for case, image in drawn
    ]
