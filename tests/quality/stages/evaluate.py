"""Sound tables of evaluate; for each check an edit that it alone must notice."""

import pandas as pd

LIMITS = {"min_score": 0.02}


def make_tables():
    """Three valid and two test pictures of 64 x 48, an object each and a crowd, a prediction each."""
    splits = ["valid"] * 3 + ["test"] * 2
    scores = {
        "mAP_50_95": 0.5,
        "mAP_50_95_ci95_low": 0.4,
        "mAP_50_95_ci95_high": 0.6,
        "log_loss": 2.3,
        "AR_1": None,
    }
    rows = [(split, metric, value) for split in ("valid", "test") for metric, value in scores.items()]
    classes = [(split, name, "AP_50_95", 0.5) for split in ("valid", "test") for name in ("rose", "tulip")]
    images = pd.DataFrame({"split": splits, "image_id": range(1, 6), "width_px": 64, "height_px": 48})
    objects = pd.DataFrame(
        {"split": [*splits, "test"], "image_id": [1, 2, 3, 4, 5, 5], "is_crowd": [False] * 5 + [True]}
    )
    box = {"x_min_px": 4.0, "y_min_px": 5.0, "x_max_px": 20.0, "y_max_px": 30.0}
    counts = {
        "split": ["valid", "test"],
        "pictures": [3, 2],
        "ground_truth_objects": [3, 2],
        "predictions": [3, 2],
    }
    return {
        "metrics": pd.DataFrame(rows, columns=["split", "metric", "value"]),
        "counts": pd.DataFrame(counts),
        "per_class": pd.DataFrame(classes, columns=["split", "name", "metric", "value"]),
        "prepared_images": images,
        "prepared_objects": objects,
        "predictions": images[["split", "image_id"]].assign(category_id=1, score=0.75, **box),
    }


BREAKS = {
    "metric_once": [("double", "metrics", 4)],
    "metrics_in_range": [("put", "metrics", 4, "value", 1.5)],
    "metrics_finite": [("put", "metrics", 3, "value", float("inf"))],
    "class_scores_in_range": [("put", "per_class", 0, "value", 1.5)],
    "main_metric_defined": [("put", "metrics", 0, "value", None)],
    "score_high_enough": [("put", "metrics", 5, "value", 0.01), ("put", "metrics", 6, "value", 0.0)],
    "class_in_both_splits": [("remove", "per_class", 3)],
    "class_scored": [("put", "per_class", 3, "value", None)],
    "has_intervals": [("put", "metrics", row, "metric", f"other_{row}") for row in (1, 2, 6, 7)],
    "value_above_low": [("put", "metrics", 1, "value", 0.55)],
    "value_below_high": [("put", "metrics", 2, "value", 0.45)],
    "split_counted": [("remove", "counts", 0)],
    "pictures_as_manifest": [("put", "counts", 0, "pictures", 2)],
    "objects_as_manifest": [("put", "counts", 1, "ground_truth_objects", 3)],
    "predictions_as_table": [("put", "counts", 1, "predictions", 3)],
    "prediction_score_in_range": [("put", "predictions", 0, "score", 1.5)],
    "prediction_has_picture": [("put", "predictions", 0, "image_id", 99)],
    "prediction_in_its_split": [("put", "predictions", 0, "image_id", 4)],
    "prediction_inside_picture": [("put", "predictions", 0, "x_max_px", 64.5)],
    "prediction_ordered_x": [("put", "predictions", 0, "x_max_px", 3.0)],
    "prediction_ordered_y": [("put", "predictions", 0, "y_max_px", 4.0)],
}
COMPANIONS = {}
