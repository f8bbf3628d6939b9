"""What both trainings hand over, and the checks that both put to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.quality.checking.checks import Check, Severity, Table, columns
from glasshouse.quality.checking.expect import between, equal, filled, one_of, unique

MAIN_METRICS = ("mAP_50_95", "accuracy")  # by which models are compared: detect and localize, classify
MODELS = ("baseline", "head", "fine_tuned", "kept")
LARGEST = 1e30  # beyond it single precision is about to overflow: no loss is meant to be there

HISTORY = Table(
    "history",
    (*columns("integer", "epoch"), *columns("number", "loss")),
    remedy="A loss that is not a number: the training diverged. Lower learning_rate, or clip_norm.",
)
WEIGHTS = Table(
    "weights",
    (
        *columns("text", "name"),
        *columns("integer", "size", "non_finite"),
        *columns("number", "mean_abs", nullable=True),
    ),
)
SCORES = (*columns("text", "model", "split", "metric"), *columns("number", "value"))


def summarize_weights(weights: Iterable[tuple[str, NDArray[Any]]]) -> pd.DataFrame:
    """The table `weights`: one row an array; mean_abs is null where a value is not finite."""
    rows = [
        {
            "name": name,
            "size": array.size,
            "non_finite": int(array.size - np.isfinite(array).sum()),
            "mean_abs": float(np.abs(array, dtype=np.float64).mean()) if array.size else float("nan"),
        }
        for name, array in weights
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in WEIGHTS.columns])
    return frame.assign(mean_abs=frame["mean_abs"].where(frame["non_finite"] == 0))


def derive_curves(history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Frames of a history: `epochs` (as counted), `curves` (one row an epoch and number), `valid_scores`."""
    numbers = history.select_dtypes("number").columns.drop("epoch")
    curves = history.melt("epoch", list(numbers), var_name="curve").astype(
        {"curve": "str", "value": "float64"}
    )
    is_valid = curves["curve"].str.startswith("valid_")
    is_score = is_valid & ~curves["curve"].str.contains("loss")
    # Validation may skip epochs; what is trained on has a number in each.
    due = curves[~is_valid | curves["value"].notna()]
    counted = pd.DataFrame({"epoch": history["epoch"], "place": range(1, len(history) + 1)})
    return {"epochs": counted, "curves": due, "valid_scores": curves[is_score & curves["value"].notna()]}


def measure_descent(history: pd.DataFrame) -> pd.DataFrame:
    """One row: how many epochs, the first and the last loss, and their ratio; null for one epoch."""
    losses = history.sort_values("epoch")["loss"]
    first, last = losses.iloc[0], losses.iloc[-1]
    ratio = last / first if len(losses) > 1 and first > 0 else float("nan")
    return pd.DataFrame(
        {"epochs": [len(losses)], "first_loss": [first], "last_loss": [last], "ratio": [ratio]}
    )


def descent_check(limit: float, remedy: str, severity: Severity = "critical") -> Check:
    """The check of `descent`, the frame of `measure_descent`."""
    rows = ("epochs", "first_loss", "last_loss")
    return Check("loss_fell", "descent", between("ratio", high=limit), remedy, severity, rows)


def compare_models(scores: pd.DataFrame) -> pd.DataFrame:
    """One row for the main metric on valid: the value of each of `MODELS`, null where there is none.

    A localiser has both; the first of `MAIN_METRICS` that is there is the one it is judged by.
    """
    valid = scores[scores["split"] == "valid"]
    found = [metric for metric in MAIN_METRICS if (valid["metric"] == metric).any()]
    main = valid[valid["metric"].isin(found[:1])]
    table = main.pivot_table(index="metric", columns="model", values="value", aggfunc="last")
    return table.reindex(columns=list(MODELS)).astype("float64").reset_index()


def history_checks() -> tuple[Check, ...]:
    """The checks of the frames of `derive_curves`."""
    point = ("epoch", "curve")
    return (
        Check(
            "epochs_contiguous",
            "epochs",
            equal("epoch", "place"),
            "Epochs run 1, 2, 3: the history of a resumed training has a gap or a double. Delete its "
            "checkpoint.",
            rows=("epoch", "place"),
        ),
        Check(
            "curves_filled",
            "curves",
            filled("value"),
            "A term of the loss is not a number: the training diverged. Lower learning_rate, or clip_norm.",
            rows=point,
        ),
        Check(
            "curves_finite",
            "curves",
            between("value", low=-LARGEST, high=LARGEST),
            "The training diverged: lower learning_rate, or clip_norm.",
            rows=point,
        ),
        Check(
            "valid_scores_in_range",
            "valid_scores",
            between("value", low=0, high=1),
            "A score lies in 0..1: the metric is at fault.",
            rows=point,
        ),
    )


def weight_checks() -> tuple[Check, ...]:
    """The checks of `weights`."""
    return (
        Check(
            "weight_name_unique",
            "weights",
            unique("name"),
            "Two weights share one name: name the layers apart, or one is lost when they are saved by name.",
            rows=("name", "size"),
        ),
        Check(
            "weights_not_empty",
            "weights",
            between("size", low=1),
            "A weight without a value: a layer was built for no channels.",
            rows=("name",),
        ),
        Check(
            "weights_finite",
            "weights",
            between("non_finite", high=0),
            "Weights are infinite or not numbers: the training diverged. Lower learning_rate, or clip_norm.",
            rows=("name", "size"),
        ),
        Check(
            "kernels_alive",
            "kernels",
            between("mean_abs", low=0, strict=True),
            "All weights of this kernel are 0, so nothing passes: was it loaded from an empty file?",
            rows=("name", "size"),
        ),
    )


def derive_kernels(weights: pd.DataFrame) -> pd.DataFrame:
    """The weights that multiply: biases and the shifts of batch normalization may well be 0."""
    return weights[weights["name"].astype("str").str.endswith("kernel")]


def score_checks() -> tuple[Check, ...]:
    """The checks of `scores`, wherever a model is compared with the trivial one."""
    return (
        Check(
            "scores_in_range",
            "scores",
            between("value", low=0, high=1),
            "A score lies in 0..1: the metric is at fault.",
            rows=("model", "split", "metric"),
        ),
        Check(
            "score_once",
            "scores",
            unique("model", "split", "metric"),
            "The same score stands twice: which one counts?",
            rows=("model", "split", "metric"),
        ),
        Check(
            "models_known",
            "scores",
            one_of("model", MODELS),
            f"A score belongs to one of {', '.join(MODELS)}.",
            rows=("model", "split", "metric"),
        ),
    )
