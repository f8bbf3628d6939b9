"""The exported formats: all there, and as good as the network that they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, equal, filled, unique
from glasshouse.quality.learning import MAIN_METRICS

TABLES = (
    Table("formats", columns("text", "format")),
    Table(
        "parity",
        (
            *columns("text", "format"),
            *columns("number", "max_abs_difference_scores", "max_abs_difference_boxes", nullable=True),
            *columns("number", "reference_score", "latency_ms", "tolerance"),
            *columns("flag", "within"),
        ),
        remedy="The format was not compared with Keras in full: run export again and read what it says.",
    ),
)
_OUTPUTS = ("max_abs_difference_scores", "max_abs_difference_boxes")
_OTHERS = ("unpaired", "compared", "score")  # looked at where the stage tells them


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Each configured format with its comparison, judged a second time, and its time beside the fastest."""
    parity, formats = tables["parity"], tables["formats"]
    told = parity.reindex(columns=[*parity, *(name for name in _OTHERS if name not in parity)])
    judged = told.assign(score=_score(told)).astype(dict.fromkeys((*_OUTPUTS, *_OTHERS), "float64"))
    judged["excess"] = _measure(judged) - judged["tolerance"]
    judged["within_by_numbers"] = (judged["excess"] <= 0) & (judged["compared"].fillna(1) > 0)
    judged["latency_ratio"] = (
        judged["latency_ms"] / judged["latency_ms"].where(judged["latency_ms"] > 0).min()
    )
    wanted = formats.merge(parity[["format"]].drop_duplicates().assign(made="yes"), on="format", how="left")
    return {"wanted": wanted, "judged": judged}


def _score(parity: pd.DataFrame) -> pd.Series[float]:
    """The main score under whichever name the stage gives it."""
    named = parity.reindex(columns=["score", *MAIN_METRICS]).astype("float64")
    return named.bfill(axis=1)["score"]


def _measure(judged: pd.DataFrame) -> pd.Series[float]:
    """What the tolerance limits: for int8 the score lost, for others the largest difference of an output.

    The boxes of a classifier may be null; scores never.
    """
    others = judged[["max_abs_difference_boxes", "unpaired"]].fillna(0.0)
    largest = pd.concat([judged["max_abs_difference_scores"], others], axis=1).max(axis=1, skipna=False)
    lost = judged["reference_score"] - judged["score"]
    return lost.where(judged["format"].str.endswith("_int8"), largest)


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of the exports, with the limits of `quality.export`."""
    return (*_presence_checks(), *_parity_checks(), *_latency_checks(thresholds))


def _presence_checks() -> tuple[Check, ...]:
    return (
        Check(
            "format_made",
            "wanted",
            filled("made"),
            "The format is in export.formats and was not exported or not compared: run export and "
            "read what it says.",
            rows=("format",),
        ),
        Check(
            "format_once", "parity", unique("format"), "A format was compared twice.", rows=("latency_ms",)
        ),
    )


def _parity_checks() -> tuple[Check, ...]:
    row = ("format", *_OUTPUTS, "score", "reference_score", "tolerance")
    return (
        Check(
            "score_compared",
            "judged",
            filled("score"),
            f"Each format needs {' or '.join(MAIN_METRICS)}, taken on the same pictures as the reference.",
            rows=("format",),
        ),
        Check(
            "scores_in_range",
            "judged",
            between("score", low=0, high=1),
            "A score lies in 0..1: the comparison is at fault.",
            rows=("format",),
        ),
        Check(
            "outputs_compared",
            "judged",
            filled("excess"),
            "Neither scores nor boxes were compared with Keras's: an export that nobody has looked at.",
            rows=row,
        ),
        Check(
            "differences_not_negative",
            "judged",
            between("max_abs_difference_scores", low=0),
            "A largest absolute difference is not negative: the comparison is at fault.",
            rows=("format",),
        ),
        Check(
            "within_tolerance",
            "judged",
            between("excess", high=0),
            "The export answers otherwise than Keras does: leave the format out of export.formats, or raise "
            "export.tolerance_fp32 or export.tolerance_int8_map knowingly.",
            rows=row,
        ),
        Check(
            "within_as_said",
            "judged",
            equal("within", "within_by_numbers"),
            "What parity.json says of the format and what its numbers say differ.",
            rows=row,
        ),
    )


def _latency_checks(thresholds: Any) -> tuple[Check, ...]:
    return (
        Check(
            "latency_measured",
            "parity",
            between("latency_ms", low=0, high=1e9, strict=True),
            "The time of a prediction is above 0 and finite: measure it again.",
            rows=("format",),
        ),
        Check(
            "latency_ratio",
            "judged",
            between("latency_ratio", high=thresholds.max_latency_ratio),
            "The format is far slower than the fastest: was it quantized or traced for another "
            "machine? The limit is "
            "quality.export.max_latency_ratio.",
            "warning",
            rows=("format", "latency_ms"),
            timed=True,
        ),
    )
