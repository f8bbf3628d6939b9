"""The exported formats: all there, and as good as the network that they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from glasshouse.quality.checks import Check, Column, Table
from glasshouse.quality.learning import MAIN_METRICS

TABLES = (
    Table("formats", (Column("format", "text"),)),
    Table(
        "parity",
        (
            Column("format", "text"),
            Column("max_abs_difference_scores", "number", nullable=True),
            Column("max_abs_difference_boxes", "number", nullable=True),
            Column("reference_score", "number"),
            Column("latency_ms", "number"),
            Column("tolerance", "number"),
            Column("within", "flag"),
        ),
        remedy="The format was not compared with Keras in full: run export again and read what it says.",
    ),
)
_DIFFERENCES = ["max_abs_difference_scores", "max_abs_difference_boxes"]


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Each configured format beside its comparison, judged a second time, and its time beside the fastest."""
    parity, formats = tables["parity"], tables["formats"]
    present = [metric for metric in MAIN_METRICS if metric in parity]
    score = parity[present].bfill(axis=1).iloc[:, 0] if present else pd.Series(np.nan, parity.index)
    judged = parity.assign(score=score.astype("float64"))
    judged["latency_ratio"] = (
        judged["latency_ms"] / judged["latency_ms"].where(judged["latency_ms"] > 0).min()
    )
    judged["excess"] = _measure(judged) - judged["tolerance"]
    judged["within_by_numbers"] = judged["excess"] <= 0
    wanted = formats.merge(parity[["format"]].drop_duplicates().assign(made="yes"), on="format", how="left")
    return {"wanted": wanted, "judged": judged}


def _measure(judged: pd.DataFrame) -> pd.Series[float]:
    """What the tolerance limits: the score lost for int8, the largest difference of an output for the others."""
    largest = judged[_DIFFERENCES].astype("float64").max(axis=1)
    lost = judged["reference_score"] - judged["score"]
    return lost.where(judged["format"].str.endswith("_int8"), largest)


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of the exports, with the limits of `quality.export`."""
    return (*_presence_checks(), *_parity_checks(), *_latency_checks(thresholds))


def _presence_checks() -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    unique = gxe.ExpectColumnValuesToBeUnique
    return (
        Check(
            "format_made",
            "wanted",
            gxe.ExpectColumnValuesToNotBeNull(column="made"),
            "The format is in export.formats and was not exported or not compared: run export and read what it says.",
            rows=("format",),
        ),
        Check(
            "format_once",
            "parity",
            unique(column="format"),
            "A format was compared twice.",
            rows=("latency_ms",),
        ),
    )


def _parity_checks() -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    between, row = (
        gxe.ExpectColumnValuesToBeBetween,
        ("format", *_DIFFERENCES, "score", "reference_score", "tolerance"),
    )
    return (
        Check(
            "score_compared",
            "judged",
            gxe.ExpectColumnValuesToNotBeNull(column="score"),
            f"Each format needs {' or '.join(MAIN_METRICS)}, taken on the same pictures as the reference.",
            rows=("format",),
        ),
        Check(
            "scores_in_range",
            "judged",
            between(column="score", min_value=0, max_value=1),
            "A score lies in 0..1: the comparison is at fault.",
            rows=("format",),
        ),
        Check(
            "outputs_compared",
            "judged",
            gxe.ExpectColumnValuesToNotBeNull(column="excess"),
            "Neither scores nor boxes were compared with Keras's: an export that nobody has looked at.",
            rows=row,
        ),
        Check(
            "differences_not_negative",
            "judged",
            between(column="max_abs_difference_scores", min_value=0),
            "A largest absolute difference is not negative: the comparison is at fault.",
            rows=("format",),
        ),
        Check(
            "within_tolerance",
            "judged",
            between(column="excess", max_value=0),
            "The export answers otherwise than Keras does: leave the format out of export.formats, or raise "
            "export.tolerance_fp32 or export.tolerance_int8_map knowingly.",
            rows=row,
        ),
        Check(
            "within_as_said",
            "judged",
            gxe.ExpectColumnPairValuesToBeEqual(column_A="within", column_B="within_by_numbers"),
            "What parity.json says of the format and what its numbers say differ.",
            rows=row,
        ),
    )


def _latency_checks(thresholds: Any) -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    between = gxe.ExpectColumnValuesToBeBetween
    return (
        Check(
            "latency_measured",
            "parity",
            between(column="latency_ms", min_value=0, strict_min=True, max_value=1e9),
            "The time of a prediction is above 0 and finite: measure it again.",
            rows=("format",),
        ),
        Check(
            "latency_ratio",
            "judged",
            between(column="latency_ratio", max_value=thresholds.max_latency_ratio),
            "The format is far slower than the fastest: was it quantized or traced for another machine? The limit is "
            "quality.export.max_latency_ratio.",
            "warning",
            rows=("format", "latency_ms"),
        ),
    )
