"""Sound tables of train_head, and for each check an edit that it alone must notice."""

import pandas as pd

LIMITS = {"max_final_loss_ratio": 0.95}


def make_tables():
    """Three epochs, validated after the first and the last; a kernel, its bias, a moving mean."""
    history = {
        "epoch": [1, 2, 3],
        "loss": [3.0, 2.0, 1.5],
        "loss_box": [1.0, 0.5, 0.4],
        "valid_mAP_50": [0.1, None, 0.3],
    }
    weights = {"name": ["a/kernel", "a/bias", "b/moving_mean"], "size": [72, 8, 8], "non_finite": 0}
    scores = {"model": ["baseline", "head"], "split": "valid", "metric": "mAP_50_95", "value": [0.05, 0.3]}
    return {
        "history": pd.DataFrame(history),
        "weights": pd.DataFrame({**weights, "mean_abs": [0.1, 0.0, 0.2]}),
        "scores": pd.DataFrame(scores),
    }


BREAKS = {
    "epochs_contiguous": [("put", "history", 2, "epoch", 4)],
    "curves_filled": [("put", "history", 1, "loss_box", float("nan"))],
    "curves_finite": [("put", "history", 1, "loss_box", float("inf"))],
    "valid_scores_in_range": [("put", "history", 2, "valid_mAP_50", 1.5)],
    "weight_name_unique": [("put", "weights", 1, "name", "b/moving_mean")],
    "weights_not_empty": [("put", "weights", 1, "size", 0)],
    "weights_finite": [("put", "weights", 1, "non_finite", 3)],
    "kernels_alive": [("put", "weights", 0, "mean_abs", 0.0)],
    "scores_in_range": [("put", "scores", 1, "value", 1.5)],
    "score_once": [("double", "scores", 1)],
    "models_known": [("put", "scores", 1, "model", "stranger")],
    "loss_fell": [("put", "history", 2, "loss", 2.9)],
    "head_beats_baseline": [("put", "scores", 0, "value", 0.3)],
}
COMPANIONS = {}
