from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glasshouse.metrics.classification import (
    accuracy,
    classification_scores,
    log_loss,
    top_k_accuracy,
)

NAMES = ["rose", "tulip", "daisy", "lily"]
Scores = Callable[[np.ndarray, np.ndarray], float]


def macro_f1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    names = [str(number) for number in range(probabilities.shape[1])]
    return float(classification_scores(labels, probabilities, names, bootstrap_rounds=0, seed=0)["macro_f1"])


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    names = [str(number) for number in range(probabilities.shape[1])]
    scores = classification_scores(labels, probabilities, names, bootstrap_rounds=0, seed=0)
    return float(scores["calibration_error"])


# name -> (function, score of the truth said with certainty, most that it can be)
TABLE: dict[str, tuple[Scores, float, float]] = {
    "accuracy": (accuracy, 1.0, 1.0),
    "top_2": (lambda labels, p: top_k_accuracy(labels, p, 2), 1.0, 1.0),
    "macro_f1": (macro_f1, 1.0, 1.0),
    "log_loss": (log_loss, 0.0, 37.0),  # -ln of float64's epsilon is 36.04
    "calibration_error": (calibration_error, 0.0, 1.0),
}


def draw(seed: int, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(4, 0.6), rows)
    labels = np.where(
        generator.random(rows) < 0.7, probabilities.argmax(axis=1), generator.integers(0, 4, rows)
    )
    return labels, probabilities


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("seed", range(3))
def test_scores_do_not_depend_on_the_order_of_rows_or_classes(name: str, seed: int) -> None:
    score, _, most = TABLE[name]
    labels, probabilities = draw(seed)
    rows = np.random.default_rng(9).permutation(len(labels))
    classes = np.array([2, 0, 3, 1])
    value = score(labels, probabilities)
    assert 0 <= value <= most
    assert score(labels[rows], probabilities[rows]) == pytest.approx(value)
    assert score(classes.argsort()[labels], probabilities[:, classes]) == pytest.approx(value)
    assert score(np.tile(labels, 2), np.tile(probabilities, (2, 1))) == pytest.approx(value)


@pytest.mark.parametrize("name", TABLE)
def test_the_truth_said_with_certainty_is_perfect(name: str) -> None:
    score, perfect, _ = TABLE[name]
    labels, _ = draw(0)
    assert score(labels, np.eye(4)[labels]) == pytest.approx(perfect, abs=1e-12)


def test_scores_of_three_pictures_by_hand() -> None:
    labels = np.array([0, 0, 1])
    probabilities = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.6, 0.3, 0.0], [0.2, 0.5, 0.3, 0.0]])
    scores = classification_scores(labels, probabilities, NAMES, bootstrap_rounds=0, seed=0)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["top_3_accuracy"] == 1.0
    # rose: 1 hit of 2, predicted once; tulip: 1 hit of 1, predicted twice: both F1 = 2 / 3; others unknown.
    assert scores["macro_f1"] == pytest.approx(2 / 3)
    assert scores["per_class"]["rose"] == pytest.approx(
        {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "ground_truth": 2, "predictions": 1}
    )
    assert all(math.isnan(scores["per_class"]["lily"][name]) for name in ("precision", "recall", "f1"))
    assert scores["log_loss"] == pytest.approx(-(math.log(0.7) + math.log(0.1) + math.log(0.5)) / 3)
    # Confidences 0.7 (right), 0.6 (wrong), 0.5 (right) fall in three bins: (0.3 + 0.6 + 0.5) / 3.
    assert scores["calibration_error"] == pytest.approx(1.4 / 3)


@pytest.mark.parametrize(("classes", "told"), [(2, []), (3, []), (4, [3]), (5, [3]), (6, [3, 5])])
def test_a_score_that_is_always_one_is_left_out(classes: int, told: list[int]) -> None:
    names = [str(number) for number in range(classes)]
    scores = classification_scores(
        np.zeros(1, dtype=np.int64), np.eye(classes)[:1], names, bootstrap_rounds=0, seed=0
    )
    assert [key for key in scores if key.startswith("top")] == [f"top_{k}_accuracy" for k in told]


def test_calibration_error_equals_a_plain_loop() -> None:
    labels, probabilities = draw(5, rows=300)
    total = 0.0
    for low in range(15):
        inside = [row for row in range(300) if low / 15 < probabilities[row].max() <= (low + 1) / 15]
        if inside:
            right = np.mean([probabilities[row].argmax() == labels[row] for row in inside])
            total += len(inside) / 300 * abs(right - np.mean([probabilities[row].max() for row in inside]))
    assert calibration_error(labels, probabilities) == pytest.approx(total)


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_scikit_learn(seed: int) -> None:
    oracle: Any = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, probabilities = draw(seed)
    labels[:2], probabilities[0] = [0, 3], [0.0, 0.97, 0.02, 0.01]  # one sure mistake
    scores = classification_scores(labels, probabilities, NAMES, bootstrap_rounds=0, seed=0)
    guessed = probabilities.argmax(axis=1)
    assert scores["accuracy"] == pytest.approx(oracle.accuracy_score(labels, guessed))
    assert scores["macro_f1"] == pytest.approx(oracle.f1_score(labels, guessed, average="macro"))
    assert scores["log_loss"] == pytest.approx(oracle.log_loss(labels, probabilities, labels=range(4)))
    assert scores["top_3_accuracy"] == pytest.approx(
        oracle.top_k_accuracy_score(labels, probabilities, k=3, labels=range(4))
    )
    expected = oracle.precision_recall_fscore_support(labels, guessed, labels=range(4), zero_division=np.nan)
    for place, key in enumerate(("precision", "recall", "f1", "ground_truth")):
        assert [row[key] for row in scores["per_class"].values()] == pytest.approx(
            list(expected[place]), nan_ok=True
        )


def test_intervals_equal_scoring_every_resampling_anew() -> None:
    from glasshouse.metrics.bootstrap import interval, resample

    labels, probabilities = draw(1, rows=40)
    rows = [np.repeat(np.arange(40), counts.astype(int)) for counts in resample(40, 100, seed=2)]
    found = classification_scores(labels, probabilities, NAMES, bootstrap_rounds=100, seed=2)["ci95"]
    for name, score in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        expected = interval(np.array([score(labels[drawn], probabilities[drawn]) for drawn in rows]))
        assert found[name] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([0, 4], np.full((2, 4), 0.25), r"lie within 0\.\.3"),
        ([0], np.full((2, 4), 0.25), r"Got \(1,\) and \(2, 4\)"),
        ([0, 1], np.full((2, 4), 0.3), "sum to 1"),
        ([0, 1], np.array([[0.25] * 4, [np.nan, 0, 0, 1]]), "row 1"),
        ([], np.zeros((0, 4)), "N > 0"),
    ],
)
def test_faulty_predictions_are_refused(labels: list[int], probabilities: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        classification_scores(
            np.array(labels, dtype=np.int64), probabilities, NAMES, bootstrap_rounds=0, seed=0
        )
