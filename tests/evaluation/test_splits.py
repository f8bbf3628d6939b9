"""A network run over whole splits, and the tables that the guard looks at."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glasshouse.evaluation.results import SplitTables
from glasshouse.evaluation.splits import compile_network, count_lost, gather_tables, predict_splits
from glasshouse.evaluation.validate import make_validator, score_split
from glasshouse.inputs.prepared import Prepared
from glasshouse.inputs.resize import resize_picture
from glasshouse.models.backbones import csp_compact
from glasshouse.models.heads import anchor_free, classify, localize
from glasshouse.models.necks import none
from glasshouse.tables.raw import Raw
from glasshouse.tables.schema import build_frame, check_schema

SIDE, NAMES = 64, ["daisy", "rose"]
IDS = {"valid": [2, 5, 6], "test": [1, 4]}  # picture 3 is for training
SETTINGS: Any = SimpleNamespace(
    score_threshold=0.001, nms="hard", nms_iou=0.6, max_detections=5, batch_size=2
)
HEADS: dict[str, Any] = {
    "detect": anchor_free.Params(name="anchor_free"),
    "localize": localize.Params(name="localize"),
    "classify": classify.Params(name="classify"),
}


class Pixels:
    """Pictures in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape = pixels, pixels.shape

    def __len__(self) -> int:
        return len(self.pixels)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


def build(task: str) -> Any:
    import keras

    from glasshouse.models.network import build_network

    keras.utils.set_random_seed(4)
    model: Any = SimpleNamespace(
        task=task,
        backbone=csp_compact.Params(name="csp_compact", weights="none"),
        neck=none.Params(name="none"),
        head=HEADS[task],
    )
    return build_network(model, height_px=SIDE, width_px=SIDE, classes=2)


def predict(task: str, splits: dict[str, Prepared], raw: Raw) -> dict[str, SplitTables]:
    network = build(task)
    params = SimpleNamespace(model=SimpleNamespace(task=task), evaluate=SETTINGS)
    return predict_splits(compile_network(network, SETTINGS), network, splits, raw, params)


@pytest.fixture(scope="module")
def raw() -> Raw:
    images = [
        (n, f"{n}.png", "0" * 64, *["0" * 16] * 2, bytes(192), 200, 100, "RGB", NAMES[n % 2], None, None)
        for n in range(1, 7)
    ]
    objects = [(10 * n, n, 1 + n % 2, 20.0, 10.0, 120.0, 90.0, False, None) for n in range(6, 0, -1)]
    return Raw(
        build_frame(images, "images"),
        build_frame(objects, "objects"),
        build_frame(list(enumerate(NAMES, 1)), "categories"),
        build_frame([], "statistics"),
        build_frame([], "quarantine"),
        build_frame([], "faults"),
    )


@pytest.fixture(scope="module")
def splits(raw: Raw) -> dict[str, Prepared]:
    how: Any = SimpleNamespace(height_px=SIDE, width_px=SIDE, resize="letterbox", pad_value=0)
    went = resize_picture(np.zeros((100, 200, 3), np.uint8), how)[1]
    place = (went.scale_x, went.scale_y, went.offset_x_px, went.offset_y_px)
    found = {}
    for split, ids in IDS.items():
        images = [(n, row, NAMES[n % 2], 1.0, 200, 100, *place) for row, n in enumerate(ids)]
        objects = [(10 * n, n, 1 + n % 2, *went.forward([20.0, 10.0, 120.0, 90.0]), False) for n in ids]
        rng = np.random.default_rng(len(ids))
        pixels: Any = Pixels(rng.integers(0, 256, (len(ids), SIDE, SIDE, 3), np.uint8))
        found[split] = Prepared(
            pixels,
            build_frame(images, "prepared_images"),
            build_frame(objects, "prepared_objects"),
            raw.categories,
        )
    return found


@pytest.fixture(scope="module")
def detected(raw: Raw, splits: dict[str, Prepared]) -> dict[str, SplitTables]:
    return predict("detect", splits, raw)


@pytest.fixture(scope="module")
def classified(raw: Raw, splits: dict[str, Prepared]) -> dict[str, SplitTables]:
    return predict("classify", splits, raw)


