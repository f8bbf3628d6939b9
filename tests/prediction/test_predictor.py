from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glasshouse
from glasshouse.export.formats import write_formats
from glasshouse.export.stamp import SAVED_MODEL_FILE, stamp
from glasshouse.inputs.recipe import Recipe, UnknownRecipe
from glasshouse.inputs.resize import Transform, resize_picture
from glasshouse.pictures.decode import UndecodablePicture
from glasshouse.prediction.predictor import Predictor
from glasshouse.prediction.result import read_answer
from glasshouse.stage import is_expected

Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def predictor(box_network: Path) -> Predictor:
    return glasshouse.load(box_network)


def fill(height: int, width: int, red: int = 255, green: int = 0) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = red, green
    return pixels


def test_boxes_are_in_the_pixels_of_the_picture(predictor: Predictor) -> None:
    """200 x 100 (width x height) in 32 x 32: scale 0.16, inner 32 x 16, top 8. The box (8, 8, 24, 24) is
    ((8 - 0) / .16, (8 - 8) / .16, 24 / .16, 16 / .16) = (50, 0, 150, 100)."""
    found = predictor.predict(fill(100, 200))
    np.testing.assert_allclose(found.boxes_xyxy_px, [[50, 0, 150, 100]], atol=1e-4)
    assert (found.names, found.labels.tolist(), found.size) == (("red",), [0], (100, 200))
    assert found.scores[0] == pytest.approx((0.5 * 255 + 0.5 * 114) / 255, abs=1e-6)  # half is padding of 114


def test_a_box_in_the_padding_alone_is_left_out(predictor: Predictor) -> None:
    """The corner box (0, 0, 8, 8) of a wide picture lies wholly in the 8 rows of padding."""
    assert predictor.predict(fill(100, 200, green=255), score=0.0).names == ("red",)
    assert predictor.predict(fill(100, 100, green=255), score=0.0).names == ("red", "green")


def test_best_first_and_nothing_under_the_score(predictor: Predictor) -> None:
    found = predictor.predict(fill(32, 32, red=100, green=200), score=0.0)
    assert found.names == ("green", "red")
    np.testing.assert_allclose(found.scores, [200 / 255, 100 / 255], atol=1e-6)
    assert predictor.predict(fill(32, 32, red=100, green=200), score=0.5).names == ("green",)
    assert len(predictor.predict(fill(32, 32, red=0), score=0.1)) == 0


def test_every_way_to_give_a_picture_is_the_same(
    predictor: Predictor, tmp_path: Path, encoded: Encode
) -> None:
    data = encoded((255, 0, 0), (40, 60), "PNG")
    path = tmp_path / "ß 1.png"
    path.write_bytes(data)
    ways: list[Any] = [str(path), path, data, fill(60, 40)]
    singles = [predictor.predict(way) for way in ways]
    together = predictor.predict(ways)
    for found in [*singles, *together]:
        assert found.list_objects() == singles[0].list_objects()
    assert len(predictor.predict(np.stack([fill(60, 40)] * 9))) == 9
    assert predictor.predict([]) == []


def test_exif_turns_the_picture_before_the_boxes(predictor: Predictor, encoded: Encode) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # stored 200 x 100, shown 100 x 200
    found = predictor.predict(encoded((255, 0, 0), (200, 100), exif=exif))
    assert found.size == (200, 100)
    np.testing.assert_allclose(found.boxes_xyxy_px, [[0, 50, 100, 150]], atol=1e-4)


def test_a_classifier_gives_its_classes(class_network: Path) -> None:
    found = glasshouse.load(class_network).predict(fill(20, 20, red=50, green=200))
    assert (found.boxes_xyxy_px, found.names) == (None, ("green",))
    assert found.list_objects() == [{"label": "green", "score": 0.8}]
    every = glasshouse.load(class_network).predict(fill(20, 20, red=50, green=200), score=0.0)
    assert every.names == ("green", "red", "blue")
    assert glasshouse.load(class_network).predict(fill(20, 20, red=50, green=200), score=0.99).names == (
        "green",
    )


