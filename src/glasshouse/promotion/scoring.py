"""Two networks on the same test pictures, in pixels of the originals, as the stage `evaluate` scores them.

Both run as ONNX, by the same code. What a network calls its classes is taken from what it was trained on and
found again by name, so that a class list in another order, or with more classes, changes no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.evaluation.coco_files import CocoArrays, coco_arrays
from glasshouse.evaluation.predict import Predict, predict_classes, predict_objects
from glasshouse.inputs.prepared import Prepared
from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.detection import average_precision
from glasshouse.metrics.localization import judge_surest
from glasshouse.metrics.matching import Matches, match_detections
from glasshouse.metrics.overlap import Bools, Ints
from glasshouse.metrics.paired import Score, mean_score, precision_score
from glasshouse.promotion.pictures import TestSet

NO_CLASS = -1


class NotFinite(ValueError):
    """A network answers with NaN or infinity."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a network says of the test pictures.

    Args:
        task: detect, localize or classify.
        table: detect and localize: image_id, category_id, score and box in pixels of the original;
            classify: image_id, category_id (of the surest class). The category_id is the project's,
            NO_CLASS for a class that it does not have.
    """

    task: str
    table: pd.DataFrame


def ask(network: Path, prepared: Prepared, task: str, classes: Sequence[str], batch_size: int) -> Answers:
    """Run an ONNX network over prepared pictures.

    Args:
        network: the file.
        prepared: test pictures at its own size; its categories are the project's.
        task: of the network.
        classes: its names in the order of its class index.
        batch_size: pictures at once.

    Raises:
        NotFinite: it answers with NaN or infinity.
        ValueError: it has another number of classes than `classes`, or another size than the pictures.
    """
    predict = _guarded(load_network(network, prepared), len(classes))
    ids = dict(zip(prepared.categories["name"], prepared.categories["category_id"], strict=True))
    known: Ints = np.array([ids.get(name, NO_CLASS) for name in classes], dtype=np.int64)
    if task == "classify":
        surest = predict_classes(predict, prepared, batch_size).argmax(axis=1)
        return Answers(
            task,
            pd.DataFrame(
                {"image_id": prepared.images["image_id"].to_numpy(), "category_id": known[surest]}
            ).sort_values("image_id", ignore_index=True),
        )
    table = predict_objects(predict, prepared, batch_size)
    return Answers(task, table.assign(category_id=known[table["category_id"].to_numpy(dtype=np.int64) - 1]))


def load_network(path: Path, prepared: Prepared) -> Predict:
    """The network as a function; raises ValueError where it takes pictures of another size."""
    import onnxruntime

    from glasshouse.export.onnx import load

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0].shape[1:3]
    if wanted != list(prepared.pixels.shape[1:3]):
        raise ValueError(
            f"{path.name} takes pictures of {wanted} px (height, width), but was registered with preprocess "
            f"{list(prepared.pixels.shape[1:3])}: register its state again."
        )
    return load(path)


def _guarded(predict: Predict, classes: int) -> Predict:
    """Answers that are no numbers, or of no class, must not pass for a picture without objects."""

    def ask_checked(pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        answers = predict(pixels)
        for name, values in answers.items():
            if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
                raise NotFinite(f"its output {name!r} holds NaN or infinity on the test pictures")
        found = (
            answers["probabilities"].shape[1] if "probabilities" in answers else answers["labels"].max() + 1
        )
        if found > classes or ("probabilities" in answers and found != classes):
            raise ValueError(
                f"The network has {found} classes, but {classes} were registered with it: register again."
            )
        return answers

    return ask_checked


def score_classes(test: TestSet, answers: Answers) -> dict[str, float]:
    """Name -> AP_50_95 (recall for classify) of every class of the project; NaN without test objects."""
    if answers.task == "classify":
        right = _is_right(test, answers)
        labels = test.images["label"].to_numpy()
        return {
            name: float(right[labels == name].mean()) if (labels == name).any() else float("nan")
            for name in test.names
        }
    precision = average_precision(_match(test, answers, test.names))
    ids = test.categories.sort_values("category_id")["name"]
    return {str(name): float(mean_known(row)) for name, row in zip(ids, precision, strict=True)}


def make_score(metric: str, test: TestSet, answers: Answers, names: Sequence[str]) -> Score:
    """A metric as a function of how often each test picture counts.

    Args:
        metric: mAP_50_95, mAP_50, accuracy or mean_iou.
        test: the pictures, by rising image_id: the columns of the weights.
        answers: on these pictures or more.
        names: the classes that count.
    """
    if metric in ("mAP_50_95", "mAP_50"):
        return precision_score(_match(test, answers, names), only_50=metric == "mAP_50")
    if answers.task == "classify":
        return mean_score(_is_right(test, answers))
    arrays = _arrays(test, answers, names)
    surest = judge_surest(arrays.objects, arrays.detections, arrays.picture_ids)
    return mean_score(surest.right if metric == "accuracy" else surest.iou, surest.has_object)


def find_labelled(test: TestSet, names: Sequence[str]) -> Bools:
    """(P,) pictures whose label is one of `names`."""
    return test.images["label"].isin(list(names)).to_numpy(dtype=bool)


def _is_right(test: TestSet, answers: Answers) -> Bools:
    """(P,) whether the surest class of each picture is its label."""
    ids = dict(zip(test.categories["name"], test.categories["category_id"], strict=True))
    unlabelled = test.images.loc[~test.images["label"].isin(ids), "file_name"].tolist()
    if unlabelled:
        raise ValueError(f"{len(unlabelled)} test pictures have no class label, first {unlabelled[0]}.")
    said = answers.table.set_index("image_id")["category_id"].loc[test.images["image_id"]].to_numpy()
    right: Bools = said == test.images["label"].map(ids).to_numpy(dtype=np.int64)
    return right


def _match(test: TestSet, answers: Answers, names: Sequence[str]) -> Matches:
    arrays = _arrays(test, answers, names)
    ids = np.array(sorted(arrays.categories), dtype=np.int64)
    return match_detections(arrays.objects, arrays.detections, arrays.picture_ids, ids)


def _arrays(test: TestSet, answers: Answers, names: Sequence[str]) -> CocoArrays:
    """Truth and answers of some classes on the test pictures; other classes are as if they were not there."""
    categories = test.categories[test.categories["name"].isin(list(names))]
    objects = test.objects[test.objects["category_id"].isin(categories["category_id"])]
    table = answers.table
    here = table["image_id"].isin(test.images["image_id"]) & table["category_id"].isin(
        categories["category_id"]
    )
    return coco_arrays(test.images, objects, categories, table[here])
