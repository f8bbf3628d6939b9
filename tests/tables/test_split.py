"""Splits: sizes, strata, near copies, stability, and TFDS's own slices example for example."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.tables.schema import build_frame, check_schema
from glasshouse.tables.split import SplitError, round_share, slice_in_order, split_pictures

TFDS_SHARES = [(0.10, 0.15), (0.1, 0.2), (0.05, 0.05), (0.25, 0.25), (0.33, 0.33), (0.5, 0.25), (0.29, 0.28)]


def how(**changes: object) -> SimpleNamespace:
    return SimpleNamespace(
        **{"method": "stratified", "test": 0.1, "valid": 0.15, "near_copy_bits": 6} | changes
    )


def digest(content: object) -> str:
    return hashlib.sha256(str(content).encode()).hexdigest()


def list_images(labels: list[str | None], contents: list[object] | None = None) -> pd.DataFrame:
    """Images of these contents; the perceptual hash follows the content's part before a colon."""
    contents = contents or list(range(len(labels)))
    rows = [
        (row + 1, f"{row}.png", digest(content), digest(str(content).split(":")[0])[:16], 9, 9, "RGB", label)
        for row, (label, content) in enumerate(zip(labels, contents, strict=True))
    ]
    return build_frame(rows, "images")


def list_objects(classes: list[list[int]], crowds: bool = False) -> pd.DataFrame:
    rows, boxes = [], (0.0, 0.0, 5.0, 5.0)
    for image_id, numbers in enumerate(classes, 1):
        rows += [(image_id, number, *boxes, crowds, None) for number in numbers]
    return build_frame([(row, *values) for row, values in enumerate(rows, 1)], "objects")


NO_OBJECTS = list_objects([])
RARE_COPIES = ["x:1", "x:2", "x:3", "x:4", *range(96)]


def count(table: pd.DataFrame) -> dict[str, int]:
    return table["split"].value_counts().to_dict()


def test_default_sizes_are_exact() -> None:
    labels = [None if row % 17 == 0 else "abcde"[row * row % 5] for row in range(1600)]
    table = split_pictures(list_images(labels), NO_OBJECTS, how(), 7)
    check_schema(table, "split")
    assert count(table) == {"test": 160, "valid": 240, "train": 1200}
    assert table["image_id"].tolist() == list(range(1, 1601))
    assert table["group"].tolist() == table["image_id"].tolist()


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(3, 60), min_size=1, max_size=6),
    st.sampled_from([(0.1, 0.15), (0.2, 0.2), (0.3, 0.1), (0.05, 0.5)]),
    st.integers(0, 5),
)
def test_totals_are_exact_and_every_stratum_has_about_its_share(
    sizes: list[int], shares: tuple[float, float], seed: int
) -> None:
    labels = [f"c{number}" for number, size in enumerate(sizes) for _ in range(size)]
    images, total = list_images(list(labels)), len(labels)
    if min(round_share(share, total) for share in shares) < len(sizes):
        return
    table = split_pictures(images, NO_OBJECTS, how(test=shares[0], valid=shares[1]), seed)
    counts = count(table)
    assert counts["test"] == round_share(shares[0], total) and counts["valid"] == round_share(
        shares[1], total
    )
    per_class = pd.crosstab(images["label"].astype(object), table["split"])
    assert (per_class > 0).all().all()
    forced = sum(size * min(shares) < 1 for size in sizes)
    for name, share in zip(("test", "valid"), shares, strict=True):
        wanted = per_class.sum(axis=1) * share
        assert ((per_class[name] - wanted).abs() <= 1 + forced).all()


@pytest.mark.parametrize("test, valid", TFDS_SHARES)
def test_ordered_equals_tfds_percent_slices(test: float, valid: float) -> None:
    splits = pytest.importorskip("tensorflow_datasets.core.splits", reason="needs tensorflow-datasets")
    first, second = round(test * 100), round((test + valid) * 100)
    slices = {"test": (None, first), "valid": (first, second), "train": (second, None)}
    for pictures in (*range(1, 102), 1600, 3670):
        info = splits.SplitInfo(name="train", shard_lengths=[pictures], num_bytes=0)
        expected = np.full(pictures, "", object)
        for name, (start, stop) in slices.items():
            (piece,) = splits.ReadInstruction("train", start, stop, "%").to_absolute({"train": info})
            expected[piece.from_ : piece.to] = name
        assert slice_in_order(pictures, {"test": test, "valid": valid}).tolist() == expected.tolist()


def test_ordered_is_by_image_id_and_shows_the_copies_it_tears_apart() -> None:
    images = list_images([None] * 20, [*range(19), 0]).iloc[::-1]
    table = split_pictures(images, NO_OBJECTS, how(method="ordered"), 7)
    assert table["split"].tolist() == ["test"] * 2 + ["valid"] * 3 + ["train"] * 15
    assert table["group"].tolist() == [*range(1, 20), 1]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(15, 60), st.integers(60, 160))