@pytest.mark.parametrize("method", ["letterbox", "crop", "stretch"])
@pytest.mark.parametrize("size", [(70, 110), (110, 70), (1, 500), (33, 32)])
def test_a_box_goes_there_and_back(method: str, size: tuple[int, int]) -> None:
    recipe = Recipe("detect", ("a",), 64, 96, method, 114)
    _, transform = resize_picture(np.zeros((*size, 3), np.uint8), recipe)
    box = np.array([[0.3 * size[1], 0.4 * size[0], 0.6 * size[1], 0.7 * size[0]]])
    answer = {"boxes": transform.forward(box), "scores": np.array([0.9]), "labels": np.array([0])}
    found = read_answer(answer, recipe, transform, size, 0.3)
    np.testing.assert_allclose(found.boxes_xyxy_px, box, atol=1e-9)


def test_the_least_score_itself_is_kept_and_numbers_are_rounded_when_they_are_listed() -> None:
    recipe, stay = Recipe("detect", ("a",), 8, 8, "stretch", 0), Transform(1, 1, 0, 0)
    answer = {
        "boxes": np.array([[0, 1 / 3, 2, 8], [0, 0, 2, 2 / 3]]),
        "scores": np.array([0.25, 2 / 3]),
        "labels": np.array([0, 0]),
    }
    assert read_answer(answer, recipe, stay, (8, 8), 0.25).list_objects() == [
        {"label": "a", "score": 0.666667, "box_xyxy_px": [0.0, 0.0, 2.0, 0.667]},
        {"label": "a", "score": 0.25, "box_xyxy_px": [0.0, 0.333, 2.0, 8.0]},
    ]