def test_truth_and_predictions_are_of_the_splits_own_pictures(
    detected: dict[str, SplitTables], raw: Raw
) -> None:
    for split, tables in detected.items():
        assert tables.images["image_id"].tolist() == IDS[split]
        assert tables.objects["object_id"].tolist() == [10 * n for n in IDS[split]]
        # The truth is the original's, not what went through resizing.
        assert tables.objects["x_max_px"].tolist() == [120.0] * len(IDS[split])
        assert tables.categories.equals(raw.categories)
        check_schema(tables.predictions, "predictions")
        assert set(tables.predictions["image_id"]) == set(IDS[split])
        assert tables.predictions["x_max_px"].between(0, 200).all()
        assert tables.predictions["y_max_px"].between(0, 100).all()
        assert tables.predictions.groupby("image_id").size().max() <= SETTINGS.max_detections


def test_objects_that_are_no_target_are_counted(
    detected: dict[str, SplitTables], raw: Raw, splits: dict[str, Prepared]
) -> None:
    assert {tables.without_target for tables in detected.values()} == {None}
    part = splits["test"]
    twice = part.objects.assign(object_id=part.objects["object_id"] + 1)
    crowded = dataclasses.replace(part, objects=pd.concat([part.objects, twice], ignore_index=True))
    tables = predict("localize", {"test": crowded}, raw)["test"]
    assert tables.without_target == 2  # the second object of each of two pictures
    # One box a picture, told for each of the two classes.
    assert tables.predictions.groupby("image_id").size().tolist() == [2, 2]
    assert tables.predictions.groupby("image_id")["x_min_px"].nunique().tolist() == [1, 1]


def test_a_classifier_gives_every_picture_its_probabilities(classified: dict[str, SplitTables]) -> None:
    for split, tables in classified.items():
        assert tables.predictions["image_id"].tolist() == IDS[split]
        rows = np.array(tables.predictions["probabilities"].tolist())
        assert rows.shape == (len(IDS[split]), 2)
        assert rows.sum(axis=1) == pytest.approx(1.0)


def test_the_guard_sees_all_splits_together(
    detected: dict[str, SplitTables], splits: dict[str, Prepared]
) -> None:
    tables = gather_tables(detected, splits)
    assert set(tables) == {"prepared_images", "prepared_objects", "predictions"}
    for name, table in tables.items():
        check_schema(table.drop(columns="split"), name)
        assert table.groupby("split")["image_id"].apply(lambda ids: sorted(set(ids))).to_dict() == IDS


def test_a_classifier_shows_the_guard_an_empty_table_of_boxes(
    classified: dict[str, SplitTables], splits: dict[str, Prepared]
) -> None:
    predictions = gather_tables(classified, splits)["predictions"]
    assert len(predictions) == 0
    check_schema(predictions.drop(columns="split"), "predictions")
    assert predictions["split"].dtype == "str"


@pytest.mark.parametrize("task", ["detect", "localize", "classify"])
def test_a_validator_scores_the_network_as_it_stands(task: str, splits: dict[str, Prepared]) -> None:
    from glasshouse.evaluation.predict import compile_predict
    from glasshouse.models.inference import build_inference

    network = build(task)
    validate = make_validator(network, splits["valid"], task, SETTINGS)
    before = validate()
    predict = compile_predict(build_inference(network, SETTINGS))
    assert before == score_split(predict, splits["valid"], task, 2)
    if (
        task == "classify"
    ):  # what is learned in between counts: first all daisies (2 and 6), then all roses (5)
        dense = network.top.get_layer("logits")
        for bias, wanted in (((9.0, 0.0), 2 / 3), ((0.0, 9.0), 1 / 3)):
            dense.set_weights([np.zeros((256, 2)), np.array(bias)])
            assert validate()["accuracy"] == pytest.approx(wanted)


def test_lost_objects_are_counted_a_batch_at_a_time(splits: dict[str, Prepared]) -> None:
    """The targets of a whole split may not fit into memory."""
    batches = []

    def count(labels: dict[str, np.ndarray]) -> np.ndarray:
        batches.append(len(labels["boxes"]))
        return (labels["labels"] >= 0).sum(axis=1)

    network: Any = SimpleNamespace(head=SimpleNamespace(count_lost=count))
    assert count_lost(network, splits["valid"], 2) == 3 and batches == [2, 1]
    assert count_lost(SimpleNamespace(head=object()), splits["valid"], 2) is None  # type: ignore[arg-type]
