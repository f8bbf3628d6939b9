"""From tables to scores: one split of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from glasshouse.evaluation.cases import Case, classification_cases, detection_cases
from glasshouse.evaluation.coco_files import CocoArrays, coco_arrays
from glasshouse.evaluation.diagnosis import (
    Certainty,
    class_certainty,
    detection_certainty,
    diagnose_detections,
)
from glasshouse.metrics.classification import classification_scores, predicted_labels
from glasshouse.metrics.confusion import confusion_matrix, confusion_pairs, pair_boxes
from glasshouse.metrics.curves import ThresholdCurve, answer_curve, class_precision, threshold_curve
from glasshouse.metrics.detection import detection_scores, interpolated_precision
from glasshouse.metrics.localization import localization_scores
from glasshouse.metrics.matching import MAX_DETECTIONS, Matches, match_detections
from glasshouse.metrics.overlap import Floats, Ints

BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class SplitTables:
    """What a score rests on: the raw tables' rows of one split, and what the model said.

    Args:
        images: image_id, file_name, label, width_px, height_px (original).
        objects: boxes in pixels of the original pictures.
        categories: every class.
        predictions: detect and localize: image_id, category_id, score, x_min_px, y_min_px, x_max_px, y_max_px
            in pixels of the original pictures; classify: image_id, probabilities (list of one number a
            category).
        without_target: objects that the head's targets have no place for; None where it has for all.
    """

    images: pd.DataFrame
    objects: pd.DataFrame
    categories: pd.DataFrame
    predictions: pd.DataFrame
    without_target: int | None = None

    @classmethod
    def of(
        cls,
        image_ids: Sequence[int] | Ints,
        images: pd.DataFrame,
        objects: pd.DataFrame,
        categories: pd.DataFrame,
        predictions: pd.DataFrame,
        without_target: int | None = None,
    ) -> SplitTables:
        """The rows of the given pictures out of the whole raw tables, by rising image_id."""
        chosen = images[images["image_id"].isin(image_ids)].sort_values("image_id", ignore_index=True)
        theirs = objects[objects["image_id"].isin(image_ids)].sort_values("object_id", ignore_index=True)
        return cls(chosen, theirs, categories, predictions, without_target)


@dataclass(frozen=True, slots=True)
class SplitResult:
    """Scores and what the figures are drawn from.

    Args:
        scores: as `metrics.json` holds them.
        names: classes, for detection with "background" last: rows and columns of the confusion matrix, all
            different.
        actual, predicted: (N,) places in `names`, one row a thing that was confused or not.
        precision: (K, 101) precision at recall 0.00 .. 1.00, of detections at IoU 0.5, of a classifier each
            class against the rest.
        cases: one a picture.
        arrays: what the COCO files hold, None for classification.
        certainty: confidences and whether they were right.
        thresholds: what is shown, or answered, at every score threshold.
    """

    scores: dict[str, Any]
    names: list[str]
    actual: Ints
    predicted: Ints
    precision: Floats
    cases: list[Case]
    arrays: CocoArrays | None
    certainty: Certainty
    thresholds: ThresholdCurve

    @property
    def confusion(self) -> Ints:
        """Counts, row = actual, column = predicted."""
        return confusion_matrix(self.actual, self.predicted, len(self.names))


def evaluate_detection(
    tables: SplitTables, *, gallery_score: float, bootstrap_rounds: int, seed: int
) -> SplitResult:
    """Score a detector on one split.

    Args:
        tables: the split.
        gallery_score: detections at or above it are what a user is shown: they count in the confusion matrix,
            in mean_iou and in the gallery. AP and AR use all.
        bootstrap_rounds, seed: of the intervals.
    """
    arrays = coco_arrays(tables.images, tables.objects, tables.categories, tables.predictions)
    category_ids = np.array(sorted(arrays.categories), dtype=np.int64)
    matches = match_detections(arrays.objects, arrays.detections, arrays.picture_ids, category_ids)
    scores = detection_scores(
        arrays.objects,
        arrays.detections,
        arrays.picture_ids,
        arrays.categories,
        score_threshold=gallery_score,
        bootstrap_rounds=bootstrap_rounds,
        seed=seed,
        matches=matches,
    )
    scores |= diagnose_detections(arrays, matches)
    if counts := count_out_of_reach(matches, tables.without_target):
        scores["counts"] = counts
    shown = CocoArrays(
        arrays.objects, arrays.detections.above(gallery_score), arrays.picture_ids, arrays.categories
    )
    pairs = pair_boxes(shown.objects, shown.detections)
    actual, predicted = confusion_pairs(shown.objects, shown.detections, pairs)
    names = [arrays.categories[int(category_id)] for category_id in category_ids]
    order = np.append(category_ids, 0)
    place = {int(category_id): row for row, category_id in enumerate(order)}
    return SplitResult(
        scores=scores,
        names=[*names, name_background(names)],
        actual=np.array([place[int(category_id)] for category_id in actual], dtype=np.int64),
        predicted=np.array([place[int(category_id)] for category_id in predicted], dtype=np.int64),
        precision=interpolated_precision(matches),
        cases=detection_cases(tables.images, shown, pairs),
        arrays=arrays,
        certainty=detection_certainty(matches),
        thresholds=threshold_curve(matches),
    )


def count_out_of_reach(matches: Matches, without_target: int | None) -> dict[str, int]:
    """Objects that a score cannot have found.

    Args:
        matches: for those of one class beyond COCO's MAX_DETECTIONS in a picture, told if there are any.
        without_target: those that the head's targets have no place for; None where they have for all.
    """
    beyond = int(np.maximum(matches.truth_counts[matches.areas.index("all")] - MAX_DETECTIONS, 0).sum())
    taught = {} if without_target is None else {"objects_without_target": without_target}
    return taught | ({f"objects_beyond_{MAX_DETECTIONS}": beyond} if beyond else {})


def name_background(names: Sequence[str]) -> str:
    """The name of what is no object, in brackets where a class is called so: plots have names alone."""
    word = BACKGROUND
    while word in names:
        word = f"({word})"
    return word


def add_localization(result: SplitResult, bootstrap_rounds: int, seed: int) -> SplitResult:
    """The detection scores of a localiser with its own before them: of the surest box of each picture."""
    assert result.arrays is not None
    arrays = result.arrays
    own = localization_scores(
        arrays.objects, arrays.detections, arrays.picture_ids, bootstrap_rounds=bootstrap_rounds, seed=seed
    )
    merged = {key: {**own[key], **result.scores.get(key, {})} for key in ("counts", "ci95")}
    merged["protocol"] = {**result.scores["protocol"], **own["protocol"]}
    return replace(result, scores={**own, **result.scores, **own, **merged})


def evaluate_classification(tables: SplitTables, *, bootstrap_rounds: int, seed: int) -> SplitResult:
    """Score a classifier on one split.

    Raises:
        ValueError: when a label is no category, or a picture has not exactly one prediction.
    """
    names = [str(name) for name in tables.categories["name"]]
    labels = _label_places(tables.images, names)
    probabilities = _probabilities(tables)
    certainty = class_certainty(labels, probabilities)
    return SplitResult(
        scores=classification_scores(
            labels, probabilities, names, bootstrap_rounds=bootstrap_rounds, seed=seed
        ),
        names=names,
        actual=labels,
        predicted=predicted_labels(probabilities),
        precision=class_precision(labels, probabilities),
        cases=classification_cases(tables.images, labels, probabilities, names),
        arrays=None,
        certainty=certainty,
        thresholds=answer_curve(*certainty.read()),
    )


def _label_places(images: pd.DataFrame, names: list[str]) -> Ints:
    place = {name: row for row, name in enumerate(names)}
    unknown = images[~images["label"].isin(names)]
    if len(unknown):
        first = unknown.iloc[0]
        raise ValueError(
            f"{len(unknown)} pictures have a label that is none of the {len(names)} categories, first "
            f"{first['file_name']} with {first['label']!r}. Make images and categories agree."
        )
    return np.array([place[label] for label in images["label"]], dtype=np.int64)


def _probabilities(tables: SplitTables) -> Floats:
    """(N, C) in the order of the images."""
    by_image = tables.predictions.set_index("image_id")["probabilities"]
    if sorted(by_image.index) != sorted(tables.images["image_id"]):
        raise ValueError(
            f"The predictions must have one row for each of the {len(tables.images)} pictures. "
            f"Got {len(by_image)} rows on {by_image.index.nunique()} pictures instead."
        )
    return np.array([by_image[image_id] for image_id in tables.images["image_id"]], dtype=np.float64)


def evaluate_split(
    task: str, tables: SplitTables, *, gallery_score: float, bootstrap_rounds: int, seed: int
) -> SplitResult:
    """Score one split of a model whose task is "detect", "localize" or "classify"."""
    if task in ("detect", "localize"):
        result = evaluate_detection(
            tables, gallery_score=gallery_score, bootstrap_rounds=bootstrap_rounds, seed=seed
        )
        return result if task == "detect" else add_localization(result, bootstrap_rounds, seed)
    if task == "classify":
        return evaluate_classification(tables, bootstrap_rounds=bootstrap_rounds, seed=seed)
    raise ValueError(
        "The task parameter of evaluate_split must be 'detect', 'localize' or 'classify'. "
        f"Got {task!r} instead."
    )