def test_an_answer_that_is_not_finite_is_no_answer() -> None:
    recipe, stay = Recipe("detect", ("a",), 8, 8, "stretch", 0), Transform(1, 1, 0, 0)
    answer = {"boxes": np.zeros((1, 4)), "scores": np.array([np.nan]), "labels": np.array([0])}
    placeless = {**answer, "boxes": np.array([[0, 0, np.inf, 8]]), "scores": np.array([0.9])}
    classes = {"probabilities": np.array([np.nan, 0.5])}
    classifier = Recipe("classify", ("a", "b"), 8, 8, "stretch", 0)
    for said, by in ((answer, recipe), (placeless, recipe), (classes, classifier)):
        with pytest.raises(ValueError, match="not finite"):
            read_answer(said, by, stay, (8, 8), 0.3)
    padding = {"boxes": np.full((1, 4), np.nan), "scores": np.array([np.nan]), "labels": np.array([-1])}
    assert len(read_answer(padding, recipe, stay, (8, 8), 0.3)) == 0  # no answer of the network's


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (fill(8, 8).astype(np.float32), r"uint8 \(height, width, 3\)\. Got float32 of \(8, 8, 3\)"),
        (fill(8, 8)[..., :2], r"Got uint8 of \(8, 8, 2\)"),
        (np.zeros((0, 8, 3), np.uint8), r"Got uint8 of \(0, 8, 3\)"),
        ([3], "must be a path, encoded bytes or a NumPy array, and several a list of them. Got int instead"),
        (None, "several a list of them. Got NoneType instead"),
        (fill(10, 12)[..., 0], r"as uint8 \(height, width, 3\)\. Got uint8 of \(10, 12\)"),
    ],
)
def test_what_cannot_be_a_picture_is_named(predictor: Predictor, picture: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        predictor.predict(picture)


@pytest.mark.parametrize("score", [float("nan"), -1, 2, None, "0.5", 10**400])
def test_a_score_beyond_0_to_1_is_refused(predictor: Predictor, score: Any) -> None:
    with pytest.raises(ValueError, match=r"^score must be from 0 to 1. Got"):
        predictor.predict(fill(8, 8), score=score)


@pytest.mark.parametrize("network", ["box_network", "class_network"])
def test_a_class_without_a_name_is_told(tmp_path: Path, network: str, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "model.onnx"
    shutil.copy(request.getfixturevalue(network), path)
    task = "detect" if network == "box_network" else "classify"
    stamp([path], Recipe(task, ("red",), 32, 32, "stretch", 0))
    with pytest.raises(ValueError, match=r"classes or more, and its file names 1 \(red\): export it again"):
        glasshouse.load(path).predict(fill(32, 32, green=255), score=0)


def write_small(folder: Path) -> dict[str, Path]:
    """A network of two numbers as LiteRT file and SavedModel."""
    import keras

    pixels = keras.Input((8, 8, 3), name="pixels")
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    model = keras.Model(pixels, {"probabilities": keras.layers.Dense(2, activation="softmax")(mean)})
    sample = np.zeros((1, 8, 8, 3), np.float32)
    paths = write_formats(model, ["saved_model", "litert"], folder, ["a", "b"], sample)
    stamp(paths.values(), Recipe("classify", ("a", "b"), 8, 8, "stretch", 0))
    return paths


def test_a_damaged_litert_file_or_saved_model_is_told(tmp_path: Path) -> None:
    paths = write_small(tmp_path)
    litert, saved = paths["litert"], paths["saved_model"]
    assert glasshouse.load(litert).predict(fill(8, 8)).size == (8, 8)
    whole = litert.read_bytes()
    for size in (0, 5, len(whole) // 2, len(whole) - 1):
        litert.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"model\.tflite cannot be run by LiteRT: .") as caught:
            glasshouse.load(litert)
        assert is_expected(caught.value)
    recipe = saved / SAVED_MODEL_FILE
    for damaged in (recipe.read_text()[:20], "[" * 100_000):
        recipe.write_text(damaged)
        with pytest.raises(UnknownRecipe, match=r"what .*saved_model says of its pictures is damaged"):
            glasshouse.load(saved)
    graph = saved / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"saved_model cannot be run by TensorFlow: .") as caught:
        glasshouse.load(saved)
    assert is_expected(caught.value)


def test_a_damaged_file_says_what_it_is(predictor: Predictor) -> None:
    with pytest.raises(UndecodablePicture, match="not a picture"):
        predictor.predict(b"words")


def test_one_among_several_is_named_by_its_path_or_place(
    predictor: Predictor, jpeg: bytes, tmp_path: Path
) -> None:
    good, text = tmp_path / "good.jpg", tmp_path / "text.jpg"
    good.write_bytes(jpeg)
    text.write_bytes(b"words")
    for picture in ([good, str(text)], text):
        with pytest.raises(UndecodablePicture, match=rf"^{text}: not a picture"):
            predictor.predict(picture)
    many: list[Any] = [good] * 9
    with pytest.raises(UndecodablePicture, match=r"^pictures\[9\]: not a picture"):
        predictor.predict([*many, b"words"])
    with pytest.raises(ValueError, match=r"^pictures\[9\]: A picture must be a path"):
        predictor.predict([*many, None])  # type: ignore[list-item]


def test_a_network_without_a_recipe_is_refused(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    import onnx

    model = onnx.load(str(request.getfixturevalue("box_network")))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(UnknownRecipe, match="does not say how pictures are prepared"):
        glasshouse.load(tmp_path)


def test_what_is_no_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"model\.keras is no exported network"):
        glasshouse.load(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="holds no exported network"):
        glasshouse.load(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"model\.onnx cannot be run by onnxruntime"):
        glasshouse.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        glasshouse.load(tmp_path / "away.onnx")


def test_import_and_load_stay_light(
    box_network: Path, tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    code = (
        "import sys, glasshouse; light = set(sys.modules); glasshouse.load(sys.argv[1]);"
        "heavy = {'tensorflow', 'mlflow', 'pandas'} & set(sys.modules);"
        "print(*({'numpy', 'PIL', 'onnxruntime'} & light), '|', *heavy)"
    )
    answer = run_python("-c", code, str(box_network), cwd=tmp_path)
    assert answer.stdout.strip() == "|", answer.stderr


def test_a_prediction_leaves_no_mark_of_its_user(
    box_network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """onnxruntime's telemetry keeps a number for each user's machine below the home folder."""
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    code = "import sys, glasshouse; glasshouse.load(sys.argv[1])"
    answer = run_python("-c", code, str(box_network), cwd=tmp_path, HOME=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert list(tmp_path.rglob("*")) == []
