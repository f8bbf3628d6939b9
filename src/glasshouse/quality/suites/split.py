"""Which picture trains, validates or tests: every picture once, nothing on both sides, the classes alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, filled, greater, one_of, true, unique
from glasshouse.sources.listing import abridge
from glasshouse.tables.strata import list_classes

SPLITS = ("train", "valid", "test")
NOT_OURS = ("ordered", "given")  # methods that leave copies where order or source have put them

TABLES = (
    Table(
        "images",
        (
            *columns("integer", "image_id"),
            *columns("text", "file_name", "sha256"),
            *columns("text", "label", "given_split", "given_group", nullable=True),
        ),
    ),
    Table("objects", (*columns("integer", "image_id", "category_id"), *columns("flag", "is_crowd")), 0),
    Table("categories", (*columns("integer", "category_id"), *columns("text", "name")), 0),
    Table(
        "split",
        (*columns("integer", "image_id", "group"), *columns("text", "split"), *columns("number", "weight")),
    ),
    Table(
        "plan",
        (
            *columns("text", "split", "method", "balance"),
            *columns("number", "share", nullable=True),
        ),
    ),
)
_PICTURE = ("image_id", "file_name", "split")
_COPIES = ("file_name", "split", "lies_apart_from")


def plan_shares(split: Any) -> pd.DataFrame:
    """The table `plan`: the share of all pictures that params.yaml's block `split` gives to each split.

    None where the source gives the splits: then there is no share to keep.
    """
    shares = {"train": 1.0 - split.valid - split.test, "valid": split.valid, "test": split.test}
    plan = pd.DataFrame({"split": list(shares), "share": list(shares.values())})
    if split.method == "given":
        plan["share"] = float("nan")
    return plan.assign(method=split.method, balance=split.balance)


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every picture with its and its copies' splits; shares against the plan; classes against the whole."""
    images, split, plan = tables["images"], tables["split"], tables["plan"]
    assigned = images.merge(split, on="image_id", how="outer")
    classes = list_classes(images, tables["objects"], tables["categories"])
    presence = classes.merge(assigned[["image_id", "split"]], on="image_id")
    return {
        "assigned": _with_weights(_with_given(_with_copies(assigned, plan), plan), plan),
        "shares": _shares(assigned, plan),
        "class_mix": _class_mix(presence, assigned, plan),
    }


