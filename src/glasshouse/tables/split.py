"""Which pictures train, which validate and which test.

`stratified` gives every class its share of each split; groups (near copies, and what the source says belongs
together) stay whole; an old picture keeps its split when others are added, but for a few: strata.py says how
and how few.

`ordered` slices the pictures in their order, first the test part, then valid, the rest train, at the
boundaries of TensorFlow Datasets' percent slices ("closest" rounding), example for example as long as no
picture was quarantined; groups may fall apart.

`given` keeps the split that the source names. Where the source has no list of training pictures, those in no
list train; where it has, they are an error. A valid or test part that the source lacks is dealt from its
training pictures as `stratified` would. Groups may fall apart: an official split is not repaired.

What a split does to classes and groups is judged by the guard (quality/suites/split.py), by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glasshouse.sources.listing import abridge
from glasshouse.tables.balance import weigh_pictures
from glasshouse.tables.schema import build_frame
from glasshouse.tables.strata import Ints, Texts, deal_line, find_groups, find_strata, line_up, list_classes

if TYPE_CHECKING:
    from glasshouse.params import Split

SPLITS = ("train", "valid", "test")


class SplitError(ValueError):
    """The pictures cannot be split as asked; the message says why and what to do."""


def split_pictures(
    raw_images: pd.DataFrame, objects: pd.DataFrame, split: Split, seed: int, categories: pd.DataFrame
) -> pd.DataFrame:
    """Split table (image_id, split, group, weight), sorted by image_id.

    A group's number is the smallest image_id among its pictures.

    Args:
        raw_images: table `images`.
        objects: table `objects`, may be empty.
        split: method, test, valid (shares of all pictures), near_copy_bits and balance.
        seed: another one gives another stratified split.
        categories: table `categories`.

    Raises:
        SplitError: a split would be empty, or `given` is asked of a source that does not say.
    """
    images = raw_images.sort_values("image_id", ignore_index=True)
    goals = count_pictures(len(images), {"test": split.test, "valid": split.valid})
    classes = list_classes(images, objects, categories)
    groups, strata = find_groups(images, split.near_copy_bits), find_strata(images, classes)
    if split.method == "ordered":
        parts = slice_in_order(len(images), {"test": split.test, "valid": split.valid})
    elif split.method == "given":
        parts = take_given(images, groups, strata, goals, seed)
    elif split.method == "stratified":
        parts = deal_pictures(images, groups, strata, goals, seed)
    else:
        raise SplitError(f"split.method must be stratified, ordered or given. Got {split.method!r} instead.")
    check_sizes(parts, images, groups)
    ids = images["image_id"].to_numpy()
    weights = weigh_pictures(pd.DataFrame({"image_id": ids, "split": parts}), classes, split.balance)
    columns = (ids, parts, ids[groups], weights)
    return build_frame(list(zip(*(column.tolist() for column in columns), strict=True)), "split")


def round_share(share: float, pictures: int) -> int:
    """Number of pictures of a share, rounded as TFDS rounds a percent slice's boundary (half to even)."""
    percent = round(share * 100, 9)  # 0.1 + 0.2 is 30 percent, not 30.000000000000004
    return round(percent * pictures / 100.0)


def count_pictures(pictures: int, shares: dict[str, float]) -> dict[str, int]:
    """How many pictures each share is."""
    return {name: round_share(share, pictures) for name, share in shares.items()}


def slice_in_order(pictures: int, shares: dict[str, float]) -> Texts:
    """The split of each picture by its position: [:test], [test:test + valid], [test + valid:]."""
    parts = np.full(pictures, "train", object)
    stop = round_share(shares["test"] + shares["valid"], pictures)
    parts[:stop] = "valid"
    parts[: round_share(shares["test"], pictures)] = "test"
    return parts


def deal_pictures(
    images: pd.DataFrame, groups: Ints, strata: Texts, goals: dict[str, int], seed: int
) -> Texts:
    """The split of each picture, groups kept whole, strata in proportion."""
    line = line_up(images, groups, strata, seed)
    return pd.Series(deal_line(line, goals), line.root).loc[pd.Index(groups)].to_numpy(object)


def take_given(images: pd.DataFrame, groups: Ints, strata: Texts, goals: dict[str, int], seed: int) -> Texts:
    """The split of each picture that the source names; what it lacks is dealt from its training pictures.

    Raises:
        SplitError: it names none at all, or has training pictures and leaves out some.
    """
    given = images["given_split"].astype(object)
    listed, left_out = set(given.dropna()), images.loc[given.isna(), "file_name"].tolist()
    if not listed:
        raise SplitError(
            "split.method is given, but the source says of no picture where it belongs: it has no split "
            "files and no folders train, valid, test. Add them, or take split.method: stratified."
        )
    if left_out and "train" in listed:
        raise SplitError(
            f"split.method is given, but {len(left_out)} of {len(images)} pictures are in no split of the "
            f"source: {abridge(left_out)}. Add them to one, remove them, or take split.method: stratified."
        )
    parts = np.array(given.fillna("train"), object)
    lacking = {name: goal for name, goal in goals.items() if name not in listed}
    rows = np.flatnonzero(parts == "train")
    if lacking and rows.size:
        parts[rows] = deal_pictures(images.iloc[rows], groups[rows], strata[rows], lacking, seed)
    return parts


def check_sizes(parts: Texts, images: pd.DataFrame, groups: Ints) -> None:
    """Demand pictures in every split; names the largest group, which is often the reason."""
    missing = [name for name in SPLITS if not (parts == name).any()]
    if not missing:
        return
    sizes = np.bincount(groups)
    root = int(sizes.argmax())
    alike = (
        f" The largest group (near copies, or given by the source) has {sizes[root]} pictures, the first "
        f"{images['file_name'].iloc[root]}."
        if sizes[root] > 1
        else ""
    )
    raise SplitError(
        f"No picture of {len(parts)} is left for {' and '.join(missing)}.{alike} Add pictures, or change "
        "split.test, split.valid or split.method."
    )
