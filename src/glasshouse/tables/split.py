"""Which pictures train, which validate and which test.

`ordered` slices the pictures in their order, first the test part, then valid, the rest train, at the
boundaries of TensorFlow Datasets' percent slices ("closest" rounding), example for example; near copies may
fall apart.

`stratified` gives every stratum its share of each split. Groups of near copies stay whole. Within a stratum
groups are ranked by a hash of their content and the seed, never by their position, so that a picture's rank
among the others is unmoved by new names or a new order, and adding pictures moves only those near a boundary.
Sizes are exact (a plain threshold on the hash would never move a picture, and miss the sizes by a standard
deviation of 12 of 160 pictures in 1,600).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.tables.near_copies import group_near_copies
from glasshouse.tables.schema import build_frame

if TYPE_CHECKING:
    from glasshouse.params import Split

SPLITS = ("train", "valid", "test")
NO_CLASS = ""


class SplitError(ValueError):
    """The pictures cannot be split as asked; the message names split or class and what to do."""


def split_pictures(
    raw_images: pd.DataFrame,
    objects: pd.DataFrame,
    split: Split,
    seed: int,
    categories: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Split table (image_id, split, group), sorted by image_id.

    A group is a picture and its near copies; its number is the smallest image_id among them.

    Args:
        raw_images: table `images`.
        objects: table `objects`, may be empty.
        split: method, test, valid (shares of all pictures) and near_copy_bits.
        seed: another one gives another stratified split.
        categories: for the names of classes in errors.

    Raises:
        SplitError: a split would be empty, or a class has too few pictures to be in every split.
    """
    images = raw_images.sort_values("image_id", ignore_index=True)
    shares = {"test": split.test, "valid": split.valid}
    groups = group_near_copies(images["sha256"], images["phash"], split.near_copy_bits)
    if split.method == "ordered":
        parts = slice_in_order(len(images), shares)
    elif split.method == "stratified":
        parts = deal_strata(
            images["sha256"].to_numpy(object), groups, find_strata(images, objects), shares, seed
        )
    else:
        raise SplitError(f"split.method must be stratified or ordered. Got {split.method!r} instead.")
    check_sizes(parts, shares)
    if objects.empty:
        check_labels(images["label"], parts)
    check_object_classes(images["image_id"].to_numpy(), objects, groups, len(set(parts)), categories)
    ids = images["image_id"].to_numpy()
    return build_frame(
        list(zip(ids.tolist(), parts.tolist(), ids[groups].tolist(), [1.0] * len(ids), strict=True)), "split"
    )


def slice_in_order(pictures: int, shares: dict[str, float]) -> NDArray[np.object_]:
    """The split of each picture by its position: [:test], [test:test + valid], [test + valid:]."""
    parts = np.full(pictures, "train", object)
    stop = round_share(shares["test"] + shares["valid"], pictures)
    parts[:stop] = "valid"
    parts[: round_share(shares["test"], pictures)] = "test"
    return parts


def round_share(share: float, pictures: int) -> int:
    """Number of pictures of a share, rounded as TFDS rounds a percent slice's boundary (half to even)."""
    percent = round(share * 100, 9)  # 0.1 + 0.2 is 30 percent, not 30.000000000000004
    return round(percent * pictures / 100.0)


def find_strata(images: pd.DataFrame, objects: pd.DataFrame) -> NDArray[np.object_]:
    """The stratum of each picture: its label, else the rarest class among its objects, else NO_CLASS.

    The rarest, not the largest: the pictures with a rare class are then one stratum, and each split gets its
    share of them. Rare is what few pictures show; ties go to the lower category_id. Crowds do not count.
    """
    seen = objects.loc[~objects["is_crowd"], ["image_id", "category_id"]].drop_duplicates()
    seen = seen.assign(pictures=seen.groupby("category_id")["image_id"].transform("size"))
    rarest = (
        seen.sort_values(["pictures", "category_id"])
        .drop_duplicates("image_id")
        .set_index("image_id")["category_id"]
    )
    classes = images["image_id"].map(rarest)
    by_object = [NO_CLASS if pd.isna(number) else f"{int(number):09d}" for number in classes]
    labels = [None if pd.isna(label) else str(label) for label in images["label"]]
    return np.array([label or other for label, other in zip(labels, by_object, strict=True)], object)


