"""Which pictures train, which validate and which test.

`stratified` gives every class its share of each split; groups (near copies, and what the source says belongs
together) stay whole. A picture of the accepted data version keeps its split, whatever is added or removed
(kept.py); the new ones are dealt so that the whole comes as near to its shares as the old ones allow. Where
nothing was accepted yet, some pictures move when others are added: line.py says how few.

`ordered` slices the pictures in their order, first the test part, then valid, the rest train, at the
boundaries of TensorFlow Datasets' percent slices ("closest" rounding), example for example as long as no
picture was quarantined; groups may fall apart.

`given` keeps the split that the source names. Where the source has no list of training pictures, those in no
list train; where it has, they are an error. A valid or test part that the source lacks is dealt from its
training pictures as `stratified` would, and those of the accepted version stay there. Groups may fall apart:
an official split is not repaired.

`ordered`, and `given` as far as the source says, ask nobody where a picture lay before. Nor does another seed
move a known one.

What a split does to classes and groups is judged by the guard (quality/suites/split.py), by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glasshouse.sources.listing import abridge
from glasshouse.tables.balance import weigh_pictures
from glasshouse.tables.kept import NOTHING, KeptSplit, find_places, follow_known
from glasshouse.tables.line import count_held, deal_line, line_up
from glasshouse.tables.schema import SPLITS, build_frame
from glasshouse.tables.strata import Ints, Texts, find_groups, find_strata, list_classes

if TYPE_CHECKING:
    from glasshouse.params import Split


class SplitError(ValueError):
    """The pictures cannot be split as asked; the message says why and what to do."""


def split_pictures(
    raw_images: pd.DataFrame,
    objects: pd.DataFrame,
    split: Split,
    seed: int,
    categories: pd.DataFrame,
    kept: KeptSplit | None = None,
) -> pd.DataFrame:
    """Split table (image_id, split, group, weight), sorted by image_id.

    A group's number is the smallest image_id among its pictures. `split` is missing for a new picture that
    ties accepted ones of different splits together.

    Args:
        raw_images: table `images`.
        objects: table `objects`, may be empty.
        split: method, test, valid (shares of all pictures), near_copy_bits and balance.
        seed: another one gives another stratified split of what is new.
        categories: table `categories`.
        kept: the splits of the accepted data version.

    Raises:
        SplitError: a split would be empty, or `given` is asked of a source that does not say.
        KeptSplitError: test or valid is another share than that of the accepted data version.
    """
    images = raw_images.sort_values("image_id", ignore_index=True)
    classes, shares = list_classes(images, objects, categories), {"test": split.test, "valid": split.valid}
    strata = find_strata(images, classes)
    if split.method == "stratified":
        parts, groups = deal_all(images, strata, shares, split.near_copy_bits, seed, kept)
    elif split.method == "ordered":
        parts, groups = slice_in_order(len(images), shares), find_groups(images, split.near_copy_bits)
    elif split.method == "given":
        groups = find_groups(images, split.near_copy_bits)
        parts = take_given(images, groups, strata, shares, seed, kept)
    else:
        raise SplitError(f"split.method must be stratified, ordered or given. Got {split.method!r} instead.")
    check_sizes(parts, images, groups, find_remedy(split.method, groups, strata, kept))
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


def deal_all(
    images: pd.DataFrame,
    strata: Texts,
    shares: dict[str, float],
    bits: int,
    seed: int,
    kept: KeptSplit | None,
) -> tuple[Texts, Ints]:
    """(split, group) of each picture: known ones stay, their groups with them, the others are dealt."""
    places = find_places(images, look_up(images, shares, kept), bits)
    held = {name: int((places.splits == name).sum()) for name in SPLITS}
    parts, rows = np.full(len(images), None, object), np.flatnonzero(~places.left_out)
    goals = find_goals(len(rows), shares, held)
    groups, splits = places.groups[rows], places.splits[rows]
    parts[rows] = deal_pictures(images.iloc[rows], groups, strata[rows], goals, seed, splits)
    return parts, places.groups


def look_up(images: pd.DataFrame, shares: dict[str, float], kept: KeptSplit | None) -> Texts:
    """The split of each picture in the accepted data version, or None; raises KeptSplitError (see there)."""
    if kept is None:
        return np.full(len(images), None, object)
    kept.demand_shares(shares)
    return kept.look_up(images)


def find_goals(pictures: int, shares: dict[str, float], held: dict[str, int]) -> dict[str, int]:
    """How many pictures each split but train is to have: its share, as far as those that it holds allow.

    Where a split holds more than its share, the others share the rest in their proportions.
    """
    left, rest, goals = {**shares, "train": 1 - sum(shares.values())}, pictures, dict[str, int]()
    while over := [name for name, goal in share_out(rest, left).items() if held[name] > goal]:
        for name in over:
            goals[name] = held[name]
            rest -= held[name]
            del left[name]
    return {name: (goals | share_out(rest, left))[name] for name in shares}


def share_out(pictures: int, shares: dict[str, float]) -> dict[str, int]:
    """All pictures in proportion to the shares; the last takes what rounding leaves."""
    whole = sum(shares.values()) or 1.0
    counts = count_pictures(pictures, {name: share / whole for name, share in shares.items()})
    for name in list(counts)[-1:]:
        counts[name] += pictures - sum(counts.values())
    return counts


def deal_pictures(
    images: pd.DataFrame, groups: Ints, strata: Texts, goals: dict[str, int], seed: int, places: Texts
) -> Texts:
    """The split of each picture, groups kept whole, strata in proportion.

    Args:
        images: N pictures.
        groups: (N,) smallest row of the group of each.
        strata: (N,) of the pictures.
        goals: pictures of each split but train.
        seed: of the line.
        places: (N,) where a picture must lie, None where it is to be dealt.
    """
    line = line_up(images, groups, strata, seed)
    free = ~np.isin(line.root, groups[pd.notna(places)])
    dealt = deal_line(line, goals, free, count_held(line, groups, places))
    parts = pd.Series(dealt, line.root).loc[pd.Index(groups)].to_numpy(object)
    return np.where(pd.isna(places), parts, places)


def take_given(
    images: pd.DataFrame,
    groups: Ints,
    strata: Texts,
    shares: dict[str, float],
    seed: int,
    kept: KeptSplit | None,
) -> Texts:
    """The split of each picture that the source names; what it lacks is dealt from its training pictures.

    Raises:
        SplitError: it names none at all, or has training pictures and leaves out some.
        KeptSplitError: the share of a split that it lacks is another than that of the accepted version.
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
    lacking = {name: share for name, share in shares.items() if name not in listed}
    rows = np.flatnonzero(parts == "train")
    if lacking and rows.size:
        goals, known = count_pictures(len(images), lacking), look_up(images, lacking, kept)[rows]
        known[~np.isin(known, [*lacking, "train"])] = None
        places = follow_known(groups[rows], known)
        parts[rows] = deal_pictures(images.iloc[rows], groups[rows], strata[rows], goals, seed, places)
    return parts


def check_sizes(parts: Texts, images: pd.DataFrame, groups: Ints, remedy: str) -> None:
    """Demand pictures in every split; names the largest group, which is often the reason, and the remedy."""
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
    raise SplitError(f"No picture of {len(parts)} is left for {' and '.join(missing)}.{alike} {remedy}")


def find_remedy(method: str, groups: Ints, strata: Texts, kept: KeptSplit | None) -> str:
    """What fills a split that has no pictures; other shares do not where something else holds them back."""
    if method == "given":
        return "Complete the source's split files or folders, or take split.method: stratified."
    if method == "stratified" and kept is not None:
        return (
            f"Accepted pictures keep their splits: add pictures, or write {NOTHING} into "
            f"{kept.path.as_posix()} to deal all of them anew."
        )
    alone = pd.Series(groups).groupby(strata).nunique() == 1
    if method == "stratified" and len(alone) > 1 and alone.all():
        return "Each class is shown by one picture or group alone, and that trains: add pictures of them."
    return "Add pictures, or change split.test, split.valid or split.method."
