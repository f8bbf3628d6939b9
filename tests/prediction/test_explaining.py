from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor

import glasshouse
from glasshouse.cli import main
from glasshouse.prediction.drawing import COLOURS
from glasshouse.prediction.explaining import Explanation, draw_explanations, explain
from glasshouse.prediction.result import Prediction


@pytest.fixture(scope="module")
def upper_left(tmp_path_factory: pytest.TempPathFactory, write_box: Callable[..., None]) -> Path:
    """The known network that looks at the upper left quarter for red, at the lower right one for green."""
    windows = np.zeros((32, 32, 3))
    windows[:16, :16, 0] = windows[16:, 16:, 1] = 4.0
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    write_box(path, windows=windows)
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    """60 x 120: black, with red and green where the network looks in the letterboxed picture."""
    picture = np.zeros((60, 120, 3), np.uint8)
    picture[:30, :60, 0] = picture[30:, 60:, 1] = 255
    return picture


def test_each_object_has_a_map_over_the_picture(upper_left: Path, pixels: np.ndarray) -> None:
    predictor = glasshouse.load(upper_left)
    found = predictor.predict(pixels, score=0.2)
    (red,) = explain(predictor, pixels, found, masks=400)
    assert red.prediction.names == ("red",)
    assert red.saliency.shape == (60, 120)
    y, x = np.unravel_index(red.saliency.argmax(), (60, 120))
    assert (y < 34, x < 64) == (True, True)
    assert red.saliency[:30, :60].mean() > 3 * red.saliency[30:, 60:].mean()


def test_a_classifier_is_explained_too(class_network: Path, pixels: np.ndarray) -> None:
    first, second = explain(glasshouse.load(class_network), pixels, masks=300)
    assert {*first.prediction.names, *second.prediction.names} == {"red", "green"}
    red = first if first.prediction.names == ("red",) else second
    assert red.saliency[:30, :60].mean() > 2 * red.saliency[30:, 60:].mean()


def test_where_nothing_is_found_nothing_is_explained(upper_left: Path) -> None:
    assert explain(glasshouse.load(upper_left), np.zeros((40, 40, 3), np.uint8)) == []


def test_the_three_best_are_explained_unless_more_are_asked_for(box_network: Path) -> None:
    boxes = np.array([[float(row), 0, 20 + row, 20] for row in range(5)])
    scores, labels = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([0, 1, 0, 1, 0])
    found = Prediction(boxes, scores, labels, tuple("abcde"), (40, 40))
    predictor, picture = glasshouse.load(box_network), np.full((40, 40, 3), 200, np.uint8)
    named = [each.prediction.names for each in explain(predictor, picture, found, masks=4)]
    assert named == [("a",), ("b",), ("c",)]
    assert len(explain(predictor, picture, found, most=5, masks=4)) == 5


def test_panels_stand_side_by_side_and_are_bounded() -> None:
    pixels = np.zeros((500, 2000, 3), np.uint8)
    single = Prediction(np.array([[0.0, 0, 900, 400]]), np.array([0.5]), np.array([0]), ("a",), (500, 2000))
    sheet = draw_explanations(pixels, [Explanation(single, np.ones((500, 2000), np.float32))] * 2)
    assert sheet.size == (2 * 640 + 4, 160)
    # reduced to 640 / 2000: the box ends at 900 x 0.32 = 288 and 400 x 0.32 = 128
    first = np.asarray(sheet)[:, :640]
    rows, columns = np.nonzero((first == ImageColor.getrgb(COLOURS[0])).all(-1))
    assert (columns.max(), rows.max()) == (287, 127)


def test_predict_explain_writes_maps_beside_the_pictures(
    box_network: Path, tmp_path: Path, encoded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.jpg").write_bytes(encoded((255, 0, 0)))
    Path("in/none.jpg").write_bytes(encoded((0, 0, 0)))
    assert main(["predict", "in", "--model", str(box_network), "--explain"]) == 0
    assert [path.name for path in Path("predictions/explained").iterdir()] == ["a.jpg"]
    assert Image.open("predictions/explained/a.jpg").size == (64, 64)
    assert len(list(Path("predictions/pictures").iterdir())) == 2
