"""Which picture trains, validates or tests: every picture once, nothing on both sides, the classes alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, filled, greater, one_of, true, unique
from glasshouse.quality.leaks import KEPT_TABLES, leakage_checks, with_accepted, with_copies
from glasshouse.tables.schema import SPLITS
from glasshouse.tables.split import find_goals
from glasshouse.tables.strata import list_classes

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
        (
            *columns("integer", "image_id", "group"),
            *columns("text", "split", nullable=True),
            *columns("number", "weight"),
        ),
    ),
    *KEPT_TABLES,
    Table(
        "plan",
        (
            *columns("text", "split", "method", "balance"),
            *columns("number", "share", nullable=True),
        ),
    ),
)
HELD_OFF = 0.01  # of all pictures: what accepted ones keep a split's share off by; less is no matter
_PICTURE = ("image_id", "file_name", "split")


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
    assigned = with_accepted(images.merge(split, on="image_id", how="outer"), tables)
    classes = list_classes(images, tables["objects"], tables["categories"])
    presence = classes.merge(assigned[["image_id", "split"]], on="image_id")
    return {
        "assigned": _with_weights(_with_given(with_copies(assigned, plan), plan), plan),
        "shares": _shares(assigned, plan),
        "class_mix": _class_mix(presence, assigned, plan),
    }


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
    """One row a split: its pictures, its share, how far that is off beyond rounding; the largest group.

    `reachable` is the share that can be had although accepted pictures keep their splits.
    """
    split = assigned.dropna(subset=["split"])
    sizes = split["group"].value_counts()
    first = split.loc[split["group"] == sizes.index[0], "file_name"].iloc[0]
    shares = plan.copy()
    shares["pictures"] = shares["split"].map(split["split"].value_counts()).fillna(0).astype("int64")
    shares["found_share"] = shares["pictures"] / len(split)
    shares["reachable"] = shares["split"].map(_find_reachable(split, plan))
    for name, of, to in (
        ("off_by", "found_share", "reachable"),
        ("held_off_by", "reachable", "share"),
    ):
        shares[name] = ((shares[of] - shares[to]).abs() - 1 / len(split)).clip(lower=0.0)
    shares["pictures_if_planned"] = shares["pictures"].where(_is_planned(plan))
    return shares.assign(largest_group=int(sizes.iloc[0]), largest_group_of=first)


def _find_reachable(split: pd.DataFrame, plan: pd.DataFrame) -> dict[str, float]:
    """The shares of the plan, as far as the groups of accepted pictures, which keep their splits, allow."""
    shares = dict(zip(plan["split"], plan["share"], strict=True))
    if not plan["method"].eq("stratified").any() or split["accepted_split"].isna().all():
        return shares
    kept = split[split["accepted_split"].notna().groupby(split["group"]).transform("any")]
    held = {name: int((kept["split"] == name).sum()) for name in SPLITS}
    goals = find_goals(len(split), {name: shares[name] for name in ("test", "valid")}, held)
    goals["train"] = len(split) - sum(goals.values())
    return {name: goal / len(split) for name, goal in goals.items()}


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
    # With types, since columns without a row, as of a set that shows no class, have none of their own.
    size = mix["split"].map(sizes).astype("int64")
    mix["pictures"] = mix["pictures"].astype("int64")
    mix["share"] = mix["pictures"] / size
    mix["pictures_over_all"] = mix["class"].map(totals).astype("int64")
    mix["share_over_all"] = mix["pictures_over_all"] / len(assigned)
    mix["off_by"] = ((mix["share"] - mix["share_over_all"]).abs() - 1 / size).clip(lower=0.0)
    trains = mix["split"] == "train"
    return mix.assign(
        train_pictures=mix["pictures"].where(trains), held_out_pictures=mix["pictures"].where(~trains)
    )


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of a split, with the limits of `quality.split`."""
    return (
        *_assignment_checks(),
        *leakage_checks(),
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
            filled("place"),
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
        Check(
            "share_free_to_reach",
            "shares",
            between("held_off_by", high=HELD_OFF),
            "Accepted pictures keep their splits, so that the share cannot be had: add pictures, or write "
            '{"accepted": null} into data/accepted_split.json to deal all of them anew.',
            "warning",
            rows=("split", "pictures", "share", "reachable"),
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
