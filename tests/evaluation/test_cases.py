from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glasshouse.evaluation import gallery
from glasshouse.evaluation.cases import Case, Kind, Mark, choose_cases, classification_cases, detection_cases
from glasshouse.evaluation.coco_files import CocoArrays
from glasshouse.evaluation.gallery import COLOURS, contact_sheet, draw_case, jpeg_bytes, shorten
from glasshouse.metrics.confusion import pair_boxes
from glasshouse.metrics.overlap import Detections, Objects

IMAGES = pd.DataFrame({"image_id": [4, 9], "file_name": ["a.jpg", "b.jpg"]})


def two_pictures() -> list[Case]:
    """Picture 4: a rose found, a tulip missed, a box too many. Picture 9: a rose taken for a tulip."""
    objects = Objects(
        np.array([4, 4, 9]),
        np.array([1, 2, 1]),
        np.array([[10, 10, 20, 20], [60, 60, 20, 20], [0, 0, 40, 40]], dtype=np.float64),
        np.zeros(3, dtype=bool),
    )
    detections = Detections(
        np.array([4, 4, 9]),
        np.array([1, 1, 2]),
        np.array([0.9, 0.5, 0.8]),
        np.array([[10, 10, 20, 20], [60, 10, 20, 20], [0, 0, 40, 40]], dtype=np.float64),
    )
    shown = CocoArrays(objects, detections, np.array([4, 9]), {1: "rose", 2: "tulip"})
    return detection_cases(IMAGES, shown, pair_boxes(objects, detections))


def test_what_happened_is_told_for_each_picture() -> None:
    first, second = two_pictures()
    assert (first.image_id, first.file_name, first.summary) == (4, "a.jpg", "1 right, 1 wrong, 1 missed")
    assert [(mark.kind, mark.text) for mark in first.marks] == [
        ("truth", ""),
        ("missed", "missed tulip"),
        ("right", "rose 0.90"),
        ("wrong", "rose 0.50, wrong"),
    ]
    assert (second.summary, second.marks[1].text) == ("1 wrong", "tulip 0.80, is rose")
    # What the network answered, by class index; the truth's marks are no answers.
    assert [(mark.answer, mark.score) for mark in first.marks[2:]] == [(0, 0.9), (0, 0.5)]
    assert [mark.answer for mark in (*first.marks[:2], *second.marks)] == [None, None, None, 1]
    assert first.badness > second.badness > 0


def test_where_nothing_went_wrong_there_is_no_badness() -> None:
    """Picture 4: a rose found, a crowd of tulips with a box on it. Picture 9: nothing."""
    boxes = np.array([[10, 10, 20, 20], [50, 50, 40, 40]], dtype=np.float64)
    objects = Objects(np.array([4, 4]), np.array([1, 2]), boxes, np.array([False, True]))
    detections = Detections(np.array([4, 4]), np.array([1, 2]), np.array([0.9, 0.7]), boxes)
    shown = CocoArrays(objects, detections, np.array([4, 9]), {1: "rose", 2: "tulip"})
    first, second = detection_cases(IMAGES, shown, pair_boxes(objects, detections))
    assert (first.summary, first.badness) == ("1 right", 0.0)
    assert [(mark.kind, mark.text) for mark in first.marks] == [
        *(("truth", ""), ("crowd", "crowd of tulip"), ("right", "rose 0.90"), ("crowd", "tulip 0.70")),
    ]
    assert (second.summary, second.badness, second.marks) == ("no objects", 0.0, ())


def test_of_as_many_mistakes_the_surest_one_decides() -> None:
    objects = Objects(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, dtype=bool))
    boxes = np.tile([[10.0, 10, 20, 20], [60, 60, 20, 20]], (2, 1))
    scores = np.array([0.6, 0.5, 0.9, 0.3])
    detections = Detections(np.array([4, 4, 9, 9]), np.ones(4, int), scores, boxes)
    shown = CocoArrays(objects, detections, np.array([4, 9]), {1: "rose"})
    cases = detection_cases(IMAGES, shown, pair_boxes(objects, detections))
    # Two boxes too many in each, and half the score of the surest: 0.6 / 2 and 0.9 / 2.
    assert [case.badness for case in cases] == pytest.approx([2.3, 2.45])
    assert [case.image_id for case in choose_cases(cases, 4)[0]] == [9, 4]


def test_classified_pictures_are_worst_where_the_truth_got_least() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    right, wrong = classification_cases(IMAGES, np.array([0, 1]), probabilities, ["rose", "tulip"])
    assert [(case.image_id, case.file_name) for case in (right, wrong)] == [(4, "a.jpg"), (9, "b.jpg")]
    assert (right.badness, right.marks[0].kind, right.marks[0].text) == (0.0, "right", "rose 0.90")
    assert (wrong.badness, wrong.marks[0].kind, wrong.marks[0].text) == (0.8, "wrong", "rose 0.80, is tulip")


