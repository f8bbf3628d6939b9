"""Pictures of the accepted data version keep their splits: for whatever is added, however copies tie them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.tables.kept import (
    KeptSplit,
    KeptSplitError,
    find_places,
    keep_splits,
    read_kept,
    say_kept,
    tabulate_kept,
    write_kept,
)
from glasshouse.tables.split import SplitError, find_goals, round_share
from glasshouse.tables.strata import Bonds, find_groups

from .pictures import count, list_images, split_of

SHARES = {"test": 0.1, "valid": 0.15}
PLACE = Path("data/accepted_split.json")


def accept(images: pd.DataFrame, table: pd.DataFrame, shares: dict[str, float] = SHARES) -> KeptSplit:
    return keep_splits(images, table, shares, "d1", PLACE)


def deal(pairs: list[tuple[int, int, str]]) -> pd.DataFrame:
    """Pictures of (motif, variant, class): one motif is one perceptual hash, with its variant one file."""
    return list_images([label for *_, label in pairs], [f"{motif}:{variant}" for motif, variant, _ in pairs])


drawn = st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.sampled_from("aabbc"))
crowd = st.tuples(st.integers(0, 40), st.integers(0, 3), st.sampled_from("ab"))


@settings(deadline=None, max_examples=15)
@given(
    st.lists(drawn | crowd, min_size=60, max_size=90, unique_by=lambda row: row[:2]),
    st.lists(drawn | crowd, max_size=60, unique_by=lambda row: row[:2]),
    st.integers(0, 3),
    st.booleans(),
)
def test_no_old_picture_moves_whatever_is_added_and_the_rest_makes_up(
    old: list[tuple[int, int, str]], added: list[tuple[int, int, str]], seed: int, reseeded: bool
) -> None:
    before = deal(old)
    first = split_of(before, seed)
    both = deal([*old, *(row for row in added if row[:2] not in {row[:2] for row in old})])
    table = split_of(both, seed + reseeded, accept(before, first))
    assert table["split"][: len(old)].tolist() == first["split"].tolist()
    assert table["split"].notna().all()  # one motif is one group: nothing ties two of them together
    assert (table.groupby("group")["split"].nunique() == 1).all()
    held = table["split"][table.groupby("group")["image_id"].transform("min") <= len(old)].value_counts()
    largest = table["group"].value_counts().max()
    goals = find_goals(len(both), SHARES, {name: held.get(name, 0) for name in ("test", "valid", "train")})
    for name, goal in goals.items():
        assert abs(count(table).get(name, 0) - goal) <= largest


@pytest.mark.parametrize("added", [0, 16, 160, 1600])
def test_sizes_are_exact_and_classes_in_proportion(added: int) -> None:
    images = list_images(["abcde"[row % 5] for row in range(1600 + added)])
    old = split_of(images[:1600])
    table = split_of(images, 7, accept(images[:1600], old))
    assert table["split"][:1600].tolist() == old["split"].tolist()
    total = len(images)
    assert count(table)["test"] == round_share(0.1, total)
    assert count(table)["valid"] == round_share(0.15, total)
    if added >= 160:  # enough of each class to mend what slack the first split took
        per_class = pd.crosstab(images["label"].astype(object), table["split"])
        for name in ("test", "valid"):
            assert (per_class[name] - count(table)[name] / 5).abs().max() <= 1


def test_a_version_accepted_is_split_as_it_is() -> None:
    images = list_images(
        ["ab"[row % 2] for row in range(200)], [f"{row // 2}:{row % 2}" for row in range(200)]
    )
    table = split_of(images, balance="oversample")
    pd.testing.assert_frame_equal(split_of(images, 7, accept(images, table), balance="oversample"), table)


def test_a_copy_of_an_old_picture_goes_where_that_is_and_the_rest_fills_up() -> None:
    images = list_images([None] * 120, [*range(100), *(f"{row}:copy" for row in range(10)), *range(200, 210)])
    old = split_of(images[:100])
    table = split_of(images, 7, accept(images[:100], old))
    assert table["split"][100:110].tolist() == old["split"][:10].tolist()
    assert table["group"][100:110].tolist() == list(range(1, 11))
    held = pd.concat([old["split"], old["split"][:10]]).value_counts()
    wanted = find_goals(120, SHARES, held.to_dict())
    assert {name: count(table)[name] for name in wanted} == wanted


def tie(images: pd.DataFrame, first: int, between: int, last: int) -> None:
    """Make one picture near to two that are 8 bits apart, which is more than the 6 of a near copy."""
    for column in ("phash", "phash_flipped"):
        bits = int(images.at[first, column], 16)
        images.at[between, column], images.at[last, column] = f"{bits ^ 0x0F:016x}", f"{bits ^ 0xFF:016x}"
    for row in (between, last):
        images.at[row, "thumbnail"] = images.at[first, "thumbnail"]


def accept_apart(images: pd.DataFrame, trains: int, tests: int) -> KeptSplit:
    """The split of the first 100 pictures, with these two where they are wanted."""
    table = split_of(images[:100])
    table.loc[[trains, tests], "split"] = ["train", "test"]
    return accept(images[:100], table)


def test_a_new_picture_that_ties_two_splits_is_left_out_and_named() -> None:
    images = list_images([None] * 104)
    tie(images, 3, 102, 8)
    kept = accept_apart(images, 3, 8)
    table = split_of(images, 7, kept)
    assert table.index[table["split"].isna()].tolist() == [102]
    assert table["split"][:100].tolist() == kept.look_up(images)[:100].tolist()
    assert table["group"].tolist() == list(range(1, 105)) and (table["weight"] == 1).all()
    told = tabulate_kept(images, table, kept, 6)
    assert len(told["accepted"]) == 100
    between = {"image_id": [103], "lies_between": ["3.png (train), 8.png (test)"]}
    assert told["left_out"].to_dict("list") == between
    assert "100 of 100 accepted pictures keep their splits, 4 are new (" in say_kept(table, told["accepted"])
    assert "1 left out)" in say_kept(table, told["accepted"])
    kept = accept(images, table)
    assert len(kept.splits) == 103 and set(kept.splits.values()) == {"train", "valid", "test"}
    again = split_of(images, 7, kept)
    pd.testing.assert_frame_equal(again, table)
    table.loc[[3, 8], "split"] = ["valid", "valid"]  # as an ordered split may
    assert "98 of 100 accepted pictures keep their splits" in say_kept(table, told["accepted"])


def test_of_a_torn_group_those_that_tie_nothing_by_themselves_go_on() -> None:
    groups: list[str | None] = [None] * 104
    groups[0] = groups[1] = groups[102] = groups[103] = "patient 7"
    images = list_images([None] * 104, groups=groups)
    old = split_of(images[:100])
    other = int((old["split"] != old["split"][0]).idxmax())
    images.loc[102, ["phash", "phash_flipped"]] = images.loc[other, ["phash", "phash_flipped"]].to_numpy()
    images.at[102, "thumbnail"] = images.at[other, "thumbnail"]
    table = split_of(images, 7, accept(images[:100], old))
    assert table.index[table["split"].isna()].tolist() == [102]  # of patient 7, and a copy of another's
    assert table["split"][103] == old["split"][0] and table["group"][103] == 1


def test_known_copies_in_two_splits_tie_new_pictures_that_are_near_to_one_of_them() -> None:
    """An ordered split tore the known two apart. 102 is near to one of them alone, 103 to 102 alone."""
    images = list_images([None] * 104)
    for column in ("phash", "phash_flipped"):
        bits = int(images.at[3, column], 16)
        for row, mask in ((8, 0xF << 48), (102, 0x1F), (103, 0x7FF)):  # 4, 5 and 11 bits; 102 to 103: 6
            images.at[row, column] = f"{bits ^ mask:016x}"
    for row in (8, 102, 103):
        images.at[row, "thumbnail"] = images.at[3, "thumbnail"]
    table = split_of(images, 7, accept_apart(images, 3, 8))
    assert table.index[table["split"].isna()].tolist() == [102]


def test_a_chain_of_new_pictures_that_ties_two_splits_is_left_out() -> None:
    images = list_images([None] * 104)
    for column in ("phash", "phash_flipped"):
        bits = int(images.at[3, column], 16)
        for row, mask in ((102, 0x1F), (103, 0x3FF), (8, 0x7FFF)):  # 5 bits further each
            images.at[row, column] = f"{bits ^ mask:016x}"
    for row in (102, 103, 8):
        images.at[row, "thumbnail"] = images.at[3, "thumbnail"]
    kept = accept_apart(images, 3, 8)
    table = split_of(images, 7, kept)
    assert table.index[table["split"].isna()].tolist() == [102, 103]
    assert tabulate_kept(images, table, kept, 6)["left_out"]["lies_between"].notna().all()


@pytest.mark.parametrize("seed", range(20))
def test_a_bond_of_two_is_what_groups_them_when_they_are_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = list_images(
        [None] * 12,
        [f"{motif}:{variant}" for motif, variant in rng.integers(0, 3, (12, 2))],
        groups=[f"g{number}" if number < 2 else None for number in rng.integers(0, 8, 12)],
    )
    changed = rng.integers(0, 64, 12).tolist()
    images["phash"] = [
        f"{int(text, 16) ^ 1 << bit:016x}" for text, bit in zip(images["phash"], changed, strict=True)
    ]
    images.at[0, "phash"] = "0" * 16
    mirrored = rng.permutation(12)[:4]  # some are mirror images of others
    for column, of in (("phash", "phash_flipped"), ("phash_flipped", "phash")):
        images.loc[mirrored[:2], column] = images.loc[mirrored[2:], of].to_numpy()
    bonds = Bonds.read(images, 2)
    for row in range(12):
        others = np.array([other for other in range(12) if other != row])
        alone = [find_groups(images.iloc[[row, other]], 2)[1] == 0 for other in others]
        assert bonds.touch(row, others).tolist() == alone


def test_two_thousand_new_pictures_of_a_torn_group_take_no_square_of_time() -> None:
    """A `groups.csv` that came after the data was accepted, and names one camera for all of it."""
    images = list_images([None] * 4000, groups=["camera 1"] * 4000)
    known = np.array(["train", "test"] * 1000 + [None] * 2000, object)
    began = time.process_time()
    places = find_places(images, known, 6)
    assert time.process_time() - began < 15  # groups found anew for each new picture: 47 s
    assert places.left_out.tolist() == [False] * 2000 + [True] * 2000


@pytest.mark.parametrize(
    "held, goals",
    [
        ({"train": 0, "valid": 0, "test": 0}, {"test": 160, "valid": 240}),
        ({"train": 1200, "valid": 240, "test": 160}, {"test": 160, "valid": 240}),
        # test holds 400 of 1600: valid and train share 1200 as 15 to 75, 1200 * 0.15 / 0.9 = 200
        ({"train": 0, "valid": 0, "test": 400}, {"test": 400, "valid": 200}),
        # train holds 1400: 200 are left, 10 to 15
        ({"train": 1400, "valid": 0, "test": 0}, {"test": 80, "valid": 120}),
        # train holds 1400, and then valid more than 120 of the 200
        ({"train": 1400, "valid": 150, "test": 0}, {"test": 50, "valid": 150}),
        ({"train": 1400, "valid": 150, "test": 50}, {"test": 50, "valid": 150}),
    ],
)
def test_goals_come_as_near_as_those_that_stay_allow(held: dict[str, int], goals: dict[str, int]) -> None:
    assert find_goals(1600, SHARES, held) == goals


@pytest.mark.parametrize(
    "held, goals",
    [
        ({"test": 0, "valid": 0}, {"test": 2, "valid": 2}),  # 15 % of 10 is 1.5, half to even
        ({"test": 2, "valid": 0}, {"test": 2, "valid": 2}),  # just its share: nobody else has less
        ({"test": 3, "valid": 0}, {"test": 3, "valid": 1}),  # 15 / 85 of the other 7 are 1.2
        ({"test": 6, "valid": 0}, {"test": 6, "valid": 1}),  # 15 / 85 of the other 4 are 0.7
    ],
)
def test_goals_are_rounded_once_for_all_that_still_share(held: dict[str, int], goals: dict[str, int]) -> None:
    assert find_goals(10, {"test": 0.15, "valid": 0.15}, {**held, "train": 0}) == goals


def test_pictures_that_are_gone_are_made_up_for_in_proportion() -> None:
    images = list_images([None] * 200)
    old = split_of(images[:100])
    kept = accept(images[:100], old)
    left = images[(old["split"] == "train").reindex(images.index, fill_value=True)].reset_index(drop=True)
    # 75 of 175 train already: test 17.5 -> 18 (half to even), valid 26
    assert count(split_of(left, 7, kept)) == {"train": 131, "valid": 26, "test": 18}


def test_a_split_whose_pictures_are_all_gone_asks_for_no_other_shares() -> None:
    images = list_images([None] * 100)
    old = split_of(images)
    left = images[old["split"] != "test"].reset_index(drop=True)
    with pytest.raises(SplitError, match=r'left for test\. Accepted .* {"accepted": null} into data/acce'):
        split_of(left, 7, accept(images, old))


def test_other_shares_are_an_error_that_says_what_to_do() -> None:
    images = list_images([None] * 100)
    kept = accept(images, split_of(images))
    with pytest.raises(KeptSplitError, match=r"split.test is 0.2, and data/accepted_split.json .* with 0.1"):
        split_of(images, 7, kept, test=0.2)
    assert count(split_of(images, 7, kept, method="ordered", test=0.2))["test"] == 20


def test_given_splits_are_asked_first_and_what_is_dealt_of_them_stays() -> None:
    splits: list[str | None] = [*["test"] * 10, *["train"] * 110]
    images = list_images([None] * 120, splits=splits)
    old = split_of(images[:100], method="given")
    assert count(old) == {"test": 10, "valid": 15, "train": 75}
    kept = accept(images[:100], old)
    table = split_of(images, 7, kept, method="given")
    assert table["split"][:100].tolist() == old["split"].tolist()
    assert count(table) == {"test": 10, "valid": 18, "train": 92}  # 0.15 * 120
    other = images.assign(given_split=["train", *splits[1:]])
    assert split_of(other, 7, kept, method="given")["split"][0] != "test"


def test_the_file_is_read_back_and_its_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    images = list_images(["ab"[row % 2] for row in range(100)])
    table = split_of(images)
    contents = []
    for order in (images, images.sample(frac=1, random_state=1)):
        kept = keep_splits(order, table, SHARES, "d1", tmp_path / "accepted_split.json")
        write_kept(kept)
        assert read_kept(kept.path) == kept
        contents.append(kept.path.read_bytes())
    assert contents[0] == contents[1] and contents[0].count(b"\n") == 110  # a line a picture
    assert np.array_equal(kept.look_up(images), table["split"].to_numpy(object))
    assert read_kept(tmp_path / "none.json") is None
    kept.path.write_text('{"accepted": null}')
    assert read_kept(kept.path) is None


KEY = "0123456789abcdef"
FAULTY = [{KEY: "holdout"}, {KEY[1:]: "test"}, {KEY.upper(): "test"}]


def spell(splits: object, version: int = 1) -> str:
    return json.dumps({"accepted": {"version": version, "data": "", **SHARES, "splits": splits}})


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"accepted": 3}', "TypeError"),
        ("{}", "KeyError: 'accepted'"),
        (spell({}, 2), "version 2 is not 1"),
        *((spell(splits), "is no picture's split") for splits in FAULTY),
    ],
)
def test_a_damaged_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "accepted_split.json"
    path.write_text(text)
    with pytest.raises(KeptSplitError, match=message) as fault:
        read_kept(path)
    assert "accepted_split.json" in str(fault.value) and "from git" in str(fault.value)


def test_without_an_accepted_version_it_says_how_to_keep_splits() -> None:
    images = list_images([None] * 100)
    table = split_of(images)
    told = tabulate_kept(images, table, None, 6)
    assert told["accepted"].empty and told["left_out"].empty
    assert "glasshouse accept" in say_kept(table, told["accepted"])
