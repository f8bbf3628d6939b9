"""The scores: in range, between their limits, of all pictures and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.boxes import BOX, CORNERS, ROUNDING_PX, measure_boxes
from glasshouse.quality.checks import Check, Column, Table
from glasshouse.quality.learning import MAIN_METRICS

SPLITS = ("valid", "test")
UNBOUNDED = ("log_loss",)  # metrics that may exceed 1
COUNTS = ("pictures", "ground_truth", "predictions")
LOW, HIGH = "_ci95_low", "_ci95_high"

_SPLIT = Column("split", "text")
TABLES = (
    Table("metrics", (_SPLIT, Column("metric", "text"), Column("value", "number", nullable=True))),
    Table(
        "counts",
        (
            _SPLIT,
            Column("pictures", "integer"),
            Column("ground_truth_objects", "integer"),
            Column("predictions", "integer"),
        ),
    ),
    Table(
        "per_class",
        (_SPLIT, Column("name", "text"), Column("metric", "text"), Column("value", "number", nullable=True)),
    ),
    Table(
        "prepared_images",
        (
            _SPLIT,
            Column("image_id", "integer"),
            Column("width_px", "integer"),
            Column("height_px", "integer"),
        ),
    ),
    Table(
        "prepared_objects", (_SPLIT, Column("image_id", "integer"), Column("is_crowd", "flag")), min_rows=0
    ),
    Table(
        "predictions",
        (
            _SPLIT,
            Column("image_id", "integer"),
            Column("category_id", "integer"),
            Column("score", "number"),
            *BOX,
        ),
        min_rows=0,
        remedy="A predicted box or score is not a number: the network's weights or its decoding are at fault.",
    ),
)


def flatten_metrics(report: Mapping[str, Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """The tables `metrics`, `counts` and `per_class` of what stands in reports/evaluate/metrics.json.

    Args:
        report: for each split its scores, `per_class` (name -> scores) and `ci95` (metric -> low, high); None or NaN
            is a score that is not defined, as the precision of a class that is nowhere.
    """
    metrics, counts, per_class = [], [], []
    for split, scores in report.items():
        limits = {f"{name}{end}": value for name, pair in scores["ci95"].items()
                  for end, value in zip((LOW, HIGH), pair, strict=True)}  # fmt: skip
        plain = {name: value for name, value in scores.items() if name not in COUNTS and _is_number(value)}
        metrics += [
            {"split": split, "metric": name, "value": value} for name, value in {**plain, **limits}.items()
        ]
        found = [int(scores.get(name, 0)) for name in COUNTS]
        counts.append(
            dict(
                zip(
                    ("split", "pictures", "ground_truth_objects", "predictions"), (split, *found), strict=True
                )
            )
        )
        per_class += [
            {"split": split, "name": name, "metric": metric, "value": value}
            for name, own in scores["per_class"].items()
            for metric, value in own.items()
            if metric not in COUNTS
        ]
    frames = {
        "metrics": pd.DataFrame(metrics),
        "counts": pd.DataFrame(counts),
        "per_class": pd.DataFrame(per_class),
    }
    return {
        name: frame.astype({"value": "float64"}) if "value" in frame else frame
        for name, frame in frames.items()
    }


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
    wide = metrics.drop_duplicates(["split", "metric"]).set_index(["split", "metric"])["value"]
    rows = [
        {"split": split, "metric": point, "value": wide.get((split, point)), "low": low,
         "high": wide.get((split, point + HIGH))}
        for (split, metric), low in wide.items()
        if (point := str(metric).removesuffix(LOW)) != metric
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["split", "metric", "value", "low", "high"]).astype(
        {"value": "float64", "low": "float64", "high": "float64"}
    )


def _main_scores(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row a split that must be scored: its main metric, null where there is none."""
    main = metrics[metrics["metric"].isin(MAIN_METRICS)].drop_duplicates("split").set_index("split")
    scores = pd.DataFrame({"split": list(SPLITS)}).join(main, on="split")
    return scores.assign(test_value=scores["value"].where(scores["split"] == "test"))


