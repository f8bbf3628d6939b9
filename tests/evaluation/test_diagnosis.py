from __future__ import annotations

import numpy as np
import pytest

from glasshouse.evaluation.coco_files import CocoArrays
from glasshouse.evaluation.diagnosis import (
    Certainty,
    calibrate,
    class_certainty,
    detection_certainty,
    diagnose_detections,
    reliability_chart,
    threshold_chart,
)
from glasshouse.evaluation.figures import Line, line_chart
from glasshouse.metrics.calibration import score_logits
from glasshouse.metrics.curves import ThresholdCurve, threshold_curve
from glasshouse.metrics.matching import Matches, match_detections
from glasshouse.metrics.overlap import Detections, Objects


def two_boxes() -> tuple[CocoArrays, Matches]:
    """One picture, two objects of class 1: one found at 0.9, a box over nothing at 0.8, one missed."""
    ones = np.ones(2, dtype=np.int64)
    true = np.array([[0.0, 0, 10, 10], [50, 50, 10, 10]])
    found = np.array([[0.0, 0, 10, 10], [90, 90, 10, 10]])
    objects = Objects(ones, ones, true, np.zeros(2, dtype=bool))
    detections = Detections(ones, ones, np.array([0.9, 0.8]), found)
    pictures = np.array([1])
    arrays = CocoArrays(objects, detections, pictures, {1: "rose"})
    return arrays, match_detections(objects, detections, pictures, np.array([1]))


def test_the_blocks_by_hand() -> None:
    blocks = diagnose_detections(*two_boxes())
    assert blocks["pascal"]["mAP_11_point"] == pytest.approx(
        6 / 11
    )  # 0 .. 0.5 of the points reach precision 1
    assert blocks["pascal"]["mAP_all_point"] == pytest.approx(0.5)
    assert blocks["best_f1"] == {"threshold": 0.9, "f1": pytest.approx(2 / 3)}  # 2 * 1 / (1 shown + 2)
    assert blocks["errors"]["background"]["count"] == blocks["errors"]["missed"]["count"] == 1
    # Without the missed object the one that is left is found first: AP 1, up from 51/101.
    assert blocks["errors"]["missed"]["gain_mAP_50"] == pytest.approx(1 - 51 / 101)
    assert blocks["errors"]["background"]["gain_mAP_50"] == pytest.approx(0)


def test_a_detectors_certainty() -> None:
    confidence, correct = detection_certainty(two_boxes()[1]).read()
    assert confidence.tolist() == pytest.approx([0.9, 0.8])
    assert correct.tolist() == [True, False]


def test_scores_of_several_classes_keep_their_answers() -> None:
    # Class 1 finds its object at 0.9; class 2 has a box over nothing at 0.8 and finds its object at 0.7.
    ids, classes = np.ones(3, dtype=np.int64), np.array([1, 2, 2])
    boxes = np.array([[0.0, 0, 10, 10], [50, 0, 10, 10], [90, 0, 10, 10]])
    objects = Objects(ids[:2], classes[:2], boxes[:2], np.zeros(2, dtype=bool))
    found = Detections(ids, classes, np.array([0.9, 0.7, 0.8]), boxes)
    matches = match_detections(objects, found, np.array([1]), np.array([1, 2]))
    confidence, correct = detection_certainty(matches).read()
    answers = sorted(zip(confidence.round(6).tolist(), correct.tolist(), strict=True))
    assert answers == [(0.7, True), (0.8, False), (0.9, True)]


def test_a_classifiers_certainty() -> None:
    certainty = class_certainty(np.array([0, 0]), np.array([[0.7, 0.3], [0.2, 0.8]]))
    confidence, correct = certainty.read()
    assert confidence.tolist() == pytest.approx([0.7, 0.8])
    assert correct.tolist() == [True, False]
    # Temperature 2: sqrt(0.8) / (sqrt(0.8) + sqrt(0.2)) = 2 / 3.
    assert certainty.read(2.0)[0][1] == pytest.approx(2 / 3)


