"""The scores: in range, between their limits, of all pictures and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.boxes import BOX, CORNERS, ROUNDING_PX, measure_boxes
from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, equal, filled, greater, row_count, unique
from glasshouse.quality.learning import MAIN_METRICS

SPLITS = ("valid", "test")
UNBOUNDED = ("log_loss",)  # metrics that may exceed 1
COUNTS = {"pictures": "pictures", "ground_truth": "ground_truth_objects", "predictions": "predictions"}
LOW, HIGH = "_ci95_low", "_ci95_high"

TABLES = (
    Table("metrics", (*columns("text", "split", "metric"), *columns("number", "value", nullable=True))),
    Table(
        "counts",
        (*columns("text", "split"), *columns("integer", "pictures", "ground_truth_objects", "predictions")),
    ),
    Table(
        "per_class", (*columns("text", "split", "name", "metric"), *columns("number", "value", nullable=True))
    ),
    Table(
        "prepared_images",
        (*columns("text", "split"), *columns("integer", "image_id", "width_px", "height_px")),
    ),
    Table(
        "prepared_objects",
        (*columns("text", "split"), *columns("integer", "image_id"), *columns("flag", "is_crowd")),
        min_rows=0,
    ),
    Table(
        "objects", (*columns("integer", "image_id"), *columns("flag", "is_crowd")), min_rows=0, optional=True
    ),
    Table(
        "predictions",
        (
            *columns("text", "split"),
            *columns("integer", "image_id", "category_id"),
            *columns("number", "score"),
            *BOX,
        ),
        min_rows=0,
        remedy=(
            "A predicted box or score is not a number: the network's weights or its decoding are at fault."
        ),
    ),
)


def flatten_metrics(report: Mapping[str, Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """The tables `metrics`, `counts` and `per_class` of what stands in reports/evaluate/metrics.json.

    Args:
        report: for each split its scores, `per_class` (name -> scores) and `ci95` (metric -> low, high); None
            or NaN is a score that is not defined, as the precision of a class that is nowhere.
    """
    metrics = [
        {"split": split, "metric": metric, "value": value}
        for split, scores in report.items()
        for metric, value in {**_own_scores(scores), **_limits_by_name(scores["ci95"])}.items()
    ]
    counts = [{"split": split, **{name: int(scores.get(key, 0)) for key, name in COUNTS.items()}}
              for split, scores in report.items()]  # fmt: skip
    per_class = [
        {"split": split, "name": name, "metric": metric, "value": value}
        for split, scores in report.items()
        for name, own in scores["per_class"].items()
        for metric, value in _own_scores(own).items()
    ]
    number = {"value": "float64"}
    return {
        "metrics": pd.DataFrame(metrics, columns=["split", "metric", "value"]).astype(number),
        "counts": pd.DataFrame(counts, columns=["split", *COUNTS.values()]),
        "per_class": pd.DataFrame(per_class, columns=["split", "name", "metric", "value"]).astype(number),
    }


def _own_scores(scores: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: value for name, value in scores.items() if name not in COUNTS and _is_number(value)}


def _limits_by_name(ci95: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    lows = {f"{metric}{LOW}": pair[0] for metric, pair in ci95.items()}
    return {**lows, **{f"{metric}{HIGH}": pair[1] for metric, pair in ci95.items()}}


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Bounded scores, intervals beside their points, splits counted twice, predicted boxes measured."""
    metrics = tables["metrics"]
    bounded = metrics[~metrics["metric"].isin(UNBOUNDED)]
    images = tables["prepared_images"]
    return {
        "bounded": bounded[bounded["value"].notna()],
        "intervals": _intervals(metrics),
        "main_scores": _main_scores(metrics),
        "splits": _splits(tables),
        "class_scores": _class_scores(tables["per_class"]),
        "predicted": _predicted(tables["predictions"], images),
    }


