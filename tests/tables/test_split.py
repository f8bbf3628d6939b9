"""Splits: sizes, strata, groups, stability, given splits, and TFDS's own slices example for example."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.pictures.fingerprint import FLAT_PHASH
from glasshouse.tables.line import SLACK, Line, find_keys, line_up, take_share
from glasshouse.tables.schema import check_schema
from glasshouse.tables.split import SplitError, round_share, slice_in_order, split_pictures
from glasshouse.tables.strata import find_groups, list_classes

from .pictures import CATEGORIES, count, how, list_images, list_objects, split_of

TFDS_SHARES = [
    *((0.10, 0.15), (0.1, 0.2), (0.05, 0.05), (0.25, 0.25), (0.33, 0.33), (0.5, 0.25), (0.29, 0.28)),
    *((0.125, 0.125), (0.07, 0.57), (0.001, 0.015), (0.145, 0.145)),
]


def test_default_sizes_are_exact() -> None:
    labels = [None if row % 17 == 0 else "abcde"[row * row % 5] for row in range(1600)]
    table = split_of(list_images(labels))
    check_schema(table, "split")
    assert count(table) == {"test": 160, "valid": 240, "train": 1200}
    assert table["image_id"].tolist() == list(range(1, 1601))
    assert table["group"].tolist() == table["image_id"].tolist()
    assert (table["weight"] == 1.0).all()


@settings(deadline=None, max_examples=25)
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
    table = split_of(images, seed, test=shares[0], valid=shares[1])
    counts = count(table)
    assert counts["test"] == round_share(shares[0], total) and counts["valid"] == round_share(
        shares[1], total
    )
    per_class = pd.crosstab(images["label"].astype(object), table["split"])
    assert (per_class > 0).all().all()
    if total * min(shares) >= 3 * len(sizes):  # no small class has to be given more than its share
        for name, share in zip(("test", "valid"), shares, strict=True):
            wanted = per_class.sum(axis=1) * counts[name] / total
            assert abs(counts[name] - share * total) <= 0.5
            assert ((per_class[name] - wanted).abs() <= 1 + SLACK * per_class.sum(axis=1)).all()


@pytest.mark.parametrize("test, valid", TFDS_SHARES)
def test_ordered_equals_tfds_percent_slices(test: float, valid: float) -> None:
    splits = pytest.importorskip("tensorflow_datasets.core.splits", reason="needs tensorflow-datasets")
    first, second = (
        float(100 * share) for share in (Fraction(str(test)), Fraction(str(test)) + Fraction(str(valid)))
    )
    slices = {"test": (None, first), "valid": (first, second), "train": (second, None)}
    for pictures in (*range(1, 205), 999, 1600, 3670, 100_003):
        info = splits.SplitInfo(name="train", shard_lengths=[pictures], num_bytes=0)
        expected = np.full(pictures, "", object)
        for name, (start, stop) in slices.items():
            (piece,) = splits.ReadInstruction("train", start, stop, "%").to_absolute({"train": info})
            expected[piece.from_ : piece.to] = name
        assert slice_in_order(pictures, {"test": test, "valid": valid}).tolist() == expected.tolist()


def test_ordered_equals_the_slices_of_the_lecture() -> None:
    splits = pytest.importorskip("tensorflow_datasets.core.splits", reason="needs tensorflow-datasets")
    texts = {"test": "train[:10%]", "valid": "train[10%:25%]", "train": "train[25%:]"}
    for pictures in (8, 364, 1600, 3670, 5717):
        info = splits.SplitInfo(
            name="train", shard_lengths=[pictures // 2, pictures - pictures // 2], num_bytes=0
        )
        parts = slice_in_order(pictures, {"test": 0.10, "valid": 0.15})
        for name, text in texts.items():
            (piece,) = splits.ReadInstruction.from_spec(text).to_absolute({"train": info})
            assert np.flatnonzero(parts == name).tolist() == list(range(pictures))[piece.from_ : piece.to]


def test_ordered_is_by_image_id_and_shows_the_copies_it_tears_apart() -> None:
    images = list_images([None] * 20, [*range(19), 0]).iloc[::-1]
    table = split_of(images, method="ordered")
    assert table["split"].tolist() == ["test"] * 2 + ["valid"] * 3 + ["train"] * 15
    assert table["group"].tolist() == [*range(1, 20), 1]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(15, 60), st.integers(60, 160))
def test_near_copies_are_never_torn_apart(seed: int, motifs_most: int, pictures: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = list(zip(rng.integers(0, motifs_most, pictures), rng.integers(0, 4, pictures), strict=True))
    # content "motif:variant": one motif is one perceptual hash, one content one file
    images = list_images([None] * len(pairs), [f"{motif}:{variant}" for motif, variant in pairs])
    table = split_of(images, seed, test=0.2, valid=0.2)
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
    counts = count(split_of(images))
    assert abs(counts["test"] - 60) <= copies and abs(counts["valid"] - 90) <= copies


def test_the_last_group_may_be_larger_than_what_lacks_if_that_is_nearer() -> None:
    contents = [f"{row // 4}:{row % 4}" for row in range(72)]
    # 0.1 of 72 is 7: 8 is nearer than 4; 0.15 is 11: 12 is nearer than 8
    assert count(split_of(list_images([None] * 72, list(contents)))) == {"test": 8, "valid": 12, "train": 52}


def test_a_long_burst_goes_to_train_and_the_sizes_stay_exact() -> None:
    contents = [f"burst:{row}" for row in range(100)] + list(range(900))
    for seed in range(5):
        table = split_of(list_images([None] * 1000, contents), seed)
        assert set(table["split"][:100]) == {"train"}
        assert count(table) == {"test": 100, "valid": 150, "train": 750}


def test_a_stratum_has_the_whole_groups_that_come_nearest_to_its_share() -> None:
    # groups of 10: 11 of one stratum, then 19 of another; 30 of 300 pictures are 11 and 19, so 1 and 2 groups
    strata = np.repeat([0, 1], [11, 19])
    line = Line(np.arange(0, 300, 10), np.full(30, 10), strata)
    nothing = np.zeros(2, np.int64)
    chosen = take_share(line, np.ones(30, bool), 30, nothing, nothing, 0.0)
    assert np.bincount(strata[chosen]).tolist() == [1, 2]


def test_a_group_counts_for_its_rarest_class() -> None:
    strata = np.array(["often", "rare", "often", "often"], object)
    line = line_up(list_images([None] * 4), np.array([0, 0, 2, 3]), strata, 7)
    assert dict(zip(line.root.tolist(), line.stratum.tolist(), strict=True)) == {0: 1, 2: 0, 3: 0}


def test_groups_of_more_than_a_tenth_of_a_split_train() -> None:
    # 10 groups of 16 among 840 single pictures: a tenth of valid is 15, and twice the mean size 2.4
    contents = [f"{row % 10}:{row}" for row in range(160)] + list(range(840))
    assert set(split_of(list_images([None] * 1000, contents))["split"][:160]) == {"train"}


def test_names_and_order_do_not_decide_but_seed_and_content_do() -> None:
    images = list_images(["a", "b"] * 100)
    plain = split_of(images).set_index("image_id")["split"]
    shuffled = images.sample(frac=1, random_state=0).reset_index(drop=True)
    renamed = shuffled.assign(image_id=range(1, 201), file_name="x")
    again = split_of(renamed)["split"]
    assert again.tolist() == plain[shuffled["image_id"]].tolist()
    other = split_of(images, 8)["split"]
    assert (other.to_numpy() != plain.to_numpy()).sum() > 30


def moves(images: pd.DataFrame, old: int, seed: int) -> list[tuple[str, str]]:
    """(before, after) of the old pictures that change their split when the others join them."""
    before = split_of(images[:old], seed)["split"]
    after = split_of(images, seed)["split"][:old]
    return [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]


@pytest.mark.parametrize("added, most_moved", [(16, 16), (160, 32), (800, 56), (1600, 64)])
def test_adding_pictures_moves_few_of_the_old_and_none_between_train_and_test(
    added: int, most_moved: int
) -> None:
    images = list_images(["abcde"[row % 5] for row in range(1600 + added)])
    moved = [moves(images, 1600, seed) for seed in range(4)]
    # a fresh shuffle would move about 1600 * (1 - 0.1 ** 2 - 0.15 ** 2 - 0.75 ** 2) = 648
    assert max(map(len, moved)) <= most_moved
    assert {frozenset(pair) for seed in moved for pair in seed} <= {
        frozenset(("test", "valid")),
        frozenset(("valid", "train")),
    }


def test_copies_that_join_old_pictures_move_hardly_any() -> None:
    contents = [*(f"{row}:0" for row in range(1000)), *(f"{10 * row}:1" for row in range(100))]
    images = list_images(["ab"[int(str(content).split(":")[0]) % 2] for content in contents], contents)
    moved = [moves(images, 1000, seed) for seed in range(4)]
    assert max(map(len, moved)) <= 12  # of 100 that got a copy; another place in the line would move 40


def test_a_named_group_keeps_its_place_when_pictures_join_it() -> None:
    names: list[str | None] = [f"patient {row % 200}" for row in range(800)]
    images = list_images([None] * 800, groups=names)
    orders = []
    for part in (images[:600], images):
        line = line_up(part, find_groups(part, 6), np.full(len(part), "", object), 7)
        orders.append([names[root] for root in line.root])
    assert orders[0] == orders[1] and len(set(orders[0])) == 200


def test_pictures_that_one_hash_takes_for_the_same_do_not_lie_side_by_side() -> None:
    images = list_images([None] * 400)
    alike = images["image_id"] <= 200  # as colours of one drawing: equal hashes, other thumbnails
    images.loc[alike, ["phash", "phash_flipped"]] = images.loc[0, ["phash", "phash_flipped"]].to_numpy()
    for seed in range(3):
        table = split_of(images, seed)
        assert table["group"].nunique() == 400
        assert 8 <= (table["split"][alike] == "test").sum() <= 32  # 20 of 40, standard deviation 3.2


@pytest.mark.parametrize("column", ["phash", "phash_flipped"])
def test_a_hash_that_tells_nothing_places_no_group_whichever_way_the_picture_is_turned(column: str) -> None:
    images = list_images([None] * 2)
    images.loc[1, column] = FLAT_PHASH
    keys = find_keys(images, np.arange(2))
    assert keys[0] == f"phash {min(images.phash[0], images.phash_flipped[0])}"
    assert keys[1] == f"sha256 {images.sha256[1]}"


def test_nor_does_the_order_of_rows_choose_which_of_them_the_hash_places() -> None:
    images = list_images([None] * 20)
    images[["phash", "phash_flipped"]] = images.loc[0, ["phash", "phash_flipped"]].to_numpy()
    orders = []
    for part in (images, images[::-1].reset_index(drop=True)):
        line = line_up(part, np.arange(20), np.full(20, "", object), 7)
        orders.append(part["sha256"].to_numpy()[line.root].tolist())
    assert orders[0] == orders[1]


def test_a_class_that_becomes_frequent_moves_few() -> None:
    images = list_images([*(["rare"] * 20 + ["often"] * 380) * 4, *["rare"] * 1600])
    moved = [moves(images, 1600, seed) for seed in range(4)]
    assert max(map(len, moved)) <= 56


def test_detection_strata_are_the_rarest_class() -> None:
    # class 1 in every picture, class 2 in 20 of 200
    classes = [[1, 1, 2] if row % 10 == 0 else [1, 1] for row in range(200)]
    for seed in range(5):
        table = split_pictures(list_images([None] * 200), list_objects(classes), how(), seed, CATEGORIES)
        rare = table["split"][::10].value_counts().to_dict()
        assert rare == {"test": 2, "valid": 3, "train": 15}
        assert count(table) == {"test": 20, "valid": 30, "train": 150}


def test_a_pictures_classes_are_its_label_and_its_objects_but_no_crowds() -> None:
    images = list_images(["rose", None, None])
    objects = list_objects([[1, 2, 2], [2], [1]])
    objects.loc[objects["image_id"] == 3, "is_crowd"] = True
    found = list_classes(images, objects, CATEGORIES)
    assert sorted(map(tuple, found.to_numpy().tolist())) == [(1, "rose"), (1, "tulip"), (2, "tulip")]


def test_pictures_without_objects_are_a_stratum() -> None:
    objects = list_objects([[1] if row < 60 else [] for row in range(100)])
    table = split_pictures(list_images([None] * 100), objects, how(), 7, CATEGORIES)
    assert table["split"][60:].value_counts().to_dict() == {"test": 4, "valid": 6, "train": 30}


def test_a_class_with_three_pictures_is_in_every_split() -> None:
    table = split_of(list_images(["rare"] * 3 + ["often"] * 97))
    assert sorted(table["split"][:3]) == ["test", "train", "valid"]
    assert count(table) == {"test": 10, "valid": 15, "train": 75}


def test_a_class_of_two_pictures_is_trained_on_and_tested() -> None:
    for seed in range(5):
        table = split_of(list_images(["rare"] * 2 + ["often"] * 98), seed)
        assert sorted(table["split"][:2]) == ["test", "train"]
        assert count(table) == {"test": 10, "valid": 15, "train": 75}


def test_a_class_of_one_group_is_trained_on() -> None:
    images = list_images(["rare"] * 4 + ["often"] * 96, ["x:1", "x:2", "x:3", "x:4", *range(96)])
    for seed in range(5):
        assert set(split_of(images, seed)["split"][:4]) == {"train"}


def test_more_classes_than_places_fill_the_splits_all_the_same() -> None:
    table = split_of(list_images([f"c{row % 20}" for row in range(100)]))
    assert count(table) == {"test": 10, "valid": 15, "train": 75}


def test_source_groups_are_never_torn_apart_and_join_near_copies() -> None:
    groups = [f"patient {row // 4}" if row < 200 else None for row in range(400)]
    contents = [f"{row}:0" for row in range(399)] + ["0:1"]  # the last is a copy of patient 0's first
    images = list_images(["ab"[row % 2] for row in range(400)], list(contents), groups=groups)
    for seed in range(3):
        table = split_of(images, seed)
        assert (table["split"].groupby(images["given_group"]).nunique() == 1).all()
        assert table["group"][[0, 1, 2, 3, 399]].tolist() == [1] * 5
        assert count(table) == {"test": 40, "valid": 60, "train": 300}
    assert split_of(images, method="ordered")["group"][399] == 1


def test_mirrored_copies_are_one_group() -> None:
    images = list_images([None] * 100)
    images.loc[99, ["phash", "phash_flipped"]] = images.loc[0, ["phash_flipped", "phash"]].to_numpy()
    rows = np.frombuffer(images["thumbnail"][0], np.uint8).reshape(8, 8, 3)
    images.at[99, "thumbnail"] = rows[:, ::-1].tobytes()
    table = split_of(images)
    assert table["group"][99] == 1 and table["split"][99] == table["split"][0]


GIVEN = [*["train"] * 60, *["valid"] * 20, *["test"] * 20]


def test_given_splits_are_kept_even_through_copies() -> None:
    table = split_of(list_images([None] * 100, [*range(99), 0], splits=list(GIVEN)), method="given")
    assert table["split"].tolist() == GIVEN
    assert table["group"].tolist() == [*range(1, 100), 1]


def test_without_a_training_list_the_unlisted_train() -> None:
    splits = [None if name == "train" else name for name in GIVEN]
    assert split_of(list_images([None] * 100, splits=splits), method="given")["split"].tolist() == GIVEN


@pytest.mark.parametrize("lacking", [["valid"], ["test"], ["valid", "test"]])
def test_what_the_source_lacks_is_dealt_from_its_training_pictures(lacking: list[str]) -> None:
    splits = ["train" if name in lacking else name for name in GIVEN]
    images = list_images(["ab"[row % 2] for row in range(100)], splits=list(splits))
    table = split_of(images, method="given")
    wanted = {"test": 10, "valid": 15}  # shares of all 100 pictures
    kept = [name for name in ("valid", "test") if name not in lacking]
    assert all(count(table)[name] == wanted[name] for name in lacking)
    assert all((table["split"] == name).tolist() == [part == name for part in GIVEN] for name in kept)
    for name in lacking:
        labels = images["label"][table["split"] == name].value_counts()
        assert abs(labels["a"] - labels["b"]) <= 1
    assert (split_of(images, 8, method="given")["split"] != table["split"]).any()


@pytest.mark.parametrize(
    "images, changes, message",
    [
        (list_images(["a"] * 4), {}, "No picture of 4 is left for test"),
        (list_images(["a"]), {}, "No picture of 1 is left for valid and test"),
        (list_images(["a"] * 4), {"test": 0.5, "valid": 0.5, "method": "ordered"}, "left for train"),
        (list_images(["a"] * 40), {"method": "magic"}, "stratified, ordered or given. Got 'magic'"),
        (list_images(["a"] * 9, ["x:1"] * 9), {}, r"valid and test\. .* group .* 9 .*first 0\.png\. Add"),
        (list_images([*"abcdefghij"]), {}, "Each class is shown by one picture .*: add pictures of them"),
        (
            list_images(["a"] * 9, splits=["test", "valid", "valid"] * 3),
            {"method": "given"},
            "left for train. Complete the source's split files or folders",
        ),
        (list_images(["a"] * 9), {"method": "given"}, "the source says of no picture where it belongs"),
        (
            list_images(["a"] * 9, splits=["train", "test", *[None] * 7]),
            {"method": "given"},
            r"7 of 9 pictures are in no split .*: 2.png, 3.png, 4.png, 5.png, 6.png and 2 more",
        ),
        (list_images(["a"] * 9, splits=["test"] * 9), {"method": "given"}, "left for train and valid"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_named(
    images: pd.DataFrame, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SplitError, match=message):
        split_of(images, **changes)
