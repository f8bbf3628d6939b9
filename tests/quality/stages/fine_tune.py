"""Sound tables of fine_tune, and for each check an edit that it alone must notice."""

import pandas as pd

LIMITS = {"max_final_loss_ratio": 1.0, "max_valid_drop": 0.02}


def make_tables():
    """Two epochs; fine-tuning gained, so it is what was kept."""
    history = {"epoch": [1, 2], "loss": [1.0, 0.9], "loss_box": [0.5, 0.4], "valid_mAP_50_95": [0.2, 0.4]}
    weights = {"name": ["a/kernel", "a/bias"], "size": [72, 8], "non_finite": 0, "mean_abs": [0.1, 0.2]}
    models = ["baseline", "head", "fine_tuned", "kept"]
    scores = {"model": models, "split": "valid", "metric": "mAP_50_95", "value": [0.05, 0.3, 0.4, 0.4]}
    return {
        "history": pd.DataFrame(history),
        "weights": pd.DataFrame(weights),
        "scores": pd.DataFrame(scores),
    }


BREAKS = {
    "epochs_contiguous": [("put", "history", 1, "epoch", 1)],
    "curves_filled": [("put", "history", 1, "loss_box", float("nan"))],
    "curves_finite": [("put", "history", 1, "loss_box", float("-inf"))],
    "valid_scores_in_range": [("put", "history", 1, "valid_mAP_50_95", -0.1)],
    "weight_name_unique": [("put", "weights", 1, "name", "a/kernel")],
    "weights_not_empty": [("put", "weights", 1, "size", 0)],
    "weights_finite": [("put", "weights", 1, "non_finite", 1)],
    "kernels_alive": [("put", "weights", 0, "mean_abs", 0.0)],
    "scores_in_range": [("put", "scores", 0, "value", -0.1)],
    "score_once": [("double", "scores", 1)],
    "models_known": [
        ("add", "scores", {"model": "stranger", "split": "valid", "metric": "mAP_50_95", "value": 0.1})
    ],
    "validated": [("drop", "history", "valid_mAP_50_95")],
    "main_metric_scored": [("fill", "scores", "metric", "f1")],
    "head_scored": [("remove", "scores", 1)],
    "fine_tuned_scored": [("remove", "scores", 2)],
    "kept_scored": [("remove", "scores", 3)],
    "baseline_scored": [("remove", "scores", 0)],
    "kept_not_worse_than_head": [("put", "scores", 3, "value", 0.27)],
    "fine_tuning_lost_little": [("put", "scores", 2, "value", 0.27), ("put", "scores", 3, "value", 0.3)],
    "loss_fell": [("put", "history", 1, "loss", 1.1)],
    "head_beats_baseline": [("put", "scores", 0, "value", 0.3)],
    "kept_beats_baseline": [("put", "scores", 0, "value", 0.4)],
}
COMPANIONS = {"kept_beats_baseline": {"head_beats_baseline"}}
