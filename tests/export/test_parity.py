from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glasshouse.export import parity
from glasshouse.export.latency import WARM_UP, measure_latency
from glasshouse.export.parity import (
    BATCH,
    CHUNK,
    TIMES,
    Tolerance,
    as_json,
    hash_export,
    measure_parity,
    predict_all,
    repeat_to,
    write_parity,
)

PIXELS = np.linspace(0, 255, 5 * 8 * 8 * 3, dtype=np.float32).reshape(5, 8, 8, 3)
TOLERANCE = Tolerance(fp32=1e-3, int8_score=0.05)


def predictor(offset: float) -> Any:
    """A classifier of two classes whose first probability is off by `offset`."""

    def predict(pixels: Any) -> dict[str, Any]:
        share = pixels.mean(axis=(1, 2, 3)) / 255 + offset
        return {"probabilities": np.stack([share, 1 - share], 1).astype(np.float32)}

    return predict


def mean_first(predict: Any) -> float:
    return float(predict(PIXELS)["probabilities"][:, 0].mean())


def measure(exports: dict[str, Any]) -> pd.DataFrame:
    pictures = PIXELS.__getitem__, len(PIXELS)
    return measure_parity(
        predictor(0.0), exports, *pictures, "accuracy", mean_first, TOLERANCE, latency_runs=2
    )


def test_float_is_judged_by_difference_and_eight_bits_by_score() -> None:
    frame = measure(
        {
            "onnx": predictor(5e-4),
            "litert": predictor(-2e-3),
            "litert_int8": predictor(-0.04),
            "saved_model": predictor(np.nan),
        }
    ).set_index("format")
    assert frame["within"].to_dict() == {
        "onnx": True,
        "litert": False,
        "litert_int8": True,
        "saved_model": False,
    }
    assert frame["max_abs_difference_scores"]["litert"] == pytest.approx(2e-3, rel=1e-3)
    assert frame["reference_score"].to_list() == pytest.approx([0.5] * 4)
    assert frame["accuracy"]["litert_int8"] == pytest.approx(0.46)
    assert frame["tolerance"].to_list() == [1e-3, 1e-3, 0.05, 1e-3]
    assert (frame[list(TIMES)] > 0).all(axis=None)
    assert frame["within"].dtype == bool


def test_eight_bits_that_lose_too_much_or_give_nan_are_out() -> None:
    for offset in (-0.06, np.nan):
        assert not measure({"litert_int8": predictor(offset)})["within"][0]


def test_eight_bits_may_gain() -> None:
    assert measure({"litert_int8": predictor(0.06)})["within"][0]