def _with_copies(assigned: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """In how many splits the pictures lie that are near or exact copies, or of one group; 1 is right.

    Slicing in the given order, or the source itself, may tear copies apart, and who asks for it is told; any
    other method must not.
    """
    fixed = pd.Series(bool(plan["method"].isin(NOT_OURS).any()), assigned.index)
    near, exact, given = (
        assigned.groupby(column)["split"].transform("nunique")
        for column in ("group", "sha256", "given_group")
    )
    torn = pd.concat([near, exact, given], axis=1).max(axis=1)
    return assigned.assign(
        near_copies_in=near.mask(fixed),
        exact_copies_in=exact.mask(fixed),
        given_group_in=given.mask(fixed),
        sliced_through=torn.where(fixed),
        lies_apart_from=_name_copies(assigned[torn > 1]).reindex(assigned.index),
    )


def _name_copies(torn: pd.DataFrame) -> pd.Series:
    """For each picture the pictures of its group in other splits, by name: `b.jpg (valid), c.jpg (test)`."""
    named = torn["file_name"].astype(object) + " (" + torn["split"].astype(object) + ")"
    texts = {}
    for _, group in torn.groupby("group"):
        for row, split in group["split"].items():
            others = named[group.index[group["split"] != split]].tolist()
            texts[row] = abridge(others)
    return pd.Series(texts, dtype=object)


def _with_given(assigned: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """Whether a picture lies where the source says; a picture of which it says nothing does not."""
    asked = pd.Series(bool((plan["method"] == "given").any()), assigned.index)
    kept = assigned["given_split"].astype(object) == assigned["split"].astype(object)
    return assigned.assign(where_given=kept.astype(object).where(asked))


def _with_weights(assigned: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """The weights that must be 1, and the most that a repeat factor can be.

    sqrt(t / f) is at most the root of the number of training pictures, for t <= 1 and f >= 1 / their number.
    """
    trains = assigned["split"] == "train"
    drawn_by_weight = trains & bool((plan["balance"] == "oversample").any())
    return assigned.assign(
        fixed_weight=assigned["weight"].mask(drawn_by_weight),
        most_weight=max(1.0, float(trains.sum()) ** 0.5),
    )


def _shares(assigned: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """One row a split: its pictures, its share, how far that is off beyond rounding; the largest group."""
    split = assigned.dropna(subset=["split"])
    sizes = split["group"].value_counts()
    first = split.loc[split["group"] == sizes.index[0], "file_name"].iloc[0]
    shares = plan.copy()
    shares["pictures"] = shares["split"].map(split["split"].value_counts()).fillna(0).astype("int64")
    shares["found_share"] = shares["pictures"] / len(split)
    shares["off_by"] = ((shares["found_share"] - shares["share"]).abs() - 1 / len(split)).clip(lower=0.0)
    shares["pictures_if_planned"] = shares["pictures"].where(_is_planned(plan))
    return shares.assign(largest_group=int(sizes.iloc[0]), largest_group_of=first)


def _is_planned(plan: pd.DataFrame) -> pd.Series:
    """Whether a split is to have pictures; where the source gives the splits, all are."""
    return plan["share"].isna() | (plan["share"] > 0)


def _class_mix(presence: pd.DataFrame, assigned: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """One row a split and class: its pictures, its share there and over all, and how far they differ.

    As with the shares of the splits, one picture more or less is rounding.
    """
    names = [name for name in plan.loc[_is_planned(plan), "split"] if (assigned["split"] == name).any()]
    sizes = assigned["split"].value_counts()
    counts = pd.crosstab(presence["class"].astype(object), presence["split"].astype(object))
    totals = counts.sum(axis=1)
    in_splits = counts.reindex(columns=names, fill_value=0).rename_axis(index="class", columns="split")
    mix = in_splits.melt(value_name="pictures", ignore_index=False).reset_index()
    mix["share"] = mix["pictures"] / mix["split"].map(sizes)
    mix["pictures_over_all"] = mix["class"].map(totals)
    mix["share_over_all"] = mix["pictures_over_all"] / len(assigned)
    mix["off_by"] = ((mix["share"] - mix["share_over_all"]).abs() - 1 / mix["split"].map(sizes)).clip(
        lower=0.0
    )
    trains = mix["split"] == "train"
    return mix.assign(
        train_pictures=mix["pictures"].where(trains), held_out_pictures=mix["pictures"].where(~trains)
    )


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of a split, with the limits of `quality.split`."""
    return (
        *_assignment_checks(),
        *_leakage_checks(),
        *_weight_checks(),
        *_share_checks(thresholds),
        *_class_checks(thresholds),
    )


def _assignment_checks() -> tuple[Check, ...]:
    again = "Run split again."
    return (
        Check(
            "split_known",
            "split",
            one_of("split", SPLITS),
            f"A split is one of {', '.join(SPLITS)}.",
            rows=("image_id", "split"),
        ),
        Check(
            "picture_in_one_split",
            "split",
            unique("image_id"),
            f"A picture in two splits is tested on what it was trained on. {again}",
            rows=("image_id", "split"),
        ),
        Check(
            "picture_assigned",
            "assigned",
            filled("split"),
            f"The picture is in no split and would be lost. {again}",
            rows=_PICTURE,
        ),
        Check(
            "assigned_picture_exists",
            "assigned",
            filled("file_name"),
            f"The split names a picture that is not in data/raw. {again}",
            rows=_PICTURE,
        ),
        Check(
            "split_as_given",
            "assigned",
            true("where_given"),
            "The source does not say where this picture belongs, or lacks that split, so that it was dealt "
            "from its training pictures: to have it otherwise, complete the source's split files or folders.",
            "warning",
            rows=(*_PICTURE, "given_split"),
        ),
    )


def _leakage_checks() -> tuple[Check, ...]:
    leak = (
        "What is tested was trained on, so the score would flatter: copies and groups must share one split. "
        "Run split again."
    )
    sliced = (
        "Copies, or pictures of one group, lie on both sides: the score flatters. Delete all but one, or "
        "take split.method: stratified."
    )
    return (
        Check(
            "near_copies_together",
            "assigned",
            between("near_copies_in", high=1),
            leak,
            rows=(*_COPIES, "group"),
        ),
        Check(
            "exact_copies_together",
            "assigned",
            between("exact_copies_in", high=1),
            leak,
            rows=(*_PICTURE, "sha256"),
        ),
        Check(
            "given_groups_together",
            "assigned",
            between("given_group_in", high=1),
            leak,
            rows=(*_PICTURE, "given_group"),
        ),
        Check(
            "copies_not_sliced_through",
            "assigned",
            between("sliced_through", high=1),
            sliced,
            "warning",
            rows=(*_COPIES, "group", "given_group"),
        ),
    )


def _weight_checks() -> tuple[Check, ...]:
    rows = (*_PICTURE, "weight")
    return (
        Check(
            "weight_at_least_one",
            "assigned",
            between("weight", low=1),
            "A picture of a smaller weight would be left out of most epochs. Run split again.",
            rows=rows,
        ),
        Check(
            "weight_within_reason",
            "assigned",
            greater("most_weight", "weight", or_equal=True),
            "No repeat factor is larger than the root of the number of training pictures. Run split again.",
            rows=rows,
        ),
        Check(
            "weight_one_unless_oversampled",
            "assigned",
            between("fixed_weight", low=1, high=1),
            "Only training pictures are drawn by weight, and only with split.balance: oversample. Run split "
            "again.",
            rows=rows,
        ),
    )


def _share_checks(thresholds: Any) -> tuple[Check, ...]:
    return (
        Check(
            "split_has_pictures",
            "shares",
            between("pictures_if_planned", low=1),
            "Nothing would be trained or measured on this split: add pictures, or change split.test "
            "and split.valid.",
            rows=("split", "share"),
        ),
        Check(
            "share_as_planned",
            "shares",
            between("off_by", high=thresholds.ratio_tolerance),
            "The split is larger or smaller than asked for. Is the largest group (near copies, or given by "
            "the source; its size and first picture stand here) too large for it? Thin it out, lower "
            "split.near_copy_bits, or raise quality.split.ratio_tolerance.",
            rows=("split", "pictures", "share", "found_share", "largest_group", "largest_group_of"),
        ),
    )


def _class_checks(thresholds: Any) -> tuple[Check, ...]:
    mix = ("class", "split", "pictures", "pictures_over_all")
    return (
        Check(
            "class_mix_alike",
            "class_mix",
            between("off_by", high=thresholds.class_mix_tolerance),
            "The class is rarer or more frequent here than over all: add pictures, or take "
            "split.method: stratified.",
            "warning",
            rows=(*mix, "share", "share_over_all"),
        ),
        Check(
            "class_in_train",
            "class_mix",
            between("train_pictures", low=1),
            "A class that is never trained on cannot be learned: add pictures of it, remove the class, or "
            "take split.method: stratified.",
            rows=mix,
        ),
        Check(
            "class_in_valid_and_test",
            "class_mix",
            between("held_out_pictures", low=1),
            "No score can be told for this class on this split: add pictures of it (a group of copies counts "
            "as one; three are the least), or take split.method: stratified.",
            "warning",
            rows=mix,
        ),
    )
