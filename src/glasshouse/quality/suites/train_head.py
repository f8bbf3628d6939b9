"""The head on the frozen backbone: losses finite and falling, weights sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.checking.checks import Check, Table
from glasshouse.quality.checking.expect import greater
from glasshouse.quality.learning import (
    HISTORY,
    SCORES,
    WEIGHTS,
    compare_models,
    derive_curves,
    derive_kernels,
    descent_check,
    history_checks,
    measure_descent,
    score_checks,
    weight_checks,
)

TABLES = (HISTORY, WEIGHTS, Table("scores", SCORES, min_rows=0, optional=True))


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The curves, the kernels, how far the loss fell, and the head beside the trivial baseline."""
    history = tables["history"]
    return {
        **derive_curves(history),
        "kernels": derive_kernels(tables["weights"]),
        "descent": measure_descent(history),
        "comparison": compare_models(tables["scores"]),
    }


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of the head's training, with the limits of `quality.train_head`."""
    return (
        *history_checks(),
        *weight_checks(),
        *score_checks(),
        descent_check(
            thresholds.max_final_loss_ratio,
            "Nothing was learned: more epochs, another train_head.learning_rate, or look whether boxes and "
            "pictures belong together. The limit is quality.train_head.max_final_loss_ratio.",
        ),
        Check(
            "head_beats_baseline",
            "comparison",
            greater("head", "baseline"),
            "The head is no better than the trivial model: train longer, or look at the labels.",
            "warning",
            rows=("metric", "head", "baseline"),
        ),
    )
