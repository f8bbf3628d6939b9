"""Holds every written format against Keras: differences, score, latency, and whether that is within
tolerance."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from glasshouse.export.difference import compare
from glasshouse.export.formats import QUANTIZED
from glasshouse.export.latency import measure_latency
from glasshouse.export.signature import Pixels, Predict, Predictions

BATCH = 8  # pictures in the second latency figure
CHUNK = 32  # pictures a call while comparing
TIMES = ("latency_ms", f"latency_batch_{BATCH}_ms")

Score = Callable[[Predict], float]
Gather = Callable[[NDArray[np.int64]], NDArray[Any]]  # rows (n,) -> those pictures (n, H, W, 3), 0..255


@dataclass(frozen=True)
class Tolerance:
    """How far a format may be from Keras.

    Attributes:
        fp32: largest difference of scores (0..1) and boxes (share of the side), and largest unpaired share.
        int8_score: largest loss of the score (mAP_50_95 or accuracy) of a quantised format.
    """

    fp32: float
    int8_score: float


def measure_parity(
    reference: Predict,
    exports: Mapping[str, Predict],
    gather: Gather,
    count: int,
    metric: str,
    score: Score,
    tolerance: Tolerance,
    latency_runs: int,
) -> pd.DataFrame:
    """One row a format.

    A float format is within tolerance where scores and boxes differ from Keras's by at most `tolerance.fp32`
    and at most that share of all score has no partner; a quantised one where it loses at most
    `tolerance.int8_score`. Where nothing could be compared, nothing is shown, and the format is not within.

    Args:
        reference: the Keras model.
        exports: format -> loaded file.
        gather: reads the pictures to compare on, never more than `CHUNK` at once.
        count: how many there are.
        metric: name of the score, mAP_50_95 or accuracy.
        score: that metric of a predictor, on pictures of the caller's choice; higher is better.
        tolerance: what decides.
        latency_runs: calls behind each median.

    Returns:
        format, max_abs_difference_scores, max_abs_difference_boxes (share of the side), unpaired (share of
        the score), compared, the metric, reference_score, tolerance, within, latency_ms (one picture),
        latency_batch_8_ms.
    """
    expected, reference_score = predict_all(reference, gather, count), score(reference)
    batch = _read(gather, np.arange(BATCH) % count)
    size_px = batch.shape[1], batch.shape[2]
    rows: list[dict[str, Any]] = []
    for name, predict in tqdm(exports.items(), desc="parity", unit="format", disable=None):
        difference = compare(expected, predict_all(predict, gather, count), size_px)
        reached = score(predict)
        judged, limit = difference.largest, tolerance.fp32
        if name in QUANTIZED:
            judged, limit = reference_score - reached, tolerance.int8_score
        rows.append(
            {
                "format": name,
                "max_abs_difference_scores": difference.scores,
                "max_abs_difference_boxes": difference.boxes,
                "unpaired": difference.unpaired,
                "compared": difference.compared,
                metric: reached,
                "reference_score": reference_score,
                "tolerance": limit,
                "within": bool(difference.compared > 0 and judged <= limit),  # a NaN is not within
                TIMES[0]: measure_latency(predict, batch[:1], latency_runs),
                TIMES[1]: measure_latency(predict, batch, latency_runs),
            }
        )
    return pd.DataFrame(rows)


def repeat_to(pixels: Pixels, count: int) -> Pixels:
    """The first `count` pictures, from the first again where there are fewer."""
    return pixels[np.arange(count) % len(pixels)]


def predict_all(predict: Predict, gather: Gather, count: int) -> Predictions:
    """Predictions for any number of pictures, read and predicted `CHUNK` at a time."""
    if count == 0:
        raise ValueError("There is no picture to compare the exported formats on.")
    rows = np.arange(count)
    parts = [predict(_read(gather, rows[start : start + CHUNK])) for start in range(0, count, CHUNK)]
    return {name: np.concatenate([part[name] for part in parts]) for name in sorted(parts[0])}


def _read(gather: Gather, rows: NDArray[np.int64]) -> Pixels:
    return np.asarray(gather(rows), np.float32)


def write_parity(frame: pd.DataFrame, paths: Mapping[str, Path], folder: Path) -> None:
    """Writes `agreement.json`, all but the times, and `parity.json`, the same with them.

    A time differs from run to run, so `parity.json` must stay out of what DVC hashes (.dvcignore names it);
    `agreement.json` has the same bytes on every run. Both carry each file's sha256, which tells whether a
    `parity.json` found beside it still fits.
    """
    hashes = {name: hash_export(path) for name, path in paths.items()}
    rows = [{**row, "sha256": hashes[row["format"]]} for row in frame.to_dict("records")]
    stable = [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
    for name, content in (("agreement.json", stable), ("parity.json", rows)):
        document = {
            row["format"]: {key: as_json(value) for key, value in row.items() if key != "format"}
            for row in content
        }
        (folder / name).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def hash_export(path: Path) -> str:
    """The sha256 of a file, or of a folder's files and their names in sorted order."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    names = sorted(each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file())
    lines = "".join(f"{hash_export(path / name)}  {name}\n" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()


def as_json(value: Any) -> Any:
    """Six significant digits are what such figures mean; what is no number becomes null."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
