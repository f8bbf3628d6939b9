"""What happened in each picture: which boxes were right, wrong or missed; and which pictures to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from glasshouse.evaluation.coco_files import CocoArrays
from glasshouse.metrics.confusion import Pairs
from glasshouse.metrics.overlap import Floats, Ints

Kind = Literal["right", "wrong", "truth", "missed", "crowd"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One box to draw.

    Attributes:
        kind, text: how it is drawn, and the words at it.
        box_xywh_px: in pixels of the original picture; None = the whole picture.
        answer: class index that the network answered; None for what is the truth's.
        score: of the answer, 0..1.
    """

    kind: Kind
    text: str
    box_xywh_px: tuple[float, float, float, float] | None
    answer: int | None = None
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """One picture. `badness` sorts the worst first; 0 or less means that nothing went wrong."""

    image_id: int
    file_name: str
    badness: float
    summary: str
    marks: tuple[Mark, ...]


def detection_cases(images: pd.DataFrame, shown: CocoArrays, pairs: Pairs) -> list[Case]:
    """One case a picture, in the order of `images`.

    Args:
        images: of the split.
        shown: the split's arrays with only the detections that a user is shown.
        pairs: of `pair_boxes` on the same arrays.
    """
    predicted = _detection_marks(shown, pairs)
    true = _object_marks(shown, pairs)
    cases = []
    for image_id, file_name in images[["image_id", "file_name"]].itertuples(index=False):
        marks = [true[row] for row in np.flatnonzero(shown.objects.image_ids == image_id)]
        rows = np.flatnonzero(shown.detections.image_ids == image_id)
        marks += [predicted[row] for row in rows]
        counts = {kind: sum(mark.kind == kind for mark in marks) for kind in ("right", "wrong", "missed")}
        wrong_scores = [shown.detections.scores[row] for row in rows if predicted[row].kind == "wrong"]
        badness = counts["wrong"] + counts["missed"] + 0.5 * max(wrong_scores, default=0.0)
        summary = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no objects"
        cases.append(Case(int(image_id), str(file_name), float(badness), summary, tuple(marks)))
    return cases


def _detection_marks(shown: CocoArrays, pairs: Pairs) -> list[Mark]:
    detections, marks = shown.detections, []
    for row, (category, score) in enumerate(zip(detections.category_ids, detections.scores, strict=True)):
        text = f"{shown.categories[int(category)]} {score:.2f}"
        kind: Kind = "wrong"
        if pairs.on_crowd[row]:
            kind = "crowd"
        elif pairs.object_of[row] >= 0:
            actual = shown.objects.category_ids[pairs.object_of[row]]
            kind = "right" if actual == category else "wrong"
            text += "" if actual == category else f", is {shown.categories[int(actual)]}"
        else:
            text += ", wrong"  # in grey, as some see it and print it, its colour is that of a right one
        marks.append(Mark(kind, text, _box(detections.boxes_xywh_px[row]), int(category) - 1, float(score)))
    return marks


def _object_marks(shown: CocoArrays, pairs: Pairs) -> list[Mark]:
    objects, marks = shown.objects, []
    for row, category in enumerate(objects.category_ids):
        name = shown.categories[int(category)]
        if objects.is_crowd[row]:
            marks.append(Mark("crowd", f"crowd of {name}", _box(objects.boxes_xywh_px[row])))
        elif pairs.detection_of[row] < 0:
            marks.append(Mark("missed", f"missed {name}", _box(objects.boxes_xywh_px[row])))
        else:
            marks.append(Mark("truth", "", _box(objects.boxes_xywh_px[row])))
    return marks


def _box(box_xywh_px: Floats) -> tuple[float, float, float, float]:
    left, top, width, height = box_xywh_px.tolist()
    return left, top, width, height


def classification_cases(
    images: pd.DataFrame, labels: Ints, probabilities: Floats, names: list[str]
) -> list[Case]:
    """One case a picture, in the order of `images`; worst where the true class was given the least."""
    cases = []
    predicted = probabilities.argmax(axis=1)
    for row, (image_id, file_name) in enumerate(images[["image_id", "file_name"]].itertuples(index=False)):
        label, guess = int(labels[row]), int(predicted[row])
        is_right = label == guess
        words = f"{names[guess]} {probabilities[row, guess]:.2f}" + (
            "" if is_right else f", is {names[label]}"
        )
        badness = 0.0 if is_right else 1.0 - float(probabilities[row, label])
        score = float(probabilities[row, guess])
        mark = Mark("right" if is_right else "wrong", words, None, guess, score)
        cases.append(Case(int(image_id), str(file_name), badness, words, (mark,)))
    return cases


def choose_cases(cases: list[Case], count: int) -> tuple[list[Case], list[Case]]:
    """(worst, typical): up to half of `count` are the worst; the others spread evenly from bad to good."""
    ranked = sorted(cases, key=lambda case: (-case.badness, case.image_id))
    worst = [case for case in ranked[: (count + 1) // 2] if case.badness > 0]
    rest = ranked[len(worst) :]
    places = np.linspace(0, len(rest) - 1, min(count - len(worst), len(rest))).round().astype(int)
    return worst, [rest[place] for place in places]
