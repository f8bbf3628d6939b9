"""Scores of finished trainings on the same test pictures, and which differences are more than chance.

Every training is scored on the same resamplings of the pictures (paired bootstrap, `metrics/paired.py`), so
that what the drawn pictures have in common drops out of a difference. Several seeds of a backbone count as
their mean.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glasshouse.evaluation.coco_files import read_coco_files
from glasshouse.evaluation.validate import MAIN_SCORE
from glasshouse.metrics.bootstrap import interval, resample, scores_of_rounds
from glasshouse.metrics.matching import match_detections
from glasshouse.metrics.overlap import Floats
from glasshouse.metrics.paired import Score, mean_score, precision_score

TEST = Path("reports/evaluate/test")


@dataclass(frozen=True)
class Scored:
    """One training's test score as a function of how often each picture counts.

    Args:
        score: see `metrics.paired.Score`.
        truth: the pictures with what is true of them, by which trainings are held to be of one test split.
        pictures: how many.
    """

    score: Score
    truth: Any
    pictures: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The test score of one backbone, mean over its seeds.

    Args:
        score: on all pictures.
        low, high: ends of its 95 % interval.
        rounds: (R,) scores on the resamplings.
        of_seeds: score of each seed.
    """

    score: float
    low: float
    high: float
    rounds: Floats
    of_seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def read_scored(folder: Path, task: str) -> Scored:
    """The main score of a task (detect, localize, classify) on what the evaluate stage wrote of the test."""
    if task == "classify":
        rows = json.loads((folder / TEST / "predictions.json").read_text(encoding="utf-8"))
        rows.sort(key=lambda row: row["image_id"])
        right = np.array([row["predicted"] == row["label"] for row in rows])
        return Scored(mean_score(right), [(row["image_id"], row["label"]) for row in rows], len(rows))
    arrays = read_coco_files(folder / TEST)
    ids = np.array(sorted(arrays.categories), dtype=np.int64)
    matches = match_detections(arrays.objects, arrays.detections, arrays.picture_ids, ids)
    truth = [arrays.picture_ids.tolist(), matches.truth_counts.tolist(), arrays.categories]
    return Scored(precision_score(matches), truth, len(matches.picture_ids))


def sample_scores(trainings: Sequence[Scored], rounds: int, seed: int) -> Sample:
    """The mean score of several trainings of one backbone.

    With one training these are the very figures of its metrics.json, if rounds and seed are the same.

    Args:
        trainings: at least one, all of the same pictures.
        rounds: resamplings; the same number and `seed` for all that is to be compared.
        seed: of the resampling.
    """
    pictures = trainings[0].pictures
    weights, once = resample(pictures, rounds, seed), np.ones((1, pictures))
    drawn = np.mean([scores_of_rounds(each.score, weights) for each in trainings], axis=0)
    of_seeds = tuple(float(each.score(once)[0]) for each in trainings)
    return Sample(float(np.mean(of_seeds)), *interval(drawn), drawn, of_seeds)


def compare_samples(first: Sample, second: Sample) -> Difference:
    """First minus second on the same resamplings."""
    return Difference(first.score - second.score, *interval(first.rounds - second.rounds))


def check_same_pictures(trainings: Sequence[tuple[str, Scored]]) -> None:
    """Raise ValueError naming the first training that was tested on something else than the first one."""
    for name, scored in trainings[1:]:
        if scored.truth != trainings[0][1].truth:
            raise ValueError(
                f"{name} was tested on other pictures or labels than {trainings[0][0]}: their scores say "
                "nothing of each other. Leave the data alone while a comparison runs, and start it again."
            )


def name_score(task: str) -> str:
    """The score by which models of a task are compared, as metrics.json calls it."""
    return MAIN_SCORE[task]
