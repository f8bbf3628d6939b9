"""Predictions of prepared pictures, back in the pixels of the originals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glasshouse.evaluation.predict import compile_predict, iter_batches, predict_classes, predict_objects
from glasshouse.inputs.prepared import Prepared
from glasshouse.inputs.resize import resize_picture
from glasshouse.tables.schema import BOX_COLUMNS, build_frame, check_schema

SIDE = 64
SIZES = [(100, 200), (200, 100), (64, 64), (40, 50), (300, 290)]  # (height, width)
KEPT = 4
Found = list[tuple[tuple[float, ...], float, int]]  # boxes in prepared pixels, scores, class indices


class Pixels:
    """Prepared pictures that bear their row in their first pixel."""

    def __init__(self, count: int) -> None:
        self.shape = (count, SIDE, SIDE, 3)
        self.asked: list[list[int]] = []

    def __len__(self) -> int:
        return self.shape[0]

    def gather(self, rows: np.ndarray) -> np.ndarray:
        self.asked.append(rows.tolist())
        pixels = np.zeros((len(rows), *self.shape[1:]), np.uint8)
        pixels[:, 0, 0, 0] = rows
        return pixels


def make_prepared(method: str = "letterbox", image_ids: list[int] | None = None) -> Prepared:
    how: Any = SimpleNamespace(height_px=SIDE, width_px=SIDE, resize=method, pad_value=114)
    rows = []
    for row, (height, width) in enumerate(SIZES):
        went = resize_picture(np.zeros((height, width, 3), np.uint8), how)[1]
        place = (went.scale_x, went.scale_y, went.offset_x_px, went.offset_y_px)
        rows.append(((image_ids or range(11, 16))[row], row, None, 1.0, width, height, *place))
    pixels: Any = Pixels(len(SIZES))
    return Prepared(
        pixels,
        build_frame(rows, "prepared_images"),
        build_frame([], "prepared_objects"),
        build_frame([(1, "daisy"), (2, "rose")], "categories"),
    )


def answer(found: dict[int, Found]) -> Any:
    """A detector that knows each picture by its first pixel."""

    def predict(pixels: np.ndarray) -> dict[str, np.ndarray]:
        assert pixels.dtype == np.float32
        count = len(pixels)
        out = {
            "boxes": np.zeros((count, KEPT, 4), np.float32),
            "scores": np.zeros((count, KEPT), np.float32),
            "labels": np.full((count, KEPT), -1, np.int32),
            "valid": np.zeros(count, np.int32),
        }
        for place, row in enumerate(pixels[:, 0, 0, 0].astype(int)):
            for slot, (box, score, label) in enumerate(found.get(row, [])):
                out["boxes"][place, slot], out["scores"][place, slot] = box, score
                out["labels"][place, slot] = label
            out["valid"][place] = len(found.get(row, []))
        return out

    return predict


def boxes_of(table: pd.DataFrame) -> np.ndarray:
    return table[BOX_COLUMNS].to_numpy()


def test_letterboxed_boxes_by_hand() -> None:
    # 200 x 100 (wide) at 64: scale 0.32, 64 x 32 pixels from y = 16 down. x / 0.32; (y - 16) / 0.32.
    found = {0: [((3.2, 22.4, 19.2, 41.6), 0.75, 1)]}
    table = predict_objects(answer(found), make_prepared(), 2)
    assert boxes_of(table) == pytest.approx(np.array([[10, 20, 60, 80]]), abs=1e-4)
    assert table[["image_id", "category_id", "score"]].to_numpy().tolist() == [[11, 2, 0.75]]


def test_cropped_and_stretched_boxes_by_hand() -> None:
    # The middle 100 x 100 of 200 x 100 at 64: scale 0.64, x from 50: x / 0.64 + 50; y / 0.64.
    found = {0: [((6.4, 12.8, 32.0, 64.0), 0.5, 0)]}
    assert boxes_of(predict_objects(answer(found), make_prepared("crop"), 2)) == pytest.approx(
        np.array([[60, 20, 100, 100]]), abs=1e-4
    )
    # All of 200 x 100: x / 0.32; y / 0.64.
    assert boxes_of(predict_objects(answer(found), make_prepared("stretch"), 2)) == pytest.approx(
        np.array([[20, 20, 100, 100]]), abs=1e-4
    )


@pytest.mark.parametrize("method", ["letterbox", "crop", "stretch"])
def test_boxes_come_back_where_they_were(method: str) -> None:
    """There by the transform that moved the pixels, back by the table."""
    how: Any = SimpleNamespace(height_px=SIDE, width_px=SIDE, resize=method, pad_value=114)
    rng = np.random.default_rng(0)
    found, wanted = {}, []
    for row, (height, width) in enumerate(SIZES):
        # Inside of what every method shows: the middle square.
        side = min(height, width)
        corners = np.sort(rng.uniform(0.05, 0.95, (2, 2)), axis=0) * side
        box = (corners + np.array([width - side, height - side]) / 2).reshape(4)
        forward = resize_picture(np.zeros((height, width, 3), np.uint8), how)[1].forward(box)
        found[row] = [(tuple(forward), 0.5, 0)]
        wanted.append(box)
    table = predict_objects(answer(found), make_prepared(method), 3)
    assert boxes_of(table) == pytest.approx(np.array(wanted), abs=1e-3)


def test_the_table_is_that_of_the_schema_and_sorted() -> None:
    box = (20.0, 20.0, 40.0, 40.0)
    found: dict[int, Found] = {
        0: [(box, 0.25, 0), (box, 0.75, 1), (box, 0.5, 0)],
        1: [(box, 0.5, 1), (box, 0.5, 0)],
        4: [(box, 0.125, 0)],
    }
    table = predict_objects(answer(found), make_prepared(image_ids=[9, 3, 5, 4, 1]), 2)
    check_schema(table, "predictions")
    assert table["image_id"].tolist() == [1, 3, 3, 9, 9, 9]
    assert table["score"].tolist() == [0.125, 0.5, 0.5, 0.75, 0.5, 0.25]
    assert table["category_id"].tolist() == [1, 2, 1, 2, 1, 1]  # equal scores as the detector gave them
    assert table.index.tolist() == list(range(6))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8])
def test_every_batch_is_whole_and_no_picture_counts_twice(batch_size: int) -> None:
    prepared = make_prepared()
    pixels: Any = prepared.pixels
    found: dict[int, Found] = {row: [((20.0, 20.0, 40.0, 40.0), 0.5, 0)] for row in range(len(SIZES))}
    table = predict_objects(answer(found), prepared, batch_size)
    assert table["image_id"].tolist() == [11, 12, 13, 14, 15]
    assert {len(rows) for rows in pixels.asked} == {batch_size}  # one size, so that it is traced once
    real = [row for rows, _ in iter_batches(prepared, batch_size) for row in rows.tolist()]
    assert real == [0, 1, 2, 3, 4]


def test_a_box_in_the_padding_alone_is_dropped_and_one_across_is_cut() -> None:
    # Picture 0 fills y 16..48 of the letterbox.
    found: dict[int, Found] = {
        0: [
            ((10, 0, 30, 16), 0.9, 0),  # above it
            ((10, 50, 30, 60), 0.8, 0),  # below it
            ((0, 0, 64, 64), 0.7, 0),
            ((10, 30, 10, 40), 0.6, 0),  # no width
        ]
    }
    table = predict_objects(answer(found), make_prepared(), 2)
    assert table["score"].to_numpy() == pytest.approx([0.7])
    assert boxes_of(table) == pytest.approx(np.array([[0, 0, 200, 100]]))


@pytest.mark.parametrize("corner", range(4))
def test_a_box_that_is_not_a_number_is_told_and_not_dropped(corner: int) -> None:
    """It lies nowhere, as one in the padding does, but a network that says so is broken."""
    box = [20.0, 20.0, 40.0, 40.0]
    faulty = [np.nan if place == corner else side for place, side in enumerate(box)]
    found: dict[int, Found] = {0: [(tuple(box), 0.9, 0)], 3: [(tuple(faulty), 0.8, 0)]}
    with pytest.raises(ValueError, match=r"1 of 2 predicted boxes are no numbers, first .* image_id 14:"):
        predict_objects(answer(found), make_prepared(), 2)
    found[3] = [((20.0, 20.0, np.inf, 40.0), 0.8, 0)]
    table = predict_objects(answer(found), make_prepared(), 2)
    assert table["x_max_px"].tolist()[1] == SIZES[3][1]  # what is too large is cut like any other


def test_nothing_found_is_an_empty_table_of_the_same_columns() -> None:
    table = predict_objects(answer({}), make_prepared(), 2)
    assert len(table) == 0
    check_schema(table, "predictions")


@pytest.mark.parametrize("batch_size", [1, 2, 5, 7])
def test_probabilities_stand_in_the_order_of_the_rows(batch_size: int) -> None:
    def predict(pixels: np.ndarray) -> dict[str, np.ndarray]:
        rows = pixels[:, 0, 0, 0] / 8
        return {"probabilities": np.stack([rows, 1 - rows], axis=1).astype(np.float32)}

    found = predict_classes(predict, make_prepared(), batch_size)
    assert found.dtype == np.float64
    assert found[:, 0].tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    assert found.sum(axis=1).tolist() == [1.0] * 5


def test_a_compiled_model_is_a_function_of_arrays_outside_of_training() -> None:
    import keras

    pixels = keras.Input((4, 4, 3))
    norm = keras.layers.BatchNormalization(epsilon=0.0)
    mean = keras.layers.GlobalAveragePooling2D()(norm(pixels))
    norm.moving_mean.assign([1.0, 2.0, 3.0])
    predict = compile_predict(keras.Model(pixels, {"mean": keras.layers.Dropout(0.9)(mean)}))
    levels = np.full((2, 4, 4, 3), 5.0, np.float32)
    for count in (2, 1):
        out = predict(levels[:count])
        assert isinstance(out["mean"], np.ndarray)
        assert out["mean"] == pytest.approx(np.array([[4.0, 3.0, 2.0]] * count))
    assert np.asarray(norm.moving_mean).tolist() == [1.0, 2.0, 3.0]