def _intervals(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row a score that has an interval: split, metric, value, low, high."""
    once = metrics.drop_duplicates(["split", "metric"])
    lows, highs = (_limits(once, end, name) for end, name in ((LOW, "low"), (HIGH, "high")))
    return once.merge(lows, on=["split", "metric"]).merge(highs, on=["split", "metric"], how="left")


def _limits(metrics: pd.DataFrame, end: str, name: str) -> pd.DataFrame:
    limits = metrics[metrics["metric"].str.endswith(end)].rename(columns={"value": name})
    return limits.assign(metric=limits["metric"].str.removesuffix(end))


def _main_scores(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row a split that must be scored: its main metric, null where there is none."""
    main = metrics[metrics["metric"].isin(MAIN_METRICS)].drop_duplicates("split").set_index("split")
    scores = pd.DataFrame({"split": list(SPLITS)}).join(main, on="split")
    return scores.assign(test_value=scores["value"].where(scores["split"] == "test"))


def _splits(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a split: what was counted when it was scored, beside the manifest; objects if it detects."""
    counts = tables["counts"].drop_duplicates("split").set_index("split")
    splits = pd.DataFrame({"split": list(SPLITS)}).join(counts, on="split")
    manifest = {
        "pictures": tables["prepared_images"],
        "objects": _truth(tables),
        "boxes": tables["predictions"],
    }
    for name, table in manifest.items():
        splits[f"manifest_{name}"] = splits["split"].map(table["split"].value_counts()).fillna(0)
    detects = pd.Series(bool((tables["metrics"]["metric"] == "mAP_50_95").any()), splits.index)
    boxes = ["manifest_objects", "manifest_boxes"]
    return splits.assign(**{name: splits[name].where(detects) for name in boxes})


def _truth(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The objects that count in the scored pictures: the raw ones where the stage hands them over.

    Prepared pictures have lost what was cropped away, which the score still counts as missed.
    """
    raw, images = tables["objects"], tables["prepared_images"]
    own = raw.merge(images[["image_id", "split"]], on="image_id") if len(raw) else tables["prepared_objects"]
    return own[~own["is_crowd"].astype(bool)]


def _class_scores(per_class: pd.DataFrame) -> pd.DataFrame:
    """One row a class that is named anywhere and a split: how many of its scores are defined."""
    defined = per_class.assign(defined=per_class["value"].notna()).groupby(["split", "name"])["defined"].sum()
    wanted = pd.MultiIndex.from_product([SPLITS, sorted(per_class["name"].unique())], names=["split", "name"])
    return defined.reindex(wanted).reset_index()


def _predicted(predictions: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    pictures = images.rename(columns={"split": "picture_split"})
    boxes = measure_boxes(predictions, pictures)
    splits = pictures.drop_duplicates("image_id").set_index("image_id")["picture_split"]
    return boxes.assign(picture_split=boxes["image_id"].map(splits))


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of the scores, with the limits of `quality.evaluate`."""
    return (
        *_score_checks(thresholds),
        *_class_checks(),
        *_interval_checks(),
        *_count_checks(),
        *_prediction_checks(),
    )


def _score_checks(thresholds: Any) -> tuple[Check, ...]:
    row = ("split", "metric")
    return (
        Check(
            "metric_once",
            "metrics",
            unique("split", "metric"),
            "The same score stands twice: which one counts?",
            rows=row,
        ),
        Check(
            "metrics_in_range",
            "bounded",
            between("value", low=0, high=1),
            f"A score lies in 0..1 ({', '.join(UNBOUNDED)} apart): the metric is at fault.",
            rows=row,
        ),
        Check(
            "metrics_finite",
            "metrics",
            between("value", low=0, high=1e30),
            "The number is negative or infinite: the metric is at fault.",
            rows=row,
        ),
        Check(
            "class_scores_in_range",
            "per_class",
            between("value", low=0, high=1),
            "A score lies in 0..1: the metric is at fault.",
            rows=("split", "name", "metric"),
        ),
        Check(
            "main_metric_defined",
            "main_scores",
            filled("value"),
            f"Each of {', '.join(SPLITS)} needs one of {', '.join(MAIN_METRICS)}: has the split any labels?",
            rows=("split",),
        ),
        Check(
            "score_high_enough",
            "main_scores",
            between("test_value", low=thresholds.min_score),
            "The network has learned next to nothing: train longer, or look at pictures and labels. "
            "The limit is "
            "quality.evaluate.min_score.",
            "warning",
            rows=row,
        ),
    )


def _class_checks() -> tuple[Check, ...]:
    return (
        Check(
            "class_in_both_splits",
            "class_scores",
            filled("defined"),
            "The class is scored on one split and not named on the other: the splits were scored by "
            "different classes.",
            rows=("split", "name"),
        ),
        Check(
            "class_scored",
            "class_scores",
            between("defined", low=1),
            "No score of this class is defined here: the split has no picture of it.",
            "warning",
            rows=("split", "name"),
        ),
    )


def _interval_checks() -> tuple[Check, ...]:
    row = ("split", "metric", "low", "value", "high")
    # A percentile bootstrap does not promise to hold the score: with a few pictures a class resampling lifts
    # mAP and lowers macro F1, since a class is drawn twice or not at all.
    remedy = (
        "The score lies outside its own interval, as happens with few pictures a class: read the interval as "
        "how sure the score is, not as where it lies, or label more pictures."
    )
    return (
        Check(
            "has_intervals",
            "intervals",
            row_count(1),
            "Scores without an interval cannot be compared: raise evaluate.bootstrap_rounds.",
            "warning",
        ),
        Check("value_above_low", "intervals", greater("value", "low", or_equal=True), remedy, "warning", row),
        Check(
            "value_below_high", "intervals", greater("high", "value", or_equal=True), remedy, "warning", row
        ),
    )


def _count_checks() -> tuple[Check, ...]:
    again = "Run evaluate again; if it stays, pictures are lost on the way."
    return (
        Check(
            "split_counted",
            "splits",
            filled("pictures"),
            f"Both {' and '.join(SPLITS)} must be scored.",
            rows=("split",),
        ),
        Check(
            "pictures_as_manifest", "splits", equal("pictures", "manifest_pictures"), again, rows=("split",)
        ),
        Check(
            "objects_as_manifest",
            "splits",
            equal("ground_truth_objects", "manifest_objects"),
            again,
            rows=("split",),
        ),
        Check(
            "predictions_as_table",
            "splits",
            equal("predictions", "manifest_boxes"),
            again,
            rows=("split",),
        ),
    )


def _prediction_checks() -> tuple[Check, ...]:
    decoding = "The decoding of the network's outputs is at fault."
    named = ("split", "image_id", "category_id", "score")
    return (
        Check(
            "prediction_score_in_range", "predictions", between("score", low=0, high=1), decoding, rows=named
        ),
        Check(
            "prediction_has_picture",
            "predicted",
            filled("picture"),
            "The prediction is of a picture that is in no split.",
            rows=named,
        ),
        Check(
            "prediction_in_its_split",
            "predicted",
            equal("split", "picture_split"),
            "The prediction is of a picture of another split.",
            rows=named,
        ),
        Check(
            "prediction_inside_picture",
            "predicted",
            between("overhang_px", high=ROUNDING_PX),
            f"The box sticks out of its picture. {decoding}",
            rows=(*named, *CORNERS, "width_px", "height_px"),
        ),
        Check(
            "prediction_ordered_x",
            "predicted",
            greater("x_max_px", "x_min_px", or_equal=True),
            decoding,
            rows=(*named, *CORNERS),
        ),
        Check(
            "prediction_ordered_y",
            "predicted",
            greater("y_max_px", "y_min_px", or_equal=True),
            decoding,
            rows=(*named, *CORNERS),
        ),
    )
