"""What a network says of one picture, in the picture's own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.boxes import are_valid, clip_boxes
from glasshouse.inputs.recipe import Recipe
from glasshouse.inputs.resize import Transform

BOX_DIGITS, SCORE_DIGITS = 3, 6  # of what is written


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was found in one picture, best first.

    Attributes:
        boxes_xyxy_px: (N, 4) float64 in the upright picture, cut at its edges; None from a classifier.
        scores: (N,) float64, 0..1, falling.
        labels: (N,) int64, class index.
        names: N class names.
        size: (height, width) of the upright picture.
    """

    boxes_xyxy_px: NDArray[np.float64] | None
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.scores)

    def list_objects(self) -> list[dict[str, Any]]:
        """One dictionary each: `label`, `score`, and `box_xyxy_px` where there are boxes; rounded."""
        rows: list[dict[str, Any]] = [
            {"label": name, "score": round(float(score), SCORE_DIGITS)}
            for name, score in zip(self.names, self.scores, strict=True)
        ]
        if self.boxes_xyxy_px is not None:
            for row, box in zip(rows, self.boxes_xyxy_px, strict=True):
                row["box_xyxy_px"] = [round(float(side), BOX_DIGITS) for side in box]
        return rows


def read_answer(
    answer: dict[str, NDArray[Any]], recipe: Recipe, transform: Transform, size: tuple[int, int], score: float
) -> Prediction:
    """The network's answer for one prepared picture as a Prediction.

    Args:
        answer: one row of the network's outputs.
        recipe: the network's.
        transform: how the picture was prepared.
        size: (height, width) of the upright picture.
        score: what scores less is left out; of a classifier's classes the best one stays in any case.

    Raises:
        ValueError: the network answered with numbers that are not finite, or with classes that the recipe
            does not name.
    """
    if "probabilities" in answer:
        return _read_classes(answer["probabilities"].astype(np.float64), recipe, size, score)
    there = answer["labels"] >= 0
    scores, labels = answer["scores"][there].astype(np.float64), answer["labels"][there].astype(np.int64)
    prepared = answer["boxes"][there].astype(np.float64)
    _demand_finite(scores, prepared)
    boxes = clip_boxes(transform.inverse(prepared), *size)
    # A box that lies in the padding alone has no place in the picture.
    kept = np.flatnonzero((scores >= score) & are_valid(boxes))
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    if labels.size:
        _demand_names(int(labels.max()) + 1, recipe)
    names = tuple(recipe.labels[label] for label in labels[kept])
    return Prediction(boxes[kept].astype(np.float64), scores[kept], labels[kept], names, size)


def _read_classes(
    scores: NDArray[np.float64], recipe: Recipe, size: tuple[int, int], score: float
) -> Prediction:
    _demand_finite(scores)
    _demand_names(len(scores), recipe)
    order = np.argsort(-scores, kind="stable")
    labels = order[: max(1, int(np.count_nonzero(scores >= score)))].astype(np.int64)
    return Prediction(None, scores[labels], labels, tuple(recipe.labels[label] for label in labels), size)


def _demand_finite(*arrays: NDArray[np.float64]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("the network answered with numbers that are not finite: its weights are damaged.")


def _demand_names(classes: int, recipe: Recipe) -> None:
    if classes > len(recipe.labels):
        raise ValueError(
            f"the network knows {classes} classes or more, and its file names {len(recipe.labels)} "
            f"({', '.join(recipe.labels)[:200]}): export it again, `dvc repro export`."
        )
