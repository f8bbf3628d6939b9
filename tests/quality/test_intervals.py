"""A sound result whose resampled interval does not hold it: told, and no reason to stop."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from glasshouse.evaluation.json_files import rounded
from glasshouse.evaluation.results import SplitTables, evaluate_split
from glasshouse.evaluation.splits import gather_tables
from glasshouse.params import read_params
from glasshouse.quality.checking.guard import guard
from glasshouse.quality.suites.evaluate import flatten_metrics
from glasshouse.tables.schema import build_frame

CLASSES, EACH = 200, 2
QUALITY = read_params(Path(__file__).parents[2] / "params.yaml").quality


def tabulate_split(first_id: int, seed: int) -> SplitTables:
    """Two pictures of each of 200 classes, three in five of them named rightly."""
    draw = np.random.default_rng(seed)
    truth = np.repeat(np.arange(CLASSES), EACH)
    ids = first_id + np.arange(len(truth))
    named = np.where(draw.random(len(truth)) < 0.6, truth, draw.integers(0, CLASSES, len(truth)))
    images = {"image_id": ids, "file_name": [f"{i}.jpg" for i in ids], "label": [f"c{i:03d}" for i in truth]}
    categories = {"category_id": np.arange(1, CLASSES + 1), "name": [f"c{i:03d}" for i in range(CLASSES)]}
    probabilities = np.full((len(truth), CLASSES), 0.1 / (CLASSES - 1))
    probabilities[np.arange(len(truth)), named] = 0.9
    return SplitTables.of(
        ids,
        pd.DataFrame(images).assign(width_px=100, height_px=100),
        build_frame([], "objects"),
        pd.DataFrame(categories),
        pd.DataFrame({"image_id": ids, "probabilities": probabilities.tolist()}),
    )


def test_few_pictures_a_class_put_the_score_outside_its_interval_and_stop_nothing(tmp_path: Path) -> None:
    """A class of which neither picture is drawn has no F1, one drawn twice counts double: macro F1 falls."""
    splits = {"valid": tabulate_split(1, 0), "test": tabulate_split(1001, 1)}
    metrics = {
        name: rounded(
            evaluate_split("classify", tables, gallery_score=0.3, bootstrap_rounds=300, seed=7).scores
        )
        for name, tables in splits.items()
    }
    low, high = metrics["test"]["ci95"]["macro_f1"]
    assert low < high < metrics["test"]["macro_f1"]

    prepared = {
        name: SimpleNamespace(images=tables.images, objects=build_frame([], "objects"))
        for name, tables in splits.items()
    }
    tables = {**flatten_metrics(metrics), **gather_tables(splits, prepared)}  # type: ignore[arg-type]
    verdict = guard("evaluate", {**tables, "objects": build_frame([], "objects")}, QUALITY, tmp_path)
    assert not verdict.critical
    assert "value_below_high" in {warning.check for warning in verdict.warnings}
