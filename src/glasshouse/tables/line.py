"""Groups of pictures in a line, dealt to the splits so that every class has its share of each.

Every group has a place in a line that depends on its content and the seed alone. The front of the line
tests, the next part validates, the rest trains. Each split takes from the line until its size is exact, but
from no stratum more or less than its share: rounded to whole pictures, give or take SLACK of the stratum.

Pictures of the accepted data version have their places already and keep them (kept.py); what follows is of
pictures that were never accepted, or are dealt anew.

Why not a threshold on the hash, which would never move a picture? It misses the size by 10 of 160 pictures
in 1,600 on average, and a class's share by far more; only a rule that looks at each picture alone can leave
all of them where they are whatever is added. Why not exact strata? They move more. Measured (single pictures
with labels, five even classes, mean of 20 seeds, 6 for 10,000 pictures): the percentage of the old pictures
that change their split when so many are added, and the largest error of a class's share of a split, in
percentage points of the class. Fresh lots would move 40 %.

    pictures   rule           + 1 %   + 10 %   + 50 %   + 100 %   error
    1,600      threshold       0.00     0.00     0.00      0.00     3.5
    1,600      strata exact    0.37     0.93     1.85      2.34     0.3
    1,600      this one        0.25     0.71     1.44      1.72     1.1
    10,000     strata exact    0.14     0.47     0.87      0.94     0.0
    10,000     this one        0.08     0.23     0.42      0.42     0.9
    300        this one        0.50     2.63     4.37      4.82     1.4

Those that move stood beside a boundary of the line: they go between test and valid, or between valid and
train. None went between train and test; where groups are large, a few do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.pictures.fingerprint import FLAT_PHASH
from glasshouse.tables.schema import SPLITS
from glasshouse.tables.strata import Ints, Texts

SLACK = 0.01  # of a stratum: more moves fewer old pictures, less keeps the classes more alike


@dataclass(frozen=True, slots=True)
class Line:
    """G groups of pictures in the order of their places: root (smallest row), size (pictures), stratum.

    A stratum is its number, from 0.
    """

    root: Ints
    size: Ints
    stratum: Ints

    @property
    def stratum_pictures(self) -> Ints:
        """Pictures of each stratum."""
        return np.bincount(self.stratum, self.size).astype(np.int64)


def line_up(images: pd.DataFrame, groups: Ints, strata: Texts, seed: int) -> Line:
    """Put groups into their line.

    A group's place is a hash of the seed and its key. A group belongs to its pictures' rarest stratum.

    Args:
        images: sha256, phash, phash_flipped and given_group of N pictures.
        groups: (N,) a number for each group, such as its smallest row.
        strata: (N,) of the pictures.
        seed: another one, another line.
    """
    frame = pd.DataFrame({"root": groups, "stratum": strata})
    frame["rarity"] = frame.groupby("stratum")["root"].transform("size")
    rarest = frame.sort_values(["rarity", "stratum"]).drop_duplicates("root").set_index("root")["stratum"]
    units = pd.DataFrame({"size": frame.groupby("root").size(), "key": find_keys(images, groups)})
    units["place"] = [hashlib.sha256(f"{seed} {key}".encode()).hexdigest() for key in units["key"]]
    units["stratum"] = np.unique(rarest.reindex(units.index).to_numpy(str), return_inverse=True)[1]
    units = units.sort_values("place")
    return Line(*(np.asarray(values, np.int64) for values in (units.index, units["size"], units["stratum"])))


def find_keys(images: pd.DataFrame, groups: Ints) -> pd.Series[Any]:
    """What decides on each group's place (index: its number), for every group another.

    The name that the source gives; else the smallest perceptual hash among its pictures and their mirror
    images; else (where that tells nothing, or another group has it too) the smallest digest. So a group keeps
    its place when pictures join it: always if it is named, and nine times in ten if the new one is a
    re-encoded, resized or mirrored copy, whose hashes are mostly the same (measured on photos; by digests
    alone it would be half of the times).
    """
    plain, mirrored = (images[column].to_numpy(object) for column in ("phash", "phash_flipped"))
    telling = (plain != FLAT_PHASH) & (mirrored != FLAT_PHASH)
    names = find_smallest("group ", images["given_group"].to_numpy(object), groups)
    lesser = np.array(np.where(telling, np.minimum(plain, mirrored), None), object)
    prints = find_smallest("phash ", lesser, groups)
    digests = find_smallest("sha256 ", images["sha256"].to_numpy(object), groups)
    return names.combine_first(prints[~prints.duplicated(keep=False)]).combine_first(digests)


def find_smallest(kind: str, values: Texts, groups: Ints) -> pd.Series[Any]:
    """The smallest of the texts of each group that has any, with their kind before it."""
    frame = pd.DataFrame({"group": groups, "text": pd.Series(values, dtype=object)}).dropna(subset=["text"])
    smallest = frame.sort_values("text").drop_duplicates("group").set_index("group")["text"]
    return (kind + smallest.astype(object)).astype(object)


def deal_line(
    line: Line, goals: Mapping[str, int], free: NDArray[np.bool_], held: Mapping[str, Ints]
) -> Texts:
    """The split of each free group: each goal in turn takes its pictures from the front of what is left.

    Args:
        line: G groups.
        goals: pictures of each split but train, which has the rest.
        free: (G,) groups to be dealt; the others have their place.
        held: pictures of each stratum that have their place already, by split.

    Returns:
        (G,) names of splits; train where a group is not free.
    """
    parts, names = np.full(len(line.root), "train", object), list(goals)
    # where old pictures keep their places none can move, and classes may be as alike as they can
    slack = 0.0 if any(counts.any() for counts in held.values()) else SLACK
    for number, name in enumerate(names, 1):
        lacking = np.sum([held[later] == 0 for later in (*names[number:], "train")], axis=0)
        chosen = take_share(line, free & (parts == "train"), goals[name], held[name], lacking, slack)
        parts[chosen] = name
    return parts


def take_share(
    line: Line, free: NDArray[np.bool_], goal: int, held: Ints, lacking: Ints, slack: float
) -> Ints:
    """Places in the line, of those free, that with those held make `goal` pictures, or as near as groups
    allow.

    First every stratum gives a group, so that no class is missing; then its least share; then the line is
    followed up to each stratum's most, then (where that does not suffice) regardless of it, and last one
    group may be taken that is larger than what lacks. As long as it has the groups, a stratum leaves one to
    each of the later splits (train among them) that has nothing of it, and always one to one of them. A group
    larger than a tenth of the goal and twice the mean stays in train: one burst of a hundred copies must not
    be the test set.

    Args:
        line: G groups of S strata.
        free: (G,) which may be taken.
        goal: pictures.
        held: (S,) pictures of each stratum that the split has already.
        lacking: (S,) how many of the later splits have nothing of a stratum.
        slack: part of a stratum by which its share may be missed.
    """
    sizes, strata = line.size.tolist(), line.stratum.tolist()
    groups = np.bincount(line.stratum[free], minlength=len(held))
    spare = (groups - np.clip(groups - 1, np.minimum(lacking, 1), lacking)).tolist()
    small = line.size <= max(goal / 10, 2 * line.size.mean())
    waiting, chosen = np.flatnonzero(free & small).tolist(), []
    taken, total = held.tolist(), int(held.sum())
    for limits, weight in find_limits(line.stratum_pictures, goal, slack):
        passed = []
        for place in waiting:
            size, stratum = sizes[place], strata[place]
            within = not taken[stratum] or taken[stratum] + size / 2 <= limits[stratum]
            if within and spare[stratum] > 0 and total + weight * size <= goal:
                chosen.append(place)
                spare[stratum] -= 1
                taken[stratum] += size
                total += size
            else:
                passed.append(place)
        waiting = passed
    return np.array(chosen, np.int64)


def count_held(line: Line, groups: Ints, splits: Texts) -> dict[str, Ints]:
    """Pictures of each stratum that have their place, by split: {split: (S,)}.

    Args:
        line: G groups.
        groups: (N,) the group of each picture.
        splits: (N,) where it must lie, or None.
    """
    stratum = pd.Series(line.stratum, line.root).loc[pd.Index(groups)].to_numpy()
    strata = len(line.stratum_pictures)
    return {name: np.bincount(stratum[splits == name], minlength=strata) for name in SPLITS}


def find_limits(stratum_pictures: Ints, goal: int, part: float) -> list[tuple[list[int], float]]:
    """The rounds in which a split takes its share: the most pictures of each stratum (its first group is
    always within), and which part of a group must lie within the goal. `part` of a stratum is slack.
    """
    quota, pictures = goal * stratum_pictures, stratum_pictures.sum()
    slack = np.floor(part * stratum_pictures).astype(np.int64)
    least, most = quota // pictures - slack, -(-quota // pictures) + slack
    first, everything = np.zeros_like(quota), stratum_pictures
    rounds = ((first, 1.0), (least, 1.0), (most, 1.0), (everything, 1.0), (everything, 0.5))
    return [(limits.tolist(), weight) for limits, weight in rounds]
