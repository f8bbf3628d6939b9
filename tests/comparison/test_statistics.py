from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.comparison.latency import measure_in_turns, rotate
from glasshouse.comparison.statistics import (
    Scored,
    check_same_pictures,
    compare_samples,
    name_score,
    read_scored,
    sample_scores,
)
from glasshouse.metrics.bootstrap import resample
from glasshouse.metrics.paired import compare_paired, mean_score

RIGHT = {"a": [1, 1, 0, 1, 1, 0, 1, 1, 1, 0], "b": [1, 0, 0, 1, 0, 0, 1, 1, 0, 0], "c": [1] * 5 + [0] * 5}


def scored(values: Any) -> Scored:
    return Scored(mean_score(np.array(values)), None, len(values))


def test_paired_bootstrap_against_a_slow_reference() -> None:
    pictures, rounds, seed = 10, 300, 5
    first = sample_scores([scored(RIGHT["a"])], rounds, seed)
    second = sample_scores([scored(RIGHT[name]) for name in "bcc"], rounds, seed)
    differences = []
    for times in resample(pictures, rounds, seed):
        drawn = [picture for picture in range(pictures) for _ in range(int(times[picture]))]
        means = {name: sum(RIGHT[name][picture] for picture in drawn) / pictures for name in RIGHT}
        differences.append(means["a"] - (means["b"] + 2 * means["c"]) / 3)
    found = compare_samples(first, second)
    assert found.value == pytest.approx(0.7 - (0.4 + 0.5 + 0.5) / 3)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])))
    assert second.of_seeds == pytest.approx((0.4, 0.5, 0.5))


def test_equal_to_the_paired_bootstrap_of_two() -> None:
    gain = compare_paired(
        scored(RIGHT["b"]).score, scored(RIGHT["a"]).score, 10, rounds=200, seed=9, confidence=0.95
    )
    found = compare_samples(*(sample_scores([scored(RIGHT[name])], 200, 9) for name in "ab"))
    assert (found.value, found.low, found.high) == pytest.approx((gain.difference, gain.low, gain.high))


@given(st.lists(st.booleans(), min_size=3, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
def test_laws_of_differences(first: list[bool], second: list[bool]) -> None:
    mine, theirs = (sample_scores([scored(values)], 50, 1) for values in (first, second[: len(first)]))
    there, back = compare_samples(mine, theirs), compare_samples(theirs, mine)
    assert there.value == -back.value
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert compare_samples(mine, mine).value == 0 and not compare_samples(mine, mine).is_sure
    assert mine.low <= mine.high


def test_interval_is_the_one_of_metrics_json(tmp_path: Path) -> None:
    """Evaluation and leaderboard must not tell two intervals of one model."""
    from glasshouse.metrics.classification import classification_scores

    labels = np.array([0, 1, 0, 1, 1, 0, 1])
    guesses = np.array([0, 1, 1, 1, 0, 0, 0])  # right or wrong otherwise from the end than from the start
    probabilities = np.eye(2)[guesses] * 0.8 + 0.1
    names = ["x", "y"]
    rows = [
        {"image_id": place, "label": names[label], "predicted": names[guess]}
        for place, (label, guess) in enumerate(zip(labels, guesses, strict=True))
    ]
    write_json(tmp_path / "reports/evaluate/test/predictions.json", rows[::-1])
    sample = sample_scores([read_scored(tmp_path, "classify")], 100, 4)
    told = classification_scores(labels, probabilities, names, bootstrap_rounds=100, seed=4)
    assert sample.score == pytest.approx(told["accuracy"])
    assert (sample.low, sample.high) == pytest.approx(told["ci95"]["accuracy"])


def test_detections_are_read_from_coco_files(tmp_path: Path) -> None:
    """One of two objects found, at IoU 1: AP is 1 up to recall 0.5, that is 51 of 101 recall points."""
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 8, 8]}
    truth = {
        "images": [{"id": 1}, {"id": 2}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{**box, "iscrowd": 0}, {**box, "image_id": 2, "iscrowd": 0}],
    }
    write_json(tmp_path / "reports/evaluate/test/ground_truth.json", truth)
    write_json(tmp_path / "reports/evaluate/test/predictions.json", [{**box, "score": 0.9}])
    found = read_scored(tmp_path, "detect")
    assert found.pictures == 2
    assert sample_scores([found], 20, 1).score == pytest.approx(51 / 101)


