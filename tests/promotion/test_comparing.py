"""Networks on test pictures: sizes, class lists, pictures that a champion knows."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glasshouse.inputs.prepare import write_prepared
from glasshouse.inputs.prepared import open_prepared
from glasshouse.params import Preprocess, read_params
from glasshouse.promotion.comparing import MIN_UNSEEN, choose_pictures
from glasshouse.promotion.pictures import TestSet, prepare_test, read_test
from glasshouse.promotion.scoring import Answers, NotFinite, ask, make_score, score_classes
from glasshouse.sources.example import Example
from glasshouse.tables.gather import write_raw
from glasshouse.tables.schema import build_frame, write_table

COLOURS = ("red", "green", "blue")
Make = Callable[..., Any]


class Strips:
    """Three pictures of noise, 30 x 10 (width x height)."""

    categories, faults = ("red",), ()

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[Example]:
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (10, 30, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            yield Example(f"{number}.png", buffer.getvalue(), "red", ())


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


def test_a_localizer_is_scored_over_the_pictures_with_an_object(scored: Make) -> None:
    """Off by a pixel as above: every class is right, the IoU 81 / 119, also where every fourth picture lacks
    its object. Where red is called blue and blue red, green alone is right."""
    test, answers = scored("detect", 32 / 20)
    surest = dataclasses.replace(answers, task="localize")
    here = test.images["image_id"][::4]
    bare = dataclasses.replace(test, objects=test.objects[~test.objects["image_id"].isin(here)])
    for each in (test, bare):
        assert whole("accuracy", each, surest) == 1.0
        assert whole("mean_iou", each, surest) == pytest.approx(81 / 119)
    _, turned = scored("detect", 32 / 20, ("blue", "green", "red"))
    green = np.mean(test.images["label"] == "green")
    turned = dataclasses.replace(turned, task="localize")
    assert whole("accuracy", test, turned) == pytest.approx(green)
    assert whole("mean_iou", test, turned) == pytest.approx(81 / 119)


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


def test_a_classifier_of_fewer_classes_than_registered(
    offline_house: Any, writers: Any, tmp_path: Path
) -> None:
    test, present = read_test(offline_house.root), read_params(offline_house.root / "params.yaml").preprocess
    prepared = prepare_test(offline_house.root, test, present.model_dump(mode="json"), present, tmp_path)
    writers["classify"](tmp_path / "x.onnx", 0.0, 3)
    with pytest.raises(ValueError, match="The network has 3 classes, but 4 were registered"):
        ask(tmp_path / "x.onnx", prepared, "classify", (*COLOURS, "violet"), 8)


def test_a_picture_without_a_label_cannot_be_scored_by_class(scored: Make) -> None:
    test, answers = scored("classify", 0.0)
    images = test.images.copy()
    images.loc[[3, 5], "label"] = None
    with pytest.raises(ValueError, match=f"2 test pictures have no class label, first {images.file_name[3]}"):
        score_classes(dataclasses.replace(test, images=images), answers)


def test_some_of_the_test_pictures_keep_their_keys_and_classes_stand_by_their_number(
    offline_house: Any,
) -> None:
    test = read_test(offline_house.root)
    kept = np.arange(len(test.images)) % 3 == 1
    some = test.take(kept)
    assert some.keys == tuple(digest[:16] for digest in some.images["sha256"])
    assert len(some.keys) == kept.sum() and set(some.objects["image_id"]) == set(some.images["image_id"])
    turned = dataclasses.replace(test, categories=test.categories[::-1])
    assert turned.names == test.names == list(COLOURS)


@pytest.mark.parametrize("resize", ["letterbox", "crop", "stretch"])
def test_at_another_size_pictures_are_prepared_as_the_stage_prepares_them(
    resize: str, offline_house: Any, tmp_path: Path
) -> None:
    """The reference: `preprocess` itself, on pictures that are wider than high."""
    root, present = tmp_path / "wide", read_params(offline_house.root / "params.yaml").preprocess
    write_raw(Strips(), root / "data/raw")
    parts = {1: "test", 2: "train", 3: "test"}
    split = build_frame([(number, part, number, 1.0) for number, part in parts.items()], "split")
    write_table(split, "split", root / "data/split.parquet")
    wanted = Preprocess(height_px=48, width_px=64, resize=resize, pad_value=7)  # type: ignore[arg-type]
    write_prepared(root / "data/raw", split, wanted, tmp_path / "stage")
    stage = open_prepared(tmp_path / "stage", "test")
    found = prepare_test(root, read_test(root), wanted.model_dump(mode="json"), present, tmp_path / "asked")
    pd.testing.assert_frame_equal(found.images, stage.images)
    sizes = found.images[["image_id", "width_px", "height_px"]].to_numpy().tolist()
    assert sizes == [[1, 30, 10], [3, 30, 10]]
    rows = np.arange(2)
    np.testing.assert_array_equal(found.pixels.gather(rows), stage.pixels.gather(rows))


def a_test(labels: list[str]) -> Any:
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


def test_a_known_picture_of_a_class_that_does_not_count_is_no_matter(make_facts: Make) -> None:
    """40 pictures of the common class, 10 of a new one; the champion knows some of each."""
    test = a_test(["red"] * 40 + ["pink"] * 10)
    challenger = make_facts(task="classify", classes=("red", "pink"))
    champion = make_facts(task="classify", classes=("red",))
    told = "compared on the 1 classes that both know (new pink)"
    fair, notes = choose_pictures(test, {"train": [*test.keys[40:]]}, ["red"], challenger, champion)
    assert fair.tolist() == [True] * 40 + [False] * 10 and notes == (told,)
    fair, notes = choose_pictures(test, {"train": [*test.keys[35:45]]}, ["red"], challenger, champion)
    assert fair.tolist() == [True] * 35 + [False] * 15
    known = "the champion has trained or validated on 5 of 40 test pictures: they are left out"
    assert notes == (told, known)


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