def test_one_picture_and_a_batch_of_eight_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five pictures there are: the first of them come again."""
    timed = []
    monkeypatch.setattr(
        parity, "measure_latency", lambda _, pixels, runs: timed.append(pixels) or len(pixels)
    )
    frame = measure({"onnx": predictor(0.0)})
    assert [frame[name][0] for name in TIMES] == [1, BATCH]
    np.testing.assert_array_equal(timed[1], PIXELS[[0, 1, 2, 3, 4, 0, 1, 2]])


def test_pictures_are_repeated_from_the_first() -> None:
    assert repeat_to(np.arange(3), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert repeat_to(np.arange(3), 2).tolist() == [0, 1]


def test_figures_have_six_digits() -> None:
    values = (0.123456789, 1234567.8, float("nan"), float("-inf"), True, 3, "agrees")
    assert [as_json(value) for value in values] == [0.123457, 1234570.0, None, None, True, 3, "agrees"]


def test_nothing_compared_is_not_within() -> None:
    def empty(pixels: Any) -> dict[str, Any]:
        count = len(pixels)
        return {
            "boxes": np.zeros((count, 3, 4), np.float32),
            "scores": np.zeros((count, 3), np.float32),
            "labels": np.full((count, 3), -1, np.int32),
            "valid": np.zeros(count, np.int32),
        }

    frame = measure_parity(
        empty,
        {"onnx": empty},
        PIXELS.__getitem__,
        len(PIXELS),
        "mAP_50_95",
        lambda _: 0.0,
        TOLERANCE,
        latency_runs=1,
    )
    assert frame["compared"][0] == 0
    assert not frame["within"][0]


def one_box(right_px: float, down_px: float) -> Any:
    """A detector that finds one box, moved by so much, in the first picture of a batch and none in others."""

    def predict(pixels: Any) -> dict[str, Any]:
        there = np.arange(len(pixels)) == 0
        box = np.add([[2.0, 2, 10, 6]], [right_px, down_px] * 2)
        return {
            "boxes": np.where(there[:, None, None], box, 0).astype(np.float32),
            "scores": np.where(there, 0.9, 0.0).astype(np.float32)[:, None],
            "labels": np.where(there, 0, -1).astype(np.int32)[:, None],
            "valid": there.astype(np.int32),
        }

    return predict


@pytest.mark.parametrize(
    ("right_px", "down_px", "share"), [(0.3, 0.05, 0.3 / 16), (0.1, 0.2, 0.2 / 8), (0, 0, 0)]
)
def test_boxes_differ_by_shares_of_the_side_that_they_move_along(
    right_px: float, down_px: float, share: float
) -> None:
    """Pictures of 8 x 16 px. One detection is enough to compare."""
    pictures = np.zeros((3, 8, 16, 3), np.float32)
    frame = measure_parity(
        one_box(0, 0),
        {"onnx": one_box(right_px, down_px)},
        pictures.__getitem__,
        len(pictures),
        "mAP_50_95",
        lambda _: 1.0,
        TOLERANCE,
        latency_runs=1,
    )
    assert frame["max_abs_difference_boxes"][0] == pytest.approx(share, rel=1e-5)
    assert (frame["compared"][0], frame["unpaired"][0], bool(frame["within"][0])) == (1, 0, share == 0)


def test_predictions_are_joined_over_chunks() -> None:
    sizes = []

    def predict(pixels: Any) -> dict[str, Any]:
        sizes.append(len(pixels))
        return {"probabilities": pixels[:, 0, 0, :1]}

    pixels = np.arange(2 * CHUNK + 3, dtype=np.float32).reshape(-1, 1, 1, 1)
    found = predict_all(predict, pixels.__getitem__, len(pixels))
    np.testing.assert_array_equal(found["probabilities"][:, 0], pixels.ravel())
    assert sizes == [CHUNK, CHUNK, 3]
    with pytest.raises(ValueError, match="no picture"):
        predict_all(predict, pixels.__getitem__, 0)


def test_a_large_split_is_never_in_memory_as_a_whole() -> None:
    pixels, asked = np.zeros((3 * CHUNK + 1, 4, 4, 3), np.uint8), []

    def gather(rows: Any) -> Any:
        asked.append(len(rows))
        return pixels[rows]

    def predict(given: Any) -> dict[str, Any]:
        assert given.dtype == np.float32
        return {"probabilities": given[:, 0, 0]}

    frame = measure_parity(
        predict, {"onnx": predict}, gather, len(pixels), "accuracy", lambda _: 1.0, TOLERANCE, latency_runs=1
    )
    assert (frame["compared"][0], max(asked)) == (len(pixels), CHUNK)


def test_files_hold_the_figures_and_only_one_holds_times(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    agreements = []
    for _ in range(2):
        frame = measure({"onnx": predictor(5e-4), "litert": predictor(np.nan)})
        paths = {"onnx": tmp_path / "model.onnx", "litert": tmp_path / "model.onnx"}
        write_parity(frame, paths, tmp_path)
        agreements.append((tmp_path / "agreement.json").read_bytes())
    assert agreements[0] == agreements[1]
    agreement, parity = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("agreement", "parity")
    )
    assert set(parity["onnx"]) - set(agreement["onnx"]) == set(TIMES)
    assert {**parity["onnx"], **agreement["onnx"]} == parity["onnx"]
    assert parity["litert"]["max_abs_difference_scores"] is None
    assert (parity["onnx"]["within"], parity["litert"]["within"]) == (True, False)
    assert parity["onnx"]["latency_ms"] > 0
    assert agreement["onnx"]["sha256"] == hashlib.sha256(b"onnx").hexdigest()
    assert list(agreement) == ["onnx", "litert"] and "format" not in agreement["onnx"]


def test_a_folder_is_known_by_its_files_and_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {"a.pb": b"graph", "b/c.data": b"weights", "b/a.index": b""}
    for name, content in contents.items():
        path = tmp_path / "one" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lines = [f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents)]
    whole = hash_export(tmp_path / "one")
    assert whole == hashlib.sha256("".join(lines).encode()).hexdigest()
    rglob = Path.rglob
    for backwards in (False, True):  # as the file system likes
        monkeypatch.setattr(Path, "rglob", lambda *a, b=backwards: iter(sorted(rglob(*a), reverse=b)))
        assert hash_export(tmp_path / "one") == whole
    (tmp_path / "one/a.pb").rename(tmp_path / "one/z.pb")
    assert hash_export(tmp_path / "one") != whole


def test_latency_is_the_median_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of 1, 8, 2 s after those that warm it up, of 100 s each."""
    seconds = iter([100.0] * WARM_UP + [1.0, 8.0, 2.0])
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def predict(_: Any) -> dict[str, Any]:
        clock[0] += next(seconds)
        return {}

    assert measure_latency(predict, PIXELS, runs=3) == 2000.0


def test_latency_counts_its_calls() -> None:
    calls = []
    assert measure_latency(lambda pixels: calls.append(len(pixels)) or {}, PIXELS, runs=4) >= 0
    assert calls == [5] * (WARM_UP + 4)
    with pytest.raises(ValueError, match="latency_runs"):
        measure_latency(predictor(0.0), PIXELS, runs=0)