def make_certainty(seed: int, sharpness: float, count: int = 4000) -> Certainty:
    """Scores that are right as often as they say at sharpness 1, and too sure above."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0.05, 0.95, count)
    logits = score_logits(true) * sharpness
    labels = (rng.random(count) < true).astype(np.int64)
    return Certainty(np.stack([np.zeros(count), logits], axis=1), labels, True)


def test_the_temperature_comes_from_the_first_split_alone() -> None:
    found = calibrate({"valid": make_certainty(0, 3.0), "test": make_certainty(1, 3.0)})
    assert found["test"].temperature == found["valid"].temperature == pytest.approx(3.0, rel=0.1)
    assert found["test"].scores()["fitted_on"] == "valid"
    assert found["test"].plain.error > 0.1 > 0.03 > found["test"].scaled.error
    other = calibrate({"valid": make_certainty(0, 3.0), "test": make_certainty(1, 1.0)})
    assert other["test"].temperature == found["test"].temperature
    assert other["test"].scaled.error > other["test"].plain.error  # and may do harm where they differ


def test_rows_leave_empty_bins_out() -> None:
    certainty = Certainty(np.array([[0.0, 2.0]]), np.array([1]), True)
    calibration = calibrate({"valid": certainty})["valid"]
    plain, scaled = calibration.rows(False), calibration.rows(True)
    assert len(plain) == len(scaled) == 1 and plain != scaled
    assert all(row["count"] == 1 and row["accuracy"] == 1.0 for row in plain + scaled)


def test_nothing_found_is_not_calibrated() -> None:
    nothing = Certainty(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), True)
    assert calibrate({"valid": nothing, "test": make_certainty(0, 1.0)}) == {}


def test_charts() -> None:
    chart = threshold_chart(threshold_curve(two_boxes()[1]), "title")
    assert chart is not None and [name for name, _ in chart.lines] == ["F1", "precision", "recall"]
    assert chart.rulers[0][1] == "F1 0.667 at 0.90"
    assert "chosen on these very pictures" in chart.note
    calibration = calibrate({"valid": make_certainty(0, 2.0)})["valid"]
    warmth = f"at temperature {calibration.temperature:.2f}"
    diagram = reliability_chart(calibration)
    assert [name for name, _ in diagram.lines] == ["as it should be", "as they are", warmth]
    assert diagram.title.endswith(warmth) and diagram.note.endswith("fitted on the split valid.")
    nothing = np.zeros(0)
    assert threshold_chart(ThresholdCurve(nothing, nothing, nothing, nothing), "title") is None


def test_charts_show_their_figures_from_nothing_to_one() -> None:
    curve = threshold_curve(two_boxes()[1])
    chart = threshold_chart(curve, "title")
    assert chart is not None
    values = zip(curve.f1, curve.precision, curve.recall, strict=True)
    rows = list(zip(curve.thresholds.tolist(), values, strict=True))
    assert len(rows) == 2
    series = [tuple((x, float(row[place])) for x, row in rows) for place in range(3)]
    assert [path for _, path in chart.lines] == draw(*series)

    calibration = calibrate({"valid": make_certainty(0, 2.0)})["valid"]
    plain, scaled = (
        tuple((row["confidence"], row["accuracy"]) for row in calibration.rows(with_temperature))
        for with_temperature in (False, True)
    )
    diagram = reliability_chart(calibration)
    assert diagram is not None and plain != scaled
    assert [path for _, path in diagram.lines] == draw(((0.0, 0.0), (1.0, 1.0)), plain, scaled)


def draw(*series: tuple[tuple[float, float], ...]) -> list[str]:
    lines = [Line("", points) for points in series]
    return [path for _, path in line_chart(lines, "", "", "", unit_square=True).lines]
