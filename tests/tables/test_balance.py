"""Repeat factors: golden values, and the laws of LVIS's formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.tables.balance import weigh_pictures


def make_split(*parts: str) -> pd.DataFrame:
    return pd.DataFrame({"image_id": range(1, len(parts) + 1), "split": parts})


def make_classes(*pairs: tuple[int, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["image_id", "class"])


def test_golden_weights() -> None:
    # in train a: 4 of 5 pictures, b: 1, c: 0; the most frequent is a, so r_a = 1, r_b = sqrt(4 / 1) = 2
    split = make_split("train", "train", "train", "train", "train", "test", "valid")
    classes = make_classes((1, "a"), (2, "a"), (3, "a"), (4, "a"), (4, "b"), (6, "b"), (6, "c"), (7, "c"))
    assert weigh_pictures(split, classes, "oversample").tolist() == [1, 1, 1, 2, 1, 1, 1]
    assert weigh_pictures(split, classes, "none").tolist() == [1] * 7


def test_the_picture_with_two_rare_classes_takes_the_rarer() -> None:
    split = make_split(*["train"] * 12)
    classes = make_classes(*((n, "a") for n in range(1, 10)), (10, "b"), (11, "b"), (12, "b"), (12, "c"))
    weights = weigh_pictures(split, classes, "oversample")
    assert weights[9:] == pytest.approx([np.sqrt(3), np.sqrt(3), 3.0])  # 9 / 3, 9 / 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["train", "valid", "test"]), st.sets(st.sampled_from("abcd")))))
def test_weights_are_one_outside_train_and_at_most_the_root_of_the_pictures(
    pictures: list[tuple[str, set[str]]],
) -> None:
    split = make_split(*(part for part, _ in pictures))
    pairs = [(number, name) for number, (_, names) in enumerate(pictures, 1) for name in sorted(names)]
    weights = weigh_pictures(split, make_classes(*pairs), "oversample")
    trains = (split["split"] == "train").to_numpy()
    assert (weights[~trains] == 1).all()
    assert (weights >= 1).all() and (weights <= max(1.0, np.sqrt(trains.sum()))).all()
    # the naive formula, class by class
    counts = {c: sum(t and c in n for t, (_, n) in zip(trains, pictures, strict=True)) for c in "abcd"}
    for weight, train, (_, names) in zip(weights, trains, pictures, strict=True):
        factors = [np.sqrt(max(counts.values()) / counts[name]) for name in names] if train else []
        assert weight == pytest.approx(max([1.0, *factors]))
