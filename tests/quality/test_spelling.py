"""Class names that are one name spelt in two ways, and pairs that only look so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.quality.spelling import count_edits, find_typos

WORDS = st.text("abc", max_size=6)

COCO_NEIGHBOURS = [
    *("cat", "car", "cow", "cup", "cake", "bear", "bed", "bench", "boat", "bowl", "bottle", "book", "bus"),
    *("tie", "tv", "toilet", "toaster", "toothbrush", "train", "truck", "teddy_bear", "traffic_light"),
    *("mouse", "kite", "knife", "skis", "sink", "sheep", "spoon", "horse", "hot_dog", "hair_drier", "orange"),
    *(
        "baseball_bat",
        "baseball_glove",
        "skateboard",
        "surfboard",
        "snowboard",
        "keyboard",
        "apple",
        "airplane",
    ),
]


@pytest.mark.parametrize(
    ("typo", "meant", "counts"),
    [
        ("Rose", "rose", (40, 50)),  # case alone, however frequent
        ("red rose", "red_rose", (40, 50)),
        ("Red-Rose", "redrose", (1, 50)),
        ("\uff43\uff41\uff54", "cat", (1, 50)),  # full width
        ("tuilp", "tulip", (2, 50)),  # transposed
        ("tulp", "tulip", (1, 50)),  # left out
        ("tullip", "tulip", (1, 50)),  # doubled
        ("tukip", "tulip", (1, 50)),  # the neighbouring key
        ("tulips", "tulip", (1, 50)),
        ("dnadeloin", "dandelion", (1, 50)),  # two slips in a long word
        ("WCB", "WBC", (1, 340)),
        ("caat", "cat", (1, 5)),
        ("speed limt 30", "speed limit 30", (1, 50)),
        ("tuilps12", "tulips12", (1, 50)),  # its number is the same
        ("rosse", "rose", (10, 1000)),
    ],
)
def test_a_typo_is_found(typo, meant, counts):
    found = find_typos({typo: counts[0], meant: counts[1], "something else": 50})
    assert {name: pair[0] for name, pair in found.items()} == {typo: meant}


@pytest.mark.parametrize(
    "pictures",
    [
        {"cat": 500, "car": 1},
        {"cat": 50, "cart": 2},
        {"dog": 500, "dot": 1},
        {"1": 100, "2": 1},
        {"class 1": 500, "class 2": 1, "class 11": 2},
        {"speed limit 30": 500, "speed limit 50": 2},
        {"stage II": 300, "stage III": 1},
        {"type a": 300, "type b": 1},
        {"a": 300, "A": 300},  # letters, as in EMNIST
        {"c": 300, "c++": 1, "c#": 2},
        {"typical": 100, "atypical": 1},
        {"infected": 100, "uninfected": 2},
        {"male": 100, "female": 1},
        {"mask": 100, "no mask": 1},
        {"bear": 500, "pear": 1},
        {"tulip": 50, "tulips": 40},  # both frequent: two classes, or a matter for their owner
        {"tulip": 50, "tulpi": 0},  # a class without a picture is another check's business
        {"rose": 4, "roze": 1},  # too few to tell
        {"chrysanthemum": 500, "chrisanthenun": 1},  # three slips are too many in any word
        {"tulips12": 500, "tulips13": 1},
        {"10-12": 100, "1012": 100, "101-2": 1},
        dict.fromkeys(COCO_NEIGHBOURS, 500) | {"toaster": 1, "hair_drier": 1, "bear": 2, "car": 2},
        {"RBC": 4155, "WBC": 3, "Platelets": 361},
    ],
)
def test_names_in_their_own_right_are_left_alone(pictures):
    assert find_typos(pictures) == {}


def test_among_many_classes_slips_are_chance():
    pictures = {f"word {chr(97 + i // 26)}{chr(97 + i % 26)}x": 500 for i in range(101)}
    assert find_typos({**pictures, "tulip": 500, "tuilp": 1}) == {}
    assert list(find_typos({**pictures, "tulip": 500, "Tulip": 1})) == ["Tulip"]


def test_edits_are_counted():
    assert count_edits("ca", "abc") == 3  # optimal string alignment; free transposition would give 2
    assert [count_edits("kitten", "sitting"), count_edits("rsoe", "rose"), count_edits("", "abc")] == [
        3,
        1,
        3,
    ]


@given(WORDS, WORDS, WORDS)
def test_edits_are_a_distance(one, two, three):
    assert count_edits(one, two) == count_edits(two, one)
    assert (count_edits(one, two) == 0) == (one == two)
    assert abs(len(one) - len(two)) <= count_edits(one, two) <= max(len(one), len(two))
    assert count_edits(one + three, two + three) <= count_edits(one, two)
