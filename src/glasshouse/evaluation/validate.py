"""The short scores: trainings are watched by them, exports compared, and a trivial model reaches some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.evaluation.coco_files import coco_arrays
from glasshouse.evaluation.predict import Predict, compile_predict, predict_classes, predict_objects
from glasshouse.inputs.prepared import Prepared
from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.classification import accuracy
from glasshouse.metrics.detection import AT_50, average_precision
from glasshouse.metrics.localization import judge_surest
from glasshouse.metrics.matching import match_detections
from glasshouse.models.inference import build_inference
from glasshouse.models.network import Network
from glasshouse.tables.schema import BOX_COLUMNS

Scores = dict[str, float]
# By which models of a task are compared. Of the localiser's, the one that wants class and box right together.
MAIN_SCORE = {"detect": "mAP_50_95", "localize": "mAP_50_95", "classify": "accuracy"}


def score_split(predict: Predict, prepared: Prepared, task: str, batch_size: int) -> Scores:
    """Main scores of a model on one prepared split.

    Args:
        predict: the inference model as a function of pixels.
        prepared: the split.
        task: detect, localize or classify.
        batch_size: pictures predicted at once.

    Returns:
        detect: mAP_50_95 and mAP_50, by the same code as the full report. localize: these, accuracy and
        mean_iou. classify: accuracy.
    """
    if task == "classify":
        return score_probabilities(predict_classes(predict, prepared, batch_size), prepared)
    return score_detections(predict_objects(predict, prepared, batch_size), prepared, task)


def score_detections(predictions: pd.DataFrame, prepared: Prepared, task: str = "detect") -> Scores:
    """mAP_50_95 and mAP_50 of detections in original pixels against the split's own boxes.

    For the task localize also accuracy and mean_iou of each picture's surest box.
    """
    rows = prepared.objects["image_id"].map(prepared.images.set_index("image_id")["row"]).to_numpy(np.int64)
    truth = prepared.objects.copy()
    truth[BOX_COLUMNS] = prepared.to_original(rows, truth[BOX_COLUMNS].to_numpy())
    arrays = coco_arrays(prepared.images, truth, prepared.categories, predictions)
    categories = prepared.categories["category_id"].to_numpy(np.int64)
    precision = average_precision(
        match_detections(arrays.objects, arrays.detections, arrays.picture_ids, categories)
    )
    scores = {"mAP_50_95": float(mean_known(precision)), "mAP_50": float(mean_known(precision[:, AT_50]))}
    if task != "localize":
        return scores
    surest = judge_surest(arrays.objects, arrays.detections, arrays.picture_ids)
    return scores | {"accuracy": surest.accuracy, "mean_iou": surest.mean_iou}


def score_probabilities(probabilities: NDArray[np.float64], prepared: Prepared) -> Scores:
    """Accuracy of probabilities (N, C)."""
    return {"accuracy": float(accuracy(prepared.class_labels().astype(np.int64), probabilities))}


def score_trivial(train: Prepared, prepared: Prepared, task: str) -> Scores:
    """What a model without eyes reaches: the commonest class everywhere, in a box of mean place and size.

    Args:
        train: where it learns class and box.
        prepared: where it is scored.
        task: detect, localize or classify.

    Raises:
        ValueError: there is no object to learn from.
    """
    if task == "classify":
        commonest = int(np.bincount(train.class_labels()).argmax())
        return {"accuracy": float(np.mean(prepared.class_labels() == commonest))}
    objects = train.objects[~train.objects["is_crowd"]]
    if objects.empty:
        raise ValueError("There is no object in the training split: nothing can be learned from it.")
    # Boxes as shares of the picture, so that pictures of other sizes get their own.
    sizes = objects[["image_id"]].merge(train.images, on="image_id")
    rows = sizes["row"].to_numpy(np.int64)
    sides = np.tile(sizes[["width_px", "height_px"]].to_numpy(), 2)
    mean_box = (train.to_original(rows, objects[BOX_COLUMNS].to_numpy()) / sides).mean(axis=0)
    boxes = mean_box * np.tile(prepared.images[["width_px", "height_px"]].to_numpy(), 2)
    guesses = pd.DataFrame(boxes, columns=BOX_COLUMNS).assign(
        image_id=prepared.images["image_id"].to_numpy(),
        category_id=int(objects["category_id"].mode()[0]),
        score=0.5,
    )
    return score_detections(guesses, prepared, task)


def make_validator(network: Network, prepared: Prepared, task: str, evaluate: Any) -> Callable[[], Scores]:
    """A function that scores the network as it stands on the validation split; compiled once.

    Raises:
        ValueError: it has no object, so that there is no score: NaN would pass for a run that has diverged.
    """
    if task != "classify":
        prepared.demand_objects("valid", task)
    predict = compile_predict(build_inference(network, evaluate))
    return lambda: score_split(predict, prepared, task, evaluate.batch_size)


def make_score(prepared: Prepared, task: str, batch_size: int) -> Callable[[Predict], float]:
    """A function that gives any predictor its main score (mAP_50_95, accuracy) on one split."""
    return lambda predict: score_split(predict, prepared, task, batch_size)[MAIN_SCORE[task]]


def spread_pixels(prepared: Prepared, count: int) -> NDArray[np.float32]:
    """Up to `count` pictures spread evenly over a split: (count, H, W, 3) float32, 0..255."""
    rows = np.unique(np.linspace(0, len(prepared.pixels) - 1, count).round().astype(np.int64))
    return prepared.pixels.gather(rows).astype(np.float32)


def tabulate_scores(scores: dict[str, Scores], split: str) -> pd.DataFrame:
    """Scores by model as a table: model, split, metric, value."""
    rows = [
        (model, split, metric, value) for model, found in scores.items() for metric, value in found.items()
    ]
    return pd.DataFrame(rows, columns=["model", "split", "metric", "value"])
