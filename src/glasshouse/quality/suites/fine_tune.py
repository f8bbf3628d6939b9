"""The fine-tuned network: sound, and not worse than the frozen head that it started from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.checking.checks import Check, Table
from glasshouse.quality.checking.expect import between, filled, greater, row_count
from glasshouse.quality.learning import (
    HISTORY,
    MAIN_METRICS,
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

TABLES = (HISTORY, WEIGHTS, Table("scores", SCORES))


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The curves, the kernels, and the models side by side on the main metric."""
    comparison = compare_models(tables["scores"])
    comparison["lost"] = (comparison["head"] - comparison["fine_tuned"]).clip(lower=0.0)
    return {
        **derive_curves(tables["history"]),
        "kernels": derive_kernels(tables["weights"]),
        "descent": measure_descent(tables["history"]),
        "comparison": comparison,
    }


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of the fine-tuning, with the limits of `quality.fine_tune`."""
    return (
        *history_checks(),
        *weight_checks(),
        *score_checks(),
        descent_check(
            thresholds.max_final_loss_ratio,
            "Fine-tuning did not lower the loss: lower fine_tune.learning_rate, or unfreeze less. The limit "
            "is quality.fine_tune.max_final_loss_ratio.",
            "warning",
        ),
        *_comparison_checks(thresholds),
    )


def _comparison_checks(thresholds: Any) -> tuple[Check, ...]:
    missing = "The stage must score this model on valid by the main metric."
    models = ("metric", "head", "fine_tuned", "kept", "baseline")
    return (
        Check(
            "validated",
            "valid_scores",
            row_count(1),
            "No epoch was validated, so nothing tells whether the training generalizes: is the valid "
            "split empty?",
            "warning",
        ),
        Check(
            "main_metric_scored",
            "comparison",
            row_count(1, 1),
            f"The models must be compared on valid by one of {', '.join(MAIN_METRICS)}.",
        ),
        Check("head_scored", "comparison", filled("head"), missing, rows=models),
        Check("fine_tuned_scored", "comparison", filled("fine_tuned"), missing, rows=models),
        Check("kept_scored", "comparison", filled("kept"), missing, rows=models),
        Check("baseline_scored", "comparison", filled("baseline"), missing, "warning", rows=models),
        Check(
            "kept_not_worse_than_head",
            "comparison",
            greater("kept", "head", or_equal=True),
            "Fine-tuning made the network worse and the worse one was kept: run fine_tune again.",
            rows=models,
        ),
        Check(
            "fine_tuning_lost_little",
            "comparison",
            between("lost", high=thresholds.max_valid_drop),
            "Fine-tuning made the network worse, and the network with the frozen head was kept in its place: "
            "lower fine_tune.learning_rate, or unfreeze less. The limit is quality.fine_tune.max_valid_drop.",
            "warning",
            rows=models,
        ),
        Check(
            "head_beats_baseline",
            "comparison",
            greater("head", "baseline"),
            "The head that fine-tuning started from is no better than the trivial model: train it longer "
            "(train_head.epochs), or look at the labels.",
            "warning",
            rows=models,
        ),
        Check(
            "kept_beats_baseline",
            "comparison",
            greater("kept", "baseline"),
            "The network is no better than the trivial model: train longer, or look at the labels.",
            "warning",
            rows=models,
        ),
    )
