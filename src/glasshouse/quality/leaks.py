"""Where a picture and its copies lie, now and in the accepted data version, and the checks of it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, empty, equal
from glasshouse.sources.listing import abridge

NOT_OURS = ("ordered", "given")  # methods that leave copies where order or source have put them

KEPT_TABLES = (
    Table("accepted", (*columns("integer", "image_id"), *columns("text", "split")), 0, optional=True),
    Table(
        "left_out",
        (*columns("integer", "image_id"), *columns("text", "lies_between", nullable=True)),
        0,
        optional=True,
    ),
)
_PICTURE = ("image_id", "file_name", "split")
_COPIES = ("file_name", "split", "lies_apart_from")


def with_accepted(assigned: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The split of the accepted data version, and what a picture in no split lies between.

    `place` is where a picture is: its split, or "left out" where there is a reason.
    """
    accepted = tables["accepted"].rename(columns={"split": "accepted_split"})
    both = assigned.merge(accepted, on="image_id", how="left")
    both = both.merge(tables["left_out"], on="image_id", how="left")
    reason = both["lies_between"].where(both["lies_between"].isna(), "left out")
    return both.assign(place=both["split"].astype(object).where(both["split"].notna(), reason))


def with_copies(assigned: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
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
    texts = pd.Series(index=torn.index, dtype=object)
    for _, group in torn.groupby("group"):
        # once for each split, not for each picture: a group may hold thousands
        for _, inside in group.groupby("split"):
            texts[inside.index] = abridge(named[group.index.difference(inside.index)].tolist())
    return texts


def leakage_checks() -> tuple[Check, ...]:
    """That nothing that is tested was trained on, now or in the accepted data version."""
    leak = (
        "What is tested was trained on, so the score would flatter: copies and groups must share one split. "
        "Run split again; where they were accepted so (accepted_split), delete those of one side, or write "
        '{"accepted": null} into data/accepted_split.json to deal all pictures anew.'
    )
    sliced = (
        "Copies, or pictures of one group, lie on both sides: the score flatters. Delete all but one, or "
        "take split.method: stratified."
    )
    return (
        Check(
            "picture_not_left_out",
            "assigned",
            empty("lies_between"),
            "The picture is like accepted ones of different splits, and would leak wherever it lay, so it is "
            "in none. Delete it, or the accepted ones of one side.",
            "warning",
            rows=("image_id", "file_name", "lies_between"),
        ),
        Check(
            "accepted_picture_stays",
            "assigned",
            equal("split", "accepted_split"),
            "The picture was in another split when the data was accepted: a model of before may have learned "
            "from what is now tested. split.method: stratified keeps accepted pictures where they are.",
            "warning",
            rows=(*_PICTURE, "accepted_split"),
        ),
        Check(
            "near_copies_together",
            "assigned",
            between("near_copies_in", high=1),
            leak,
            rows=(*_COPIES, "accepted_split", "group"),
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