def test_near_copies_are_never_torn_apart(seed: int, motifs_most: int, pictures: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = list(zip(rng.integers(0, motifs_most, pictures), rng.integers(0, 4, pictures), strict=True))
    # content "motif:variant": one motif is one perceptual hash, one content one file
    images = list_images([None] * len(pairs), [f"{motif}:{variant}" for motif, variant in pairs])
    table = split_pictures(images, NO_OBJECTS, how(test=0.2, valid=0.2), seed)
    assert (table.groupby("group")["split"].nunique() == 1).all()
    motifs = pd.Series([motif for motif, _ in pairs])
    assert (table["group"].groupby(motifs).nunique() == 1).all()
    assert table["group"].nunique() == motifs.nunique()
    assert (table["group"] == table.groupby("group")["image_id"].transform("min")).all()
    largest = motifs.value_counts().max()
    for name in ("test", "valid"):
        assert abs(count(table)[name] - 0.2 * len(pairs)) <= max(largest, 2)


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_data_of_copies_only_still_has_its_shares(copies: int) -> None:
    contents = [f"{row // copies}:{row % copies}" for row in range(600)]
    images = list_images(["ab"[row // copies % 2] for row in range(600)], contents)
    counts = count(split_pictures(images, NO_OBJECTS, how(), 7))
    assert abs(counts["test"] - 60) <= copies and abs(counts["valid"] - 90) <= copies


def test_a_long_burst_goes_to_train_and_the_sizes_stay_exact() -> None:
    contents = [f"burst:{row}" for row in range(100)] + list(range(900))
    for seed in range(5):
        table = split_pictures(list_images([None] * 1000, contents), NO_OBJECTS, how(), seed)
        assert set(table["split"][:100]) == {"train"}
        assert count(table) == {"test": 100, "valid": 150, "train": 750}


def test_names_and_order_do_not_decide_but_seed_and_content_do() -> None:
    images = list_images(["a", "b"] * 100)
    plain = split_pictures(images, NO_OBJECTS, how(), 7).set_index("image_id")["split"]
    shuffled = images.sample(frac=1, random_state=0).reset_index(drop=True)
    renamed = shuffled.assign(image_id=range(1, 201), file_name="x")
    again = split_pictures(renamed, NO_OBJECTS, how(), 7)["split"]
    assert again.tolist() == plain[shuffled["image_id"]].tolist()
    other = split_pictures(images, NO_OBJECTS, how(), 8)["split"]
    assert (other.to_numpy() != plain.to_numpy()).sum() > 30


@pytest.mark.parametrize("added, most_moved", [(1, 8), (16, 30), (160, 80)])
def test_adding_pictures_moves_few_of_the_old(added: int, most_moved: int) -> None:
    labels = ["abcde"[row % 5] for row in range(1600 + added)]
    moved = []
    for seed in range(4):
        old = split_pictures(list_images(labels[:1600]), NO_OBJECTS, how(), seed)["split"]
        new = split_pictures(list_images(labels), NO_OBJECTS, how(), seed)["split"][:1600]
        moved.append(int((old != new).sum()))
    # a fresh shuffle would move about 1600 * (1 - 0.1 ** 2 - 0.15 ** 2 - 0.75 ** 2) = 648
    assert max(moved) <= most_moved


def test_detection_strata_are_the_rarest_class() -> None:
    # class 1 in every picture, class 2 in 20 of 200
    classes = [[1, 1, 2] if row % 10 == 0 else [1, 1] for row in range(200)]
    for seed in range(5):
        table = split_pictures(list_images([None] * 200), list_objects(classes), how(), seed)
        rare = table["split"][::10].value_counts().to_dict()
        assert rare == {"test": 2, "valid": 3, "train": 15}
        assert count(table) == {"test": 20, "valid": 30, "train": 150}


def test_pictures_without_objects_are_a_stratum() -> None:
    objects = list_objects([[1] if row < 60 else [] for row in range(100)])
    table = split_pictures(list_images([None] * 100), objects, how(), 7)
    assert table["split"][60:].value_counts().to_dict() == {"test": 4, "valid": 6, "train": 30}


def test_a_class_with_three_pictures_is_in_every_split() -> None:
    table = split_pictures(list_images(["rare"] * 3 + ["often"] * 97), NO_OBJECTS, how(), 7)
    assert sorted(table["split"][:3]) == ["test", "train", "valid"]
    assert count(table) == {"test": 10, "valid": 15, "train": 75}


@pytest.mark.parametrize(
    "labels, contents, changes, message",
    [
        (["rare"] * 2 + ["often"] * 98, None, {}, r"rare \(2 in all\) in"),
        (["rare"] * 4 + ["often"] * 96, RARE_COPIES, {}, r"rare \(4 in all\) in test and valid"),
        ([f"c{row % 20}" for row in range(100)], None, {}, "Classes without a picture: c"),
        (sorted("ab" * 50), None, {"method": "ordered"}, r"picture: b \(50 in all\) in test and valid\."),
        (["a"] * 4, None, {}, "No picture of 4 is left for test"),
        (["a"] * 4, None, {"test": 0.5, "valid": 0.5, "method": "ordered"}, "left for train"),
        (["a"] * 40, None, {"method": "magic"}, "stratified or ordered. Got 'magic'"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_named(
    labels: list[str | None], contents: list[object] | None, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SplitError, match=message):
        split_pictures(list_images(labels, contents), NO_OBJECTS, how(**changes), 7)


def test_a_class_of_objects_in_two_pictures_is_named() -> None:
    objects = list_objects([[1, 2, 2], [1, 2], *[[1]] * 58])
    categories = build_frame([(1, "rose"), (2, "tulip")], "categories")
    with pytest.raises(SplitError, match=r"fewer pictures than the 3 splits .*tulip \(2\)"):
        split_pictures(list_images([None] * 60), objects, how(), 7, categories)
    with pytest.raises(SplitError, match=r"category 2 \(2\)"):
        split_pictures(list_images([None] * 60), objects, how(), 7)