def deal_strata(
    sha256: NDArray[np.object_],
    groups: NDArray[np.int64],
    strata: NDArray[np.object_],
    shares: dict[str, float],
    seed: int,
) -> NDArray[np.object_]:
    """The split of each picture, dealt stratum by stratum from the smallest.

    A stratum's goal is what all strata so far should have by their shares, less what they have got: roundings
    even out, and the total is exact. A stratum of at least three groups has a part in every split as long as
    there are no more strata than pictures in the split; the larger strata, dealt later, make up for it.
    """
    units = rank_groups(sha256, groups, strata, seed)
    members = {str(name): frame["size"] for name, frame in units.groupby("stratum")}
    totals = {name: round_share(share, len(sha256)) for name, share in shares.items()}
    largest = {name: max(total / 10, 2 * units["size"].mean()) for name, total in totals.items()}
    parts = pd.Series("train", units.index, dtype=object)
    placed, seen = dict.fromkeys(shares, 0), 0
    for _, sizes in sorted(members.items(), key=lambda item: (item[1].sum(), item[0])):
        seen += int(sizes.sum())
        goals = {name: round_share(share, seen) - placed[name] for name, share in shares.items()}
        wanted = {name for name in shares if len(sizes) >= len(SPLITS) and len(members) <= totals[name]}
        dealt = np.array(deal_stratum(sizes.tolist(), goals, wanted, largest), object)
        parts[sizes.index] = dealt
        placed = {name: count + int(sizes[dealt == name].sum()) for name, count in placed.items()}
    return parts[groups].to_numpy(object)


def rank_groups(
    sha256: NDArray[np.object_], groups: NDArray[np.int64], strata: NDArray[np.object_], seed: int
) -> pd.DataFrame:
    """One row a group (index: its number), in the order of its rank: stratum, size (pictures), rank.

    The picture with the smallest digest stands for its group: the stratum is its own, the rank is a hash of
    its digest and the seed.
    """
    frame = pd.DataFrame({"group": groups, "sha256": sha256, "stratum": strata})
    frame = frame.sort_values(["sha256", "stratum"])
    units = frame.groupby("group").agg(
        sha256=("sha256", "first"), stratum=("stratum", "first"), size=("sha256", "size")
    )
    units["rank"] = [hashlib.sha256(f"{seed} {digest}".encode()).hexdigest() for digest in units["sha256"]]
    return units.sort_values("rank")


def deal_stratum(
    sizes: list[int], goals: dict[str, int], wanted: set[str], largest: dict[str, float]
) -> list[str]:
    """The split of each group of a stratum, in the order of rank: the first that fits of test, valid, train.

    A group fits where it brings the split nearer to its goal, or is the first of a stratum that is wanted
    there; where the groups that follow suffice for the other splits that want one; and where it is no larger
    than `largest`: one burst of a hundred near copies must not be the test set.
    """
    parts, taken = ["train"] * len(sizes), dict.fromkeys(goals, 0)
    lacking = {"train", *wanted}
    for place, size in enumerate(sizes):
        for name, goal in goals.items():
            nearer = name in lacking or taken[name] + size / 2 <= goal
            spared = not wanted or len(sizes) - place > len(lacking - {name})
            if nearer and spared and size <= largest[name]:
                parts[place] = name
                taken[name] += size
                break
        lacking.discard(parts[place])
    return parts


def check_sizes(parts: NDArray[np.object_], shares: dict[str, float]) -> None:
    """Demand pictures in every split that has a share."""
    for name in ("train", *(name for name, share in shares.items() if share > 0)):
        if not (parts == name).any():
            raise SplitError(
                f"No picture of {len(parts)} is left for {name} (split.test {shares['test']}, "
                f"split.valid {shares['valid']}): add pictures or change the shares."
            )


def check_labels(labels: pd.Series[Any], parts: NDArray[np.object_]) -> None:
    """Demand a picture of every class in every split, where pictures carry labels and no objects."""
    known = labels.notna().to_numpy()
    counts = pd.crosstab(labels[known].astype(object), parts[known])
    missing = [
        f"{label} ({row.sum()} in all) in {' and '.join(row.index[row == 0])}"
        for label, row in counts[(counts == 0).any(axis=1)].iterrows()
    ]
    if missing:
        raise SplitError(
            f"Classes without a picture: {'; '.join(missing)}. Add pictures of them (near copies count as "
            "one), remove the class, raise split.test or split.valid, or take split.method: stratified."
        )


def check_object_classes(
    image_ids: NDArray[np.int64],
    objects: pd.DataFrame,
    groups: NDArray[np.int64],
    splits: int,
    categories: pd.DataFrame | None,
) -> None:
    """Demand that each class of objects is seen in as many groups of pictures as there are splits."""
    group_of = pd.Series(groups, index=image_ids)
    seen = objects.loc[~objects["is_crowd"]]
    counts = seen["image_id"].map(group_of).groupby(seen["category_id"]).nunique()
    names = (
        {} if categories is None else dict(zip(categories["category_id"], categories["name"], strict=True))
    )
    rare = [
        f"{names.get(number, f'category {number}')!s} ({count})"
        for number, count in counts.items()
        if count < splits
    ]
    if rare:
        raise SplitError(
            f"Classes with objects in fewer pictures than the {splits} splits (near copies count as one): "
            f"{', '.join(rare)}. Add pictures of them or remove the class."
        )