def _splits(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a split: what was counted when it was scored, beside the manifest; objects only where there are boxes."""
    objects, predictions = tables["prepared_objects"], tables["predictions"]
    splits = pd.DataFrame({"split": list(SPLITS)}).join(
        tables["counts"].drop_duplicates("split").set_index("split"), on="split"
    )
    truth = objects.loc[~objects["is_crowd"].astype(bool), "split"].value_counts()
    splits["manifest_pictures"] = (
        splits["split"].map(tables["prepared_images"]["split"].value_counts()).fillna(0)
    )
    has_boxes = len(objects) > 0
    splits["manifest_objects"] = splits["split"].map(truth).fillna(0).where(has_boxes)
    splits["table_predictions"] = (
        splits["split"].map(predictions["split"].value_counts()).fillna(0).where(has_boxes)
    )
    return splits


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
    return (*_score_checks(thresholds), *_interval_checks(), *_count_checks(), *_prediction_checks())


def _score_checks(thresholds: Any) -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    between, row = gxe.ExpectColumnValuesToBeBetween, ("split", "metric")
    return (
        Check(
            "metric_once",
            "metrics",
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["split", "metric"]),
            "The same score stands twice: which one counts?",
            rows=row,
        ),
        Check(
            "metrics_in_range",
            "bounded",
            between(column="value", min_value=0, max_value=1),
            f"A score lies in 0..1 ({', '.join(UNBOUNDED)} apart): the metric is at fault.",
            rows=row,
        ),
        Check(
            "metrics_finite",
            "metrics",
            between(column="value", min_value=0, max_value=1e30),
            "The number is negative or infinite: the metric is at fault.",
            rows=row,
        ),
        Check(
            "class_scores_in_range",
            "per_class",
            between(column="value", min_value=0, max_value=1),
            "A score lies in 0..1: the metric is at fault.",
            rows=("split", "name", "metric"),
        ),
        Check(
            "main_metric_defined",
            "main_scores",
            gxe.ExpectColumnValuesToNotBeNull(column="value"),
            f"Each of {', '.join(SPLITS)} needs one of {', '.join(MAIN_METRICS)}: has the split any labels?",
            rows=("split",),
        ),
        Check(
            "score_high_enough",
            "main_scores",
            between(column="test_value", min_value=thresholds.min_score),
            "The network has learned next to nothing: train longer, or look at pictures and labels. The limit is "
            "quality.evaluate.min_score.",
            "warning",
            rows=row,
        ),
        Check(
            "class_in_both_splits",
            "class_scores",
            gxe.ExpectColumnValuesToNotBeNull(column="defined"),
            "The class is scored on one split and not named on the other: the splits were scored by different classes.",
            rows=("split", "name"),
        ),
        Check(
            "class_scored",
            "class_scores",
            between(column="defined", min_value=1),
            "No score of this class is defined here: the split has no picture of it.",
            "warning",
            rows=("split", "name"),
        ),
    )


def _interval_checks() -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    above, row = gxe.ExpectColumnPairValuesAToBeGreaterThanB, ("split", "metric", "low", "value", "high")
    remedy = (
        "The point lies outside its own interval: score and resampling were not taken on the same pictures."
    )
    return (
        Check(
            "has_intervals",
            "intervals",
            gxe.ExpectTableRowCountToBeBetween(min_value=1),
            "Scores without an interval cannot be compared: raise evaluate.bootstrap_rounds.",
            "warning",
        ),
        Check(
            "value_above_low",
            "intervals",
            above(column_A="value", column_B="low", or_equal=True),
            remedy,
            rows=row,
        ),
        Check(
            "value_below_high",
            "intervals",
            above(column_A="high", column_B="value", or_equal=True),
            remedy,
            rows=row,
        ),
    )


def _count_checks() -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    equal, again = (
        gxe.ExpectColumnPairValuesToBeEqual,
        "Run evaluate again; if it stays, pictures are lost on the way.",
    )
    skip = {"ignore_row_if": "either_value_is_missing"}
    return (
        Check(
            "split_counted",
            "splits",
            gxe.ExpectColumnValuesToNotBeNull(column="pictures"),
            f"Both {' and '.join(SPLITS)} must be scored.",
            rows=("split",),
        ),
        Check(
            "pictures_as_manifest",
            "splits",
            equal(column_A="pictures", column_B="manifest_pictures", **skip),
            again,
            rows=("split",),
        ),
        Check(
            "objects_as_manifest",
            "splits",
            equal(column_A="ground_truth_objects", column_B="manifest_objects", **skip),
            again,
            rows=("split",),
        ),
        Check(
            "predictions_as_table",
            "splits",
            equal(column_A="predictions", column_B="table_predictions", **skip),
            again,
            rows=("split",),
        ),
    )


def _prediction_checks() -> tuple[Check, ...]:
    import great_expectations.expectations as gxe

    between, decoding = (
        gxe.ExpectColumnValuesToBeBetween,
        "The decoding of the network's outputs is at fault.",
    )
    named = ("split", "image_id", "category_id", "score")
    size = {"or_equal": True}
    return (
        Check(
            "prediction_score_in_range",
            "predictions",
            between(column="score", min_value=0, max_value=1),
            decoding,
            rows=named,
        ),
        Check(
            "prediction_has_picture",
            "predicted",
            gxe.ExpectColumnValuesToNotBeNull(column="picture"),
            "The prediction is of a picture that is in no split.",
            rows=named,
        ),
        Check(
            "prediction_in_its_split",
            "predicted",
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="split", column_B="picture_split", ignore_row_if="either_value_is_missing"
            ),
            "The prediction is of a picture of another split.",
            rows=named,
        ),
        Check(
            "prediction_inside_picture",
            "predicted",
            between(column="overhang_px", max_value=ROUNDING_PX),
            f"The box sticks out of its picture. {decoding}",
            rows=(*named, *CORNERS, "width_px", "height_px"),
        ),
        Check(
            "prediction_ordered_x",
            "predicted",
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="x_max_px", column_B="x_min_px", **size),
            decoding,
            rows=(*named, *CORNERS),
        ),
        Check(
            "prediction_ordered_y",
            "predicted",
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="y_max_px", column_B="y_min_px", **size),
            decoding,
            rows=(*named, *CORNERS),
        ),
    )
