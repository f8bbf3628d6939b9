"""Which picture trains, validates or tests: every picture once, nothing on both sides, the classes alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, filled, one_of, unique

SPLITS = ("train", "valid", "test")

TABLES = (
    Table(
        "images",
        (
            *columns("integer", "image_id"),
            *columns("text", "file_name", "sha256"),
            *columns("text", "label", nullable=True),
        ),
    ),
    Table("objects", columns("integer", "image_id", "category_id"), min_rows=0),
    Table("split", (*columns("integer", "image_id", "group"), *columns("text", "split"))),
    Table("plan", (*columns("text", "split", "method"), *columns("number", "share"))),
)
_PICTURE = ("image_id", "file_name", "split")


def plan_shares(split: Any) -> pd.DataFrame:
    """The table `plan`: the share of all pictures that params.yaml's block `split` gives to each split."""
    shares = {"train": 1.0 - split.valid - split.test, "valid": split.valid, "test": split.test}
    return pd.DataFrame({"split": list(shares), "share": list(shares.values()), "method": split.method})


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every picture with its and its copies' splits; shares against the plan; classes against the whole."""
    images, split, plan = tables["images"], tables["split"], tables["plan"]
    assigned = images.merge(split, on="image_id", how="outer")
    presence = _class_presence(assigned, tables["objects"])
    return {
        "assigned": _with_copies(assigned, plan),
        "shares": _shares(split, plan),
        "class_mix": _class_mix(presence, assigned, plan),
    }


def _with_copies(assigned: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """In how many splits the near and the exact copies of a picture lie; 1 is right.

    Slicing in the given order may tear copies apart, and who asks for it is told; any other method must not.
    """
    in_order = pd.Series(bool((plan["method"] == "ordered").any()), assigned.index)
    near = assigned.groupby("group")["split"].transform("nunique")
    exact = assigned.groupby("sha256")["split"].transform("nunique")
    sliced = pd.concat([near, exact], axis=1).max(axis=1)
    return assigned.assign(
        near_copies_in=near.mask(in_order),
        exact_copies_in=exact.mask(in_order),
        sliced_through=sliced.where(in_order),
    )


def _shares(split: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """One row a planned split: its pictures, its share, how far that is off beyond rounding to pictures."""
    shares = plan.copy()
    shares["pictures"] = shares["split"].map(split["split"].value_counts()).fillna(0).astype("int64")
    shares["found_share"] = shares["pictures"] / len(split)
    shares["off_by"] = ((shares["found_share"] - shares["share"]).abs() - 1 / len(split)).clip(lower=0.0)
    shares["pictures_if_planned"] = shares["pictures"].where(shares["share"] > 0)
    return shares


def _class_presence(assigned: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    """One row a picture and class: image_id, class, split; labels count where there are no objects at all."""
    if len(objects):
        present = (
            objects[["image_id", "category_id"]].drop_duplicates().rename(columns={"category_id": "class"})
        )
        return present.merge(assigned[["image_id", "split"]], on="image_id")
    return (
        assigned[["image_id", "label", "split"]].rename(columns={"label": "class"}).dropna(subset=["class"])
    )


def _class_mix(presence: pd.DataFrame, assigned: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """One row a split and class: its pictures, its share there and over all, and how far they differ.

    As with the shares of the splits, one picture more or less is rounding.
    """
    names = [name for name in plan.loc[plan["share"] > 0, "split"] if (assigned["split"] == name).any()]
    sizes = assigned["split"].value_counts()
    counts = pd.crosstab(presence["class"].astype(object), presence["split"].astype(object))
    over_all = counts.sum(axis=1) / len(assigned)
    in_splits = counts.reindex(columns=names, fill_value=0).rename_axis(index="class", columns="split")
    mix = in_splits.melt(value_name="pictures", ignore_index=False).reset_index()
    mix["share"] = mix["pictures"] / mix["split"].map(sizes)
    mix["share_over_all"] = mix["class"].map(over_all)
    mix["off_by"] = ((mix["share"] - mix["share_over_all"]).abs() - 1 / mix["split"].map(sizes)).clip(
        lower=0.0
    )
    trains = mix["split"] == "train"
    return mix.assign(
        train_pictures=mix["pictures"].where(trains), held_out_pictures=mix["pictures"].where(~trains)
    )


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of a split, with the limits of `quality.split`."""
    return (*_assignment_checks(), *_leakage_checks(), *_balance_checks(thresholds))


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
    )


def _leakage_checks() -> tuple[Check, ...]:
    leak = (
        "What is tested was trained on, so the score would flatter: copies must share one split. Run "
        "split again."
    )
    sliced = "Copies lie on both sides: the score flatters. Delete them, or take split.method: stratified."
    return (
        Check(
            "near_copies_together",
            "assigned",
            between("near_copies_in", high=1),
            leak,
            rows=(*_PICTURE, "group"),
        ),
        Check(
            "exact_copies_together",
            "assigned",
            between("exact_copies_in", high=1),
            leak,
            rows=(*_PICTURE, "sha256"),
        ),
        Check(
            "copies_not_sliced_through",
            "assigned",
            between("sliced_through", high=1),
            sliced,
            "warning",
            rows=(*_PICTURE, "group"),
        ),
    )


def _balance_checks(thresholds: Any) -> tuple[Check, ...]:
    mix = ("class", "split", "pictures")
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
            "The split is larger or smaller than asked for: large groups of near copies? Or raise "
            "quality.split.ratio_tolerance.",
            rows=("split", "pictures", "share", "found_share"),
        ),
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
            "A class that is never trained on cannot be learned: add pictures of it, or remove the class.",
            rows=mix,
        ),
        Check(
            "class_in_valid_and_test",
            "class_mix",
            between("held_out_pictures", low=1),
            "No score can be told for this class on this split: add pictures of it.",
            "warning",
            rows=mix,
        ),
    )
