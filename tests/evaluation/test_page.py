"""What the page says in words and counts."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.evaluation.page import (
    class_outcomes,
    class_rows,
    error_rows,
    found_words,
    gain_words,
    mix_ups,
    precision_recall_chart,
)
from glasshouse.evaluation.report import write_report
from glasshouse.evaluation.results import SplitResult, SplitTables, evaluate_split

Tables = Callable[..., SplitTables]


def test_outcomes_are_counted_by_class_and_told_in_the_verdict(tables: Tables, classified: Tables) -> None:
    def outcomes_of(result: SplitResult) -> list[list[int]]:
        keys = ("found", "confused", "missed", "false")
        return [[outcome[key] for key in keys] for outcome in class_outcomes(result)]

    settings: dict[str, Any] = {"gallery_score": 0.3, "bootstrap_rounds": 0, "seed": 0}
    # (actual, predicted) of rose 0, tulip 1, daisy 2, background 3.
    pairs = np.array(
        [(0, 0), (0, 0), (0, 1), (0, 3), (1, 1), (1, 3), (1, 3), (2, 0)] + [(3, 0)] * 3 + [(3, 2)]
    )
    detected = evaluate_split("detect", tables(1), **settings)
    detected = replace(detected, actual=pairs[:, 0], predicted=pairs[:, 1])
    assert outcomes_of(detected) == [[2, 1, 1, 3], [1, 0, 2, 0], [0, 1, 0, 1]]
    assert found_words(detected, "detect") == (
        "3 of 8 objects found, 2 taken for another class, 3 missed, 4 boxes too many"
    )
    answered = evaluate_split("classify", classified(1), **settings)
    answered = replace(answered, actual=np.array([0, 0, 1, 2]), predicted=np.array([0, 1, 1, 0]))
    assert outcomes_of(answered) == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    assert found_words(answered, "classify") == "2 of 4 pictures right, 2 taken for another class"


def test_the_weakest_class_comes_first_with_its_own_counts() -> None:
    levels = {"rose": 0.9, "new": None, "tulip": 0.1, "daisy": 0.1}
    per_class = {name: {"precision": 0.5, "f1": level} for name, level in levels.items()}
    rows = class_rows(per_class, [{"found": number} for number in range(4)], "f1")
    assert [(name, outcome["found"]) for name, _, outcome in rows] == [
        ("tulip", 2), ("daisy", 3), ("rose", 0), ("new", 1)
    ]  # fmt: skip
    assert all(scores is per_class[name] for name, scores, _ in rows)


def test_a_gain_has_one_sign_or_is_a_dash() -> None:
    words = [gain_words(value) for value in (None, float("-0.0"), -1e-17, 0.25)]
    assert words == ["-", "+0.000", "+0.000", "+0.250"]


def test_a_model_without_mistakes_mixes_nothing_up(classified: Tables) -> None:
    result = evaluate_split("classify", classified(1), gallery_score=0.3, bootstrap_rounds=0, seed=0)
    pairs = np.array([(0, 0), (0, 1), (0, 1), (1, 2), (2, 2), (2, 2), (2, 0)])
    mixed = mix_ups(replace(result, actual=pairs[:, 0], predicted=pairs[:, 1]))
    assert [tuple(row.values()) for row in mixed] == [
        ("rose", "tulip", 2, 2 / 3),
        ("tulip", "daisy", 1, 1.0),
        ("daisy", "rose", 1, 1 / 3),
    ]
    assert mix_ups(replace(result, actual=pairs[:, 0], predicted=pairs[:, 0])) == []


def test_the_costliest_kind_of_error_comes_first_and_of_equal_ones_the_most_frequent() -> None:
    found = {"localisation": (5, 0.01), "both": (9, 0.0), "background": (1, 0.2), "missed": (40, 0.0)}
    errors = {kind: {"count": count, "gain_mAP_50": gain} for kind, (count, gain) in found.items()}
    assert [row["kind"] for row in error_rows(errors)] == ["background", "localisation", "missed", "both"]
    unknown = {kind: row | {"gain_mAP_50": None} for kind, row in errors.items()}
    assert [row["count"] for row in error_rows(unknown)] == [40, 9, 5, 1]


def test_the_curves_are_those_of_the_weakest_classes(tables: Tables) -> None:
    result = evaluate_split("detect", tables(1), gallery_score=0.3, bootstrap_rounds=0, seed=0)
    levels = np.array([0.5, 0.2, np.nan, 0.9, 0.1, 0.8, 0.3, 0.4, 0.6, 0.7])  # the third has no objects
    names = [f"{level:.1f}" for level in levels]
    chart = precision_recall_chart(
        replace(result, names=names, precision=np.repeat(levels[:, None], 101, axis=1))
    )
    assert chart is not None
    shown = [name for name, _ in chart.lines]
    assert shown == ["all classes", "0.5", "0.2", "0.1", "0.3", "0.4", "0.6", "0.7"]
    assert chart.title == "Precision and recall at IoU 0.5, the 7 weakest classes"
    assert precision_recall_chart(replace(result, precision=np.full((3, 101), np.nan))) is None


def test_the_score_is_computed_again_as_the_page_says(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pycocotools")
    metrics = write_report(
        tmp_path,
        "detect",
        {"test": tables(2)},
        {},
        lambda _: np.zeros((150, 200, 3), np.uint8),
        model={},
        gallery_score=0.3,
        gallery_pictures=0,
        bootstrap_rounds=0,
        seed=0,
    )
    lines = re.findall(r"<pre>(.*?)</pre>", (tmp_path / "index.html").read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    exec(html.unescape(lines[0]), found)
    assert found["score"].stats[:2].tolist() == pytest.approx(
        [metrics["test"][key] for key in ("mAP_50_95", "mAP_50")]
    )
