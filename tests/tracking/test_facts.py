from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.export.parity import Tolerance, measure_parity, write_parity
from glasshouse.tracking.facts import judge_exports, judge_stage

PIXELS = np.linspace(0, 255, 4 * 8 * 8 * 3, dtype=np.float32).reshape(4, 8, 8, 3)


def detector(*, score: float = 0.5, shift_px: float = 0.0, found: int = 2) -> Any:
    """The same boxes in every picture."""

    def predict(pixels: Any) -> dict[str, Any]:
        count = len(pixels)
        corners = np.array([[0, 0, 4, 4], [4, 4, 8, 8]], np.float32) + np.float32(shift_px)
        return {
            "boxes": np.tile(corners, (count, 1, 1)),
            "scores": np.full((count, 2), score, np.float32),
            "labels": np.zeros((count, 2), np.int32),
            "valid": np.full(count, found, np.int32),
        }

    return predict


def judge(folder: Path, name: str, export: Any, reached: float = 0.8) -> str:
    """What is told of one format that the stage export held against Keras; Keras reaches 0.8."""
    reference = detector()
    frame = measure_parity(
        reference,
        {name: export},
        PIXELS.__getitem__,
        len(PIXELS),
        "mAP_50_95",
        lambda predict: 0.8 if predict is reference else reached,
        Tolerance(fp32=1e-3, int8_score=0.05),
        latency_runs=1,
    )
    (folder / "model").write_text("x")
    write_parity(frame, {name: folder / "model"}, folder)
    return judge_exports(folder / "agreement.json")[name]


@pytest.mark.parametrize(
    ("name", "export", "reached", "told"),
    [
        ("onnx", detector(score=0.5005), 0.8, "agrees"),
        ("onnx", detector(score=0.5625), 0.8, "differs by 0.0625 in scores (tolerance 0.001)"),
        # 0.04 of 8 px
        ("onnx", detector(shift_px=0.04), 0.8, "differs by 0.005 in boxes (tolerance 0.001)"),
        # one of two of Keras's boxes has no partner: of a score of 3 x 0.5, a third
        ("onnx", detector(found=1), 0.8, "differs by 0.333333 in unpaired detections (tolerance 0.001)"),
        ("onnx", detector(score=np.nan), 0.8, "differs without measure in scores, unpaired detections"),
        ("onnx", detector(found=0), 0.8, "was held against nothing: no picture has a detection"),
        ("litert_int8", detector(score=0.5625), 0.76, "agrees"),
        ("litert_int8", detector(score=0.5625), 0.7, "loses 0.1 of mAP_50_95 (tolerance 0.05)"),
        ("litert_int8", detector(), np.nan, "has no mAP_50_95 (tolerance 0.05)"),
    ],
)
def test_an_export_is_told_by_what_its_tolerance_limits(
    tmp_path: Path, name: str, export: Any, reached: float, told: str
) -> None:
    assert judge(tmp_path, name, export, reached).startswith(told)


FAILED = {"check": "no_leak", "status": "failed", "severity": "critical"}
PASSED = {"check": "not_dark", "status": "passed", "severity": "critical"}
WARNED = {"check": "stable", "status": "failed", "severity": "warning"}


@pytest.mark.parametrize(
    ("success", "outcomes", "told"),
    [
        (True, [PASSED], "clean"),
        (True, [PASSED, WARNED], "1 warning"),
        (True, [WARNED, WARNED], "2 warnings"),
        (False, [WARNED, FAILED, PASSED], "critical: no_leak"),
        (True, [FAILED], "critical: no_leak"),  # quality.mode is report: the pipeline went on
        (False, [PASSED], "critical: "),  # whatever it was, it is not clean
    ],
)
def test_a_stage_is_judged_by_its_worst_finding(
    success: bool, outcomes: list[dict[str, str]], told: str, tmp_path: Path
) -> None:
    findings = {"warning": outcomes.count(WARNED), "critical": outcomes.count(FAILED)}
    report = {"success": success, "outcomes": outcomes, "findings": findings}
    (tmp_path / "split.json").write_text(json.dumps(report))
    assert judge_stage(tmp_path / "split.json") == told
    assert judge_stage(tmp_path / "export.json") == "missing"