@pytest.mark.parametrize(
    ("pictures", "bad", "count"), [(30, 20, 12), (30, 2, 12), (5, 0, 12), (3, 3, 4), (0, 0, 4)]
)
def test_choice_is_worst_first_then_spread_without_doubles(pictures: int, bad: int, count: int) -> None:
    cases = [Case(number, "", float(max(bad - number, 0)), "", ()) for number in range(pictures)]
    worst, typical = choose_cases(cases[::-1], count)
    ids = [case.image_id for case in worst + typical]
    assert [case.image_id for case in worst] == list(range(min(bad, (count + 1) // 2)))
    assert len(ids) == len(set(ids)) == min(count, pictures)
    if pictures > count:
        assert typical[-1].image_id == pictures - 1


def test_boxes_are_drawn_where_they_lie_at_three_times_the_size() -> None:
    first, _ = two_pictures()
    image = draw_case(np.zeros((100, 120, 3), dtype=np.uint8), first)
    assert image.size == (360, 300)
    # The right box covers x 10..30, y 10..30: its lower right corner is drawn at (89, 89), just inside 90.
    assert image.getpixel((89, 89)) == COLOURS["right"]
    assert image.getpixel((91, 60)) == image.getpixel((60, 91)) == (0, 0, 0)
    assert image.getpixel((239, 89)) == COLOURS["wrong"]
    assert jpeg_bytes(image) == jpeg_bytes(draw_case(np.zeros((100, 120, 3), dtype=np.uint8), first))


@pytest.mark.parametrize("side", [28, 32])
def test_words_leave_most_of_a_tiny_picture_to_see(side: int) -> None:
    mark = Mark("wrong", "T-shirt 0.91, is Pullover", None, 0, 0.91)
    image = draw_case(np.zeros((side, side, 3), dtype=np.uint8), Case(1, "", 0.0, "", (mark,)))
    assert image.size == ({28: 336, 32: 320}[side],) * 2  # 12 and 10 times
    covered = (np.asarray(image) == COLOURS["wrong"]).all(axis=-1)
    assert 0.02 < covered.mean() < 0.1
    assert not covered[2:-2, -20:-2].any()  # the words end inside


@pytest.mark.parametrize(
    ("side", "drawn"), [(60, 360), (128, 384), (160, 320), (319, 638), (320, 320), (480, 480), (1000, 480)]
)
def test_small_pictures_are_enlarged_by_whole_factors_and_large_ones_reduced(side: int, drawn: int) -> None:
    image = draw_case(np.zeros((side // 2, side, 3), dtype=np.uint8), Case(1, "", 0.0, "", ()))
    assert image.width == drawn


def paint(kind: Kind, *marks: Mark) -> np.ndarray:
    """What is in a kind's colour of a picture of 60 x 60 px, drawn six times as large: (360, 360) bool."""
    image = draw_case(np.zeros((60, 60, 3), dtype=np.uint8), Case(1, "", 0.0, "", marks))
    return (np.asarray(image) == COLOURS[kind]).all(axis=-1)


def test_words_do_not_hide_each_other() -> None:
    box = (10.0, 20.0, 20.0, 20.0)  # drawn: rows 120..239; the words 16 high above them, or below
    first, second = Mark("wrong", "rose 0.90", box), Mark("right", "tulip 0.80", box)
    alone, beside = paint("right", second), paint("right", first, second)
    assert alone[104:120].any() and not alone[240:].any()
    assert beside[240:256].any() and not beside[:120].any()
    assert (paint("wrong", first, second)[104:120] == paint("wrong", first)[104:120]).all()


def test_long_words_lose_their_middle_and_stay_inside() -> None:
    words = "a rose of a very long name that no picture has room for 0.91"
    painted = paint("missed", Mark("missed", words, (50.0, 48.0, 8.0, 8.0)))
    rows = painted[336:352]  # below the box, which ends at 48 + 8 px, six times as large
    assert rows[:, np.flatnonzero(rows.any(axis=0))[[1, -2]]].all()  # letters end before their ground does
    assert shorten(words, lambda shown: len(shown) <= 20) == "a rose of...for 0.91"
    assert shorten("ab", bool) == "ab"


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (2000, 3000), (160, 160)])
def test_pictures_of_any_size_are_drawn(size: tuple[int, int]) -> None:
    first, second = two_pictures()
    drawn = [draw_case(np.full((*size, 3), 200, dtype=np.uint8), case) for case in (first, second)]
    assert max(drawn[0].size) <= 960
    assert min(drawn[0].size) >= 1
    sheet = contact_sheet(drawn, columns=6)
    assert sheet.size == (2 * max(drawn[0].size), max(drawn[0].size))


def test_a_sheet_too_high_for_jpeg_becomes_a_square() -> None:
    dots = [Image.new("RGB", (1, 1), (200, 0, 0))] * (6 * 65_500)
    assert contact_sheet(dots).size == (6, 65_500)  # the highest there is, as ever
    higher = contact_sheet([*dots, dots[0]])
    assert higher.size == (627, 627)  # 626 * 626 = 391,876 places are too few for 393,001 pictures
    assert jpeg_bytes(higher).startswith(b"\xff\xd8")


def test_what_a_square_sheet_has_no_room_for_is_drawn_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "JPEG_SIDE_PX", 100)
    monkeypatch.setattr(gallery, "SQUARE_SIDE_PX", 60)
    images = [Image.new("RGB", (30, 10), (200, 0, 0))] * 10
    sheet = np.asarray(contact_sheet(images, columns=2))  # 5 rows of 30 px each would be 150 px high
    assert sheet.shape == (45, 60, 3)  # places of 60 / 4 = 15 px, 4 a row; pictures of 15 * 5 px
    red = (sheet == (200, 0, 0)).all(axis=2)
    assert red[5:10].all() and red.sum() == 10 * 15 * 5
    assert images[0].size == (30, 10)
    assert contact_sheet(images[:1] * 2, columns=2).size == (60, 30)
    assert contact_sheet([Image.new("RGB", (200, 1))]).size == (60, 60)  # too wide all by itself


def test_an_empty_sheet_is_still_a_picture() -> None:
    assert jpeg_bytes(contact_sheet([])).startswith(b"\xff\xd8")
