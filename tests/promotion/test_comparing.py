"""Networks on test pictures: sizes, class lists, pictures that a champion knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.params import read_params
from glasshouse.promotion.comparing import MIN_UNSEEN, choose_pictures
from glasshouse.promotion.pictures import TestSet, prepare_test, read_test
from glasshouse.promotion.scoring import Answers, NotFinite, ask, make_score, score_classes

COLOURS = ("red", "green", "blue")
Make = Callable[..., Any]


@pytest.fixture
def scored(offline_house: Any, writers: Any, tmp_path: Path) -> Callable[..., tuple[TestSet, Answers]]:
    """A made network asked at any size."""
    test, present = read_test(offline_house.root), read_params(offline_house.root / "params.yaml").preprocess

    def run(
        task: str, quality: float, names: tuple[str, ...] = COLOURS, side: int = 32, **wanted: Any
    ) -> Any:
        network = tmp_path / f"{side}.onnx"
        writers[task](network, quality, len(names), side)
        block = {**present.model_dump(mode="json"), "height_px": side, "width_px": side, **wanted}
        prepared = prepare_test(offline_house.root, test, block, present, tmp_path / f"{side}{wanted}")
        return test, ask(network, prepared, task, names, 16)

    return run


def whole(metric: str, test: TestSet, answers: Answers) -> float:
    return float(make_score(metric, test, answers, COLOURS)(np.ones((1, len(test.images))))[0])


def test_a_box_off_by_a_pixel_at_any_size(scored: Make) -> None:
    """Objects are 10 px wide in pictures of 20. A shift of s px both ways leaves (10-s)^2 of 200-(10-s)^2 px:
    s = 1 gives IoU 0.681, which 4 of the 10 thresholds (0.50 .. 0.65) allow."""
    for side, wanted in ((32, {}), (64, {}), (96, {"resize": "stretch"})):
        test, answers = scored("detect", side / 20, side=side, **wanted)
        assert whole("mAP_50_95", test, answers) == pytest.approx(0.4)
        assert whole("mAP_50", test, answers) == pytest.approx(1.0)
        assert score_classes(test, answers) == pytest.approx(dict.fromkeys(COLOURS, 0.4))


def test_classes_are_found_by_name(scored: Make) -> None:
    test, answers = scored("classify", 0.0)
    assert whole("accuracy", test, answers) == 1.0
    assert score_classes(test, answers) == dict.fromkeys(COLOURS, 1.0)
    _, turned = scored("classify", 0.0, ("green", "red", "blue"))
    assert whole("accuracy", test, turned) == pytest.approx(np.mean(test.images["label"] == "blue"))
    _, other = scored("classify", 0.0, ("red", "green", "violet"))  # violet is no class any more
    assert score_classes(test, other) == {"red": 1.0, "green": 1.0, "blue": 0.0}
    assert set(other.table["category_id"]) == {1, 2, -1}
    _, boxes = scored("detect", 0.0, ("violet", "green", "blue"))
    assert score_classes(test, boxes) == {"red": 0.0, "green": 1.0, "blue": 1.0}


def test_a_class_without_test_objects_has_no_score(scored: Make) -> None:
    test, answers = scored("detect", 0.0)
    some = test.take((test.images["label"] != "red").to_numpy())
    assert np.isnan(score_classes(some, answers)["red"])
    plain = Answers("classify", answers.table[["image_id", "category_id"]])
    assert np.isnan(score_classes(some, plain)["red"])


def test_answers_that_are_no_numbers_or_of_no_class(scored: Make) -> None:
    with pytest.raises(NotFinite, match="output 'boxes' holds NaN or infinity"):
        scored("detect", float("nan"))
    with pytest.raises(NotFinite, match="output 'probabilities'"):
        scored("classify", float("nan"))
    with pytest.raises(ValueError, match="The network has 3 classes, but 2 were registered"):
        scored("detect", 0.0, ("red", "green"))


def test_a_network_of_another_size_than_registered(offline_house: Any, writers: Any, tmp_path: Path) -> None:
    test, present = read_test(offline_house.root), read_params(offline_house.root / "params.yaml").preprocess
    prepared = prepare_test(offline_house.root, test, present.model_dump(mode="json"), present, tmp_path)
    writers["detect"](tmp_path / "x.onnx", 0.0, 3, 64)
    with pytest.raises(
        ValueError, match=r"takes pictures of \[64, 64\] px .* registered with preprocess \[32, 32\]"
    ):
        ask(tmp_path / "x.onnx", prepared, "detect", COLOURS, 8)


def a_test(labels: list[str]) -> Any:
    import pandas as pd

    keys = tuple(f"{number:016x}" for number in range(len(labels)))
    return SimpleNamespace(images=pd.DataFrame({"label": labels}), keys=keys)


@pytest.mark.parametrize(
    ("known", "left", "words"),
    [(0, 40, None), (10, 30, "10 of 40 test pictures: they are left out"), (11, 40, "favours the champion")],
)
def test_pictures_that_the_champion_has_trained_on(
    known: int, left: int, words: str | None, make_facts: Make
) -> None:
    test = a_test(["red"] * 40)
    seen = {"train": list(test.keys[: known // 2]), "valid": list(test.keys[known // 2 : known]), "test": []}
    fair, notes = choose_pictures(test, seen, list(COLOURS), make_facts(), make_facts())
    assert MIN_UNSEEN == 30
    assert fair.sum() == left
    assert [words in note for note in notes] == [True] if words else notes == ()


def test_what_differs_is_told(make_facts: Make) -> None:
    challenger = make_facts(task="classify", classes=("red", "pink"), test="u")
    champion = make_facts(task="classify", preprocess={"height_px": 64})
    fair, notes = choose_pictures(a_test(["red", "pink", "red"]), {}, ["red"], challenger, champion)
    assert fair.tolist() == [True, False, True]
    assert notes == (
        "the test pictures or labels are others than when the champion was made",
        "the champion was asked at its own picture size",
        "compared on the 1 classes that both know (new pink; lost green, blue)",
    )