def test_other_pictures_are_refused() -> None:
    one, two = Scored(mean_score(np.ones(2)), [1, 2], 2), Scored(mean_score(np.ones(2)), [1, 3], 2)
    check_same_pictures([("a", one), ("b", one)])
    with pytest.raises(ValueError, match="b was tested on other pictures or labels than a"):
        check_same_pictures([("a", one), ("b", two)])


TRUTH = {
    "images": [{"id": 1}, {"id": 2}],
    "categories": [{"id": 1, "name": "a"}],
    "annotations": [
        {"image_id": number, "category_id": 1, "bbox": [0, 0, 8, 8], "iscrowd": 0} for number in (1, 2)
    ],
}


@pytest.mark.parametrize(
    "changed",
    [
        {"categories": [{"id": 1, "name": "b"}]},
        {"annotations": [*TRUTH["annotations"], TRUTH["annotations"][0]]},
        {
            "images": [{"id": 1}, {"id": 3}],
            "annotations": [TRUTH["annotations"][0], {**TRUTH["annotations"][1], "image_id": 3}],
        },
    ],
)
def test_detectors_are_of_one_test_by_pictures_objects_and_classes(changed: Any, tmp_path: Path) -> None:
    for name, truth in (("one", TRUTH), ("two", TRUTH), ("other", TRUTH | changed)):
        folder = tmp_path / name / "reports/evaluate/test"
        write_json(folder / "ground_truth.json", truth)
        write_json(folder / "predictions.json", [{**TRUTH["annotations"][0], "score": 0.9}])
    one, two, other = (read_scored(tmp_path / name, "detect") for name in ("one", "two", "other"))
    check_same_pictures([("one", one), ("two", two)])
    with pytest.raises(ValueError, match="other was tested on other pictures or labels than one"):
        check_same_pictures([("one", one), ("two", two), ("other", other)])


@pytest.mark.parametrize("changed", [{"label": "b"}, {"image_id": 9}])
def test_classifiers_are_of_one_test_by_pictures_and_labels(changed: Any, tmp_path: Path) -> None:
    rows = [{"image_id": number, "label": "a", "predicted": "a"} for number in (1, 2)]
    write_json(tmp_path / "one/reports/evaluate/test/predictions.json", rows)
    write_json(
        tmp_path / "two/reports/evaluate/test/predictions.json", [rows[1] | {"predicted": "b"}, rows[0]]
    )
    write_json(tmp_path / "other/reports/evaluate/test/predictions.json", [rows[0], rows[1] | changed])
    one, two, other = (read_scored(tmp_path / name, "classify") for name in ("one", "two", "other"))
    check_same_pictures([("one", one), ("two", two)])
    with pytest.raises(ValueError, match="other was tested on other"):
        check_same_pictures([("one", one), ("other", other)])


def test_main_scores() -> None:
    assert [name_score(task) for task in ("detect", "classify")] == ["mAP_50_95", "accuracy"]


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


class Machine:
    """A clock, and models that move it: each call takes its time, twice as long while the machine is busy."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, list[str]()

    def model(self, name: str, seconds: float) -> Any:
        def call() -> None:
            self.calls.append(name)
            self.now += seconds * (2.0 if 12 <= len(self.calls) < 22 else 1.0)

        return call


def test_a_busy_machine_is_busy_for_all() -> None:
    machine = Machine()
    models = {"a": machine.model("a", 0.003), "b": machine.model("b", 0.001)}
    found = measure_in_turns(models, rounds=20, budget_s=1e9, clock=lambda: machine.now)
    assert found == pytest.approx({"a": 3.0, "b": 1.0})
    assert "".join(machine.calls) == "aaabbb" + "abba" * 10


def test_the_budget_leaves_a_few_rounds() -> None:
    machine = Machine()
    measure_in_turns({"a": machine.model("a", 5.0)}, rounds=20, budget_s=1.0, clock=lambda: machine.now)
    assert len(machine.calls) == 3 + 5


def test_rotate() -> None:
    assert rotate(["a", "b", "c"], 4) == ["b", "c", "a"] and rotate([], 1) == []
