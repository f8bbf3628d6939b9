"""The short scores: against arithmetic, limits and the full report."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glasshouse.evaluation.predict import predict_objects
from glasshouse.evaluation.results import SplitTables, evaluate_split
from glasshouse.evaluation.validate import (
    MAIN_SCORE,
    make_score,
    make_validator,
    score_detections,
    score_probabilities,
    score_split,
    score_trivial,
    spread_pixels,
    tabulate_scores,
)
from glasshouse.inputs.prepared import Prepared
from glasshouse.inputs.resize import resize_picture
from glasshouse.inputs.stream import pictures_of
from glasshouse.tables.schema import BOX_COLUMNS, build_frame

SIDE = 64
NAMES = ["daisy", "rose", "tulip"]
Things = list[tuple[int, int, tuple[float, ...], bool]]  # row of the picture, class, original box, is_crowd


class Pixels:
    """Prepared pictures that bear their row in their first pixel."""

    def __init__(self, count: int) -> None:
        self.shape = (count, SIDE, SIDE, 3)

    def __len__(self) -> int:
        return self.shape[0]

    def gather(self, rows: np.ndarray) -> np.ndarray:
        pixels = np.zeros((len(rows), *self.shape[1:]), np.uint8)
        pixels[:, 0, 0, 0] = rows
        return pixels


def make_prepared(sizes: list[tuple[int, int]], things: Things, labels: list[str] | None = None) -> Prepared:
    """Letterboxed pictures of (height, width) with their objects; image ids from 11."""
    how: Any = SimpleNamespace(height_px=SIDE, width_px=SIDE, resize="letterbox", pad_value=0)
    went = [resize_picture(np.zeros((*size, 3), np.uint8), how)[1] for size in sizes]
    images = [
        (11 + row, row, labels[row] if labels else None, 1.0, width, height,
         went[row].scale_x, went[row].scale_y, went[row].offset_x_px, went[row].offset_y_px)
        for row, (height, width) in enumerate(sizes)
    ]  # fmt: skip
    objects = [
        (number, 11 + row, 1 + label, *went[row].forward(box), crowd)
        for number, (row, label, box, crowd) in enumerate(things, 1)
    ]
    pixels: Any = Pixels(len(sizes))
    return Prepared(
        pixels,
        build_frame(images, "prepared_images"),
        build_frame(objects, "prepared_objects"),
        build_frame(list(enumerate(NAMES, 1)), "categories"),
    )


def draw_prepared(seed: int = 0, pictures: int = 12) -> Prepared:
    """Pictures of several shapes, objects of three classes, a crowd here and there."""
    rng = np.random.default_rng(seed)
    sizes = [(int(height), int(width)) for height, width in rng.integers(80, 320, (pictures, 2))]
    things: Things = []
    for row in rng.integers(0, pictures, 4 * pictures):
        height, width = sizes[row]
        corner = rng.uniform(0, 0.6, 2) * (width, height)
        far = corner + rng.uniform(0.05, 0.4, 2) * (width, height)
        things.append((int(row), int(rng.integers(3)), (*corner, *far), bool(rng.random() < 0.1)))
    return make_prepared(sizes, things, rng.choice(NAMES, pictures).tolist())


def answer(prepared: Prepared, noise_px: float = 0.0, extra: int = 0) -> Any:
    """A detector that knows the truth, in prepared pixels, or nearly so."""
    boxes, labels = prepared.labels()
    rng = np.random.default_rng(1)
    boxes = boxes + rng.normal(0, 1, boxes.shape).astype(np.float32) * noise_px
    boxes = np.sort(boxes.reshape(*boxes.shape[:2], 2, 2), axis=2).reshape(boxes.shape)
    far = rng.uniform(2, 30, (len(boxes), extra, 4)).astype(np.float32)
    far[..., 2:] += far[..., :2]
    boxes = np.concatenate([boxes, far], axis=1)
    labels = np.concatenate([labels, rng.integers(0, 3, (len(boxes), extra))], axis=1)
    scores = rng.uniform(0.1, 1, labels.shape)

    def predict(pixels: np.ndarray) -> dict[str, np.ndarray]:
        rows = pixels[:, 0, 0, 0].astype(int)
        return {"boxes": boxes[rows], "scores": scores[rows], "labels": labels[rows]}

    return predict


def say_nothing(pixels: np.ndarray) -> dict[str, np.ndarray]:
    count = len(pixels)
    return {
        "boxes": np.zeros((count, 3, 4), np.float32),
        "scores": np.zeros((count, 3), np.float32),
        "labels": np.full((count, 3), -1, np.int32),
    }


def say(probabilities: np.ndarray) -> Any:
    return lambda pixels: {"probabilities": probabilities[pixels[:, 0, 0, 0].astype(int)]}


def test_the_truth_scores_one_and_silence_nothing() -> None:
    prepared = draw_prepared()
    assert score_split(answer(prepared), prepared, "detect", 5) == {"mAP_50_95": 1.0, "mAP_50": 1.0}
    assert score_split(say_nothing, prepared, "detect", 5) == {"mAP_50_95": 0.0, "mAP_50": 0.0}


def test_scores_fall_with_what_a_detector_gets_wrong() -> None:
    prepared = draw_prepared()
    levels = [
        score_split(answer(prepared, noise, extra), prepared, "detect", 5)["mAP_50_95"]
        for noise, extra in ((0.0, 0), (0.5, 0), (1.5, 0), (1.5, 4))
    ]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == 4


@pytest.mark.parametrize("seed", range(4))
def test_short_scores_are_those_of_the_report(seed: int) -> None:
    """The report scores against the raw tables, training against the prepared ones."""
    prepared = draw_prepared(seed)
    predictions = predict_objects(answer(prepared, 1.0, 3), prepared, 5)
    rows = prepared.objects["image_id"].to_numpy() - 11
    raw_objects = prepared.objects.copy()
    raw_objects[BOX_COLUMNS] = prepared.to_original(rows, prepared.objects[BOX_COLUMNS].to_numpy())
    raw_images = prepared.images.assign(file_name=[f"{n}.png" for n in prepared.images["image_id"]])
    tables = SplitTables.of(
        prepared.images["image_id"].to_numpy(), raw_images, raw_objects, prepared.categories, predictions
    )
    report = evaluate_split("detect", tables, gallery_score=0.3, bootstrap_rounds=0, seed=0).scores
    short = score_detections(predictions, prepared)
    assert 0.05 < short["mAP_50_95"] < short["mAP_50"] < 0.99
    assert short == {name: pytest.approx(report[name], abs=1e-12) for name in short}


def test_a_model_without_eyes_by_hand() -> None:
    # Learned: class 1 (rose, two of three); boxes as shares: (0.1, 0.2, 0.5, 0.6) of a picture 100 high and
    # 200 wide, the same of one 50 x 50, and (0.4, 0.2, 0.8, 0.6) of the first: mean (0.2, 0.2, 0.6, 0.6).
    train = make_prepared(
        [(100, 200), (50, 50)],
        [
            (0, 1, (20, 20, 100, 60), False),
            (1, 0, (5, 10, 25, 30), False),
            (0, 1, (80, 20, 160, 60), False),
        ],
    )
    # Guessed on 100 x 100: (20, 20, 60, 60), area 1600; on 200 x 100 (height, width): (20, 40, 60, 120).
    # The first picture's rose is that very box, IoU 1. The second's is 60 of its 80 px high, IoU 0.75.
    valid = make_prepared(
        [(100, 100), (200, 100)],
        [(0, 1, (20, 20, 60, 60), False), (1, 1, (20, 40, 60, 100), False)],
    )
    # Up to an IoU of 0.75 both are found: AP 1 (six thresholds of ten). Above it only the first of two equal
    # scores: precision 1 up to recall 0.5, which is 51 of the 101 recall points. (6 + 4 * 51 / 101) / 10.
    found = score_trivial(train, valid, "detect")
    assert found["mAP_50"] == pytest.approx(1.0)
    assert found["mAP_50_95"] == pytest.approx((6 + 4 * 51 / 101) / 10, abs=1e-9)
    # Where the commonest class has no objects, all is missed.
    roses = valid.objects.assign(category_id=1)
    blind = Prepared(valid.pixels, valid.images, roses, valid.categories)
    assert score_trivial(train, blind, "detect") == {"mAP_50_95": 0.0, "mAP_50": 0.0}


def test_a_model_without_eyes_learns_nothing_from_crowds() -> None:
    """A network is not trained on them either."""
    box = (10.0, 10.0, 50.0, 50.0)
    things: Things = [(0, 2, box, False), (0, 0, (0, 0, 100, 100), True), (0, 0, (0, 0, 90, 90), True)]
    train = make_prepared([(100, 100)], things)
    valid = make_prepared([(100, 100)], [(0, 2, box, False)])
    assert score_trivial(train, valid, "detect")["mAP_50_95"] == pytest.approx(1.0)


def test_without_objects_there_is_nothing_to_learn() -> None:
    train = make_prepared([(100, 100)], [])
    with pytest.raises(ValueError, match=r"no object.*training split"):
        score_trivial(train, draw_prepared(), "detect")


@pytest.mark.parametrize("task", ["detect", "localize"])
@pytest.mark.parametrize("things", [[], [(0, 1, (0, 0, 100, 100), True)]], ids=["none", "a crowd"])
def test_a_training_without_objects_is_refused_on_either_side(task: str, things: Things) -> None:
    """In train they would teach that nothing is ever there; in valid there would be no score."""
    empty = make_prepared([(100, 100)], things)
    with pytest.raises(ValueError, match=rf"split train has an object.*{task} needs"):
        pictures_of(empty, task)
    network: Any = None  # it is not looked at
    with pytest.raises(ValueError, match=rf"split valid has an object.*{task} needs"):
        make_validator(network, empty, task, None)


def test_a_localiser_is_scored_by_its_surest_box_too() -> None:
    prepared = draw_prepared()
    scores = score_split(answer(prepared), prepared, "localize", 5)
    assert list(scores) == ["mAP_50_95", "mAP_50", "accuracy", "mean_iou"]
    assert scores["mAP_50_95"] == 1.0  # all objects are found, but the surest need not be the largest
    one = make_prepared([(100, 100)] * 2, [(0, 1, (10, 10, 60, 60), False), (1, 2, (0, 0, 50, 50), False)])
    assert score_split(answer(one), one, "localize", 2) == pytest.approx(dict.fromkeys(scores, 1.0))
    # The commonest class (of equals the first) in a box of mean place: (5, 5, 55, 55), 45 * 45 px shared.
    trivial = score_trivial(one, one, "localize")
    assert trivial["accuracy"] == 0.5
    assert trivial["mean_iou"] == pytest.approx(45**2 / (2 * 50**2 - 45**2))


def test_accuracy_by_hand() -> None:
    prepared = make_prepared([(10, 10)] * 4, [], ["rose", "daisy", "tulip", "rose"])
    surest = np.eye(3)[[1, 0, 1, 1]] * 0.5 + 0.1
    assert score_probabilities(surest, prepared) == {"accuracy": 0.75}
    for batch_size in (1, 3, 4):
        assert score_split(say(surest), prepared, "classify", batch_size) == {"accuracy": 0.75}
    # The commonest class of train, everywhere: tulip, one of four here.
    train = make_prepared([(10, 10)] * 3, [], ["tulip", "rose", "tulip"])
    assert score_trivial(train, prepared, "classify") == {"accuracy": 0.25}


def test_the_main_score_is_the_one_that_models_are_compared_by() -> None:
    prepared = draw_prepared()
    predict = answer(prepared, 1.0, 3)
    short = score_split(predict, prepared, "detect", 4)
    assert make_score(prepared, "detect", 4)(predict) == short[MAIN_SCORE["detect"]] == short["mAP_50_95"]
    assert next(iter(short)) == MAIN_SCORE["detect"]  # fine-tuning decides by the first
    sure = np.eye(3)[prepared.class_labels()]
    assert make_score(prepared, "classify", 5)(say(sure)) == 1.0


@pytest.mark.parametrize(
    ("count", "rows"), [(1, [0]), (3, [0, 6, 11]), (12, list(range(12))), (99, list(range(12)))]
)
def test_pictures_are_spread_over_the_split(count: int, rows: list[int]) -> None:
    pixels = spread_pixels(draw_prepared(), count)
    assert pixels.dtype == np.float32
    assert pixels.shape[1:] == (SIDE, SIDE, 3)
    # 0 to 11 in two steps of 5.5, to the even neighbour
    assert pixels[:, 0, 0, 0].tolist() == rows


def test_scores_as_a_table() -> None:
    table = tabulate_scores({"head": {"mAP_50": 0.5, "mAP_75": 0.25}, "kept": {"mAP_50": 0.75}}, "valid")
    wanted = [
        ("head", "valid", "mAP_50", 0.5),
        ("head", "valid", "mAP_75", 0.25),
        ("kept", "valid", "mAP_50", 0.75),
    ]
    pd.testing.assert_frame_equal(table, pd.DataFrame(wanted, columns=["model", "split", "metric", "value"]))


def test_a_localiser_is_compared_by_one_score_only() -> None:
    """Fine-tuning keeps what has the higher mAP; a lower accuracy is then no reason to stop."""
    from glasshouse.quality.learning import compare_models

    scores = {
        "head": {"mAP_50_95": 0.4, "mAP_50": 0.6, "accuracy": 0.9, "mean_iou": 0.5},
        "kept": {"mAP_50_95": 0.5, "mAP_50": 0.7, "accuracy": 0.8, "mean_iou": 0.6},
    }
    compared = compare_models(tabulate_scores(scores, "valid"))
    assert compared["metric"].tolist() == [MAIN_SCORE["localize"]]
    assert compared[["head", "kept"]].to_numpy().tolist() == [[0.4, 0.5]]
