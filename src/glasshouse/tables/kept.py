"""The splits of the pictures of the accepted data version: those pictures keep them, whatever is added.

`glasshouse accept` writes data/accepted_split.json, the split stage holds to it. A picture is known by the
first 16 digits of its file's SHA-256, so that moving and renaming it change nothing.

What stays together with a known picture goes where that one lies. A new picture that ties known pictures of
different splits together would leak wherever it lay, and a known one may not move: it is left out, with a
warning that names both sides. Where several new pictures make such a tie in a chain, all of them are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.sources.listing import abridge
from glasshouse.tables.folders import replace_file
from glasshouse.tables.schema import SPLITS
from glasshouse.tables.strata import Bonds, Ints, Texts, find_groups

VERSION = 1  # of the document
DIGITS = 16  # of a SHA-256: two of a million pictures share them once in 30 million data sets
NOTHING = '{"accepted": null}'


class KeptSplitError(ValueError):
    """The kept splits cannot be read, or not be held to; the message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class KeptSplit:
    """Where the pictures of the accepted data version lie.

    Attributes:
        data: digest of that version's tables.
        shares: of all pictures, by split: those of test and valid that it was split with.
        splits: split by the first DIGITS of the SHA-256 of a picture's file.
        path: of the file that says so.
    """

    data: str
    shares: Mapping[str, float]
    splits: Mapping[str, str]
    path: Path

    def look_up(self, images: pd.DataFrame) -> Texts:
        """The split of each picture, None for one that is not known: (N,)."""
        return np.array([self.splits.get(digest[:DIGITS]) for digest in images["sha256"]], object)

    def demand_shares(self, shares: Mapping[str, float]) -> None:
        """Raise KeptSplitError where a share is another now: then known pictures could not all stay."""
        for name, share in shares.items():
            if share != self.shares[name]:
                raise KeptSplitError(
                    f"split.{name} is {share}, and {self.path.as_posix()} was accepted with "
                    f"{self.shares[name]}: its pictures cannot keep their splits. Take {self.shares[name]} "
                    f"back; or write {NOTHING} into the file to deal all pictures anew (then pictures that "
                    "tested may train, and an older model cannot be measured on the new test split), and "
                    "run `glasshouse accept` when it is done."
                )


def read_kept(path: Path) -> KeptSplit | None:
    """What `write_kept` wrote; None where nothing was accepted yet, or the file is not there.

    Raises:
        KeptSplitError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))["accepted"]
        return None if document is None else _read_document(document, path)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KeptSplitError(
            f"{path.as_posix()} holds no split of an accepted data version ({type(error).__name__}: {error}):"
            f" take the last good one from git, or write {NOTHING} into it to deal all pictures anew."
        ) from error


def _read_document(document: Mapping[str, Any], path: Path) -> KeptSplit:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']} is not {VERSION}")
    splits = document["splits"]
    for key, split in splits.items():
        if split not in SPLITS or len(key) != DIGITS or set(key) - set("0123456789abcdef"):
            raise ValueError(f"{key!r}: {split!r} is no picture's split")
    shares = {name: float(document[name]) for name in ("test", "valid")}
    return KeptSplit(document["data"], shares, splits, path)


def keep_splits(
    images: pd.DataFrame, table: pd.DataFrame, shares: Mapping[str, float], data: str, path: Path
) -> KeptSplit:
    """The splits of a data version, to be kept.

    Args:
        images: table `images`.
        table: table `split` of the same pictures; those that it leaves out are not kept.
        shares: of test and valid.
        data: digest of the version's tables.
        path: where they will stand.
    """
    both = images[["image_id", "sha256"]].merge(table[["image_id", "split"]].dropna(), on="image_id")
    splits = dict(zip(both["sha256"].str[:DIGITS], both["split"], strict=True))
    return KeptSplit(data, {name: shares[name] for name in ("test", "valid")}, splits, path)


def write_kept(kept: KeptSplit) -> None:
    """Write what `read_kept` reads: a line a picture, in the order of the digests."""
    splits = dict(sorted(kept.splits.items()))
    document = {"version": VERSION, "data": kept.data, **kept.shares, "splits": splits}
    with replace_file(kept.path) as place:
        place.write_text(f"{json.dumps({'accepted': document}, indent=1)}\n", encoding="utf-8", newline="\n")


@dataclass(frozen=True, slots=True)
class Places:
    """What is decided of N pictures before any is dealt.

    Attributes:
        groups: (N,) smallest row of each picture's group; of one that is left out its own.
        splits: (N,) where a picture must lie; None where that is open, and where it is left out.
        left_out: (N,) whether it lies in no split at all.
    """

    groups: Ints
    splits: Texts
    left_out: NDArray[np.bool_]


def find_places(images: pd.DataFrame, known: Texts, bits: int) -> Places:
    """Group pictures, and let each group lie where its known pictures do.

    Args:
        images: N pictures.
        known: (N,) their splits in the accepted data version, or None.
        bits: as find_groups takes it.
    """
    groups, left_out = find_groups(images, bits), np.zeros(len(images), bool)
    new, by_row = pd.isna(known), pd.Series(known, dtype=object)
    ties: Ties | None = None
    while (torn := new & ~left_out & (by_row.groupby(groups).transform("nunique") > 1).to_numpy()).any():
        ties = ties or Ties(Bonds.read(images, bits), regroup(images, new, bits), known)
        rows = np.flatnonzero(torn).tolist()
        left_out[[row for row in rows if ties.hold(row, groups)] or rows] = True
        groups = regroup(images, left_out, bits)
    return Places(groups, follow_known(groups, known), left_out)


def follow_known(groups: Ints, known: Texts) -> Texts:
    """The split of each picture: its own, else that of the first known one of its group, else None."""
    by_row = pd.Series(known, dtype=object)
    followed = by_row.fillna(by_row.groupby(groups).transform("first"))
    splits: Texts = followed.to_numpy(object, copy=True)
    splits[followed.isna()] = None
    return splits


@dataclass(frozen=True, slots=True)
class Ties:
    """Which new pictures tie known ones of several splits together.

    Attributes:
        bonds: of N pictures.
        among_known: (N,) smallest row of each known picture's group, were there no new ones.
        known: (N,) splits of the known pictures, None for the new ones.
    """

    bonds: Bonds
    among_known: Ints
    known: Texts

    def hold(self, row: int, groups: Ints) -> bool:
        """Whether a new picture, alone with the known ones of its group, ties several splits together."""
        old = np.flatnonzero((groups == groups[row]) & pd.notna(self.known))
        roots = self.among_known[old]
        touched = np.isin(roots, roots[self.bonds.touch(row, old)])
        return len(set(self.known[old[touched]])) > 1


def regroup(images: pd.DataFrame, left_out: NDArray[np.bool_], bits: int) -> Ints:
    """The groups of the others; a picture that is left out is one by itself."""
    groups, rows = np.arange(len(images)), np.flatnonzero(~left_out)
    groups[rows] = rows[find_groups(images.iloc[rows], bits)]
    return groups


def tabulate_kept(
    images: pd.DataFrame, table: pd.DataFrame, kept: KeptSplit | None, bits: int
) -> dict[str, pd.DataFrame]:
    """What the guard holds a split against.

    Args:
        images: N pictures.
        table: table `split` of them.
        kept: the splits of the accepted data version.
        bits: as find_groups takes it.

    Returns:
        `accepted`: image_id and split of the known pictures; `left_out`: image_id of those in no split, and
        what each ties together, `a.jpg (train), b.jpg (test)`, null where that is nothing.
    """
    ordered = images.sort_values("image_id", ignore_index=True)
    known = np.full(len(ordered), None, object) if kept is None else kept.look_up(ordered)
    ids = ordered["image_id"].to_numpy()
    lost = np.flatnonzero(np.isin(ids, table.loc[table["split"].isna(), "image_id"]))
    old = np.flatnonzero(pd.notna(known))
    rows = np.append(old, lost)
    roots = find_groups(ordered.iloc[rows], bits) if lost.size else np.arange(len(rows))
    between = []
    for root in roots[len(old) :]:
        tied = old[roots[: len(old)] == root]
        names = [f"{ordered['file_name'].iloc[row]} ({known[row]})" for row in tied]
        between.append(abridge(names) if len(set(known[tied])) > 1 else None)
    return {
        "accepted": pd.DataFrame({"image_id": ids[old], "split": pd.Series(known[old], dtype="str")}),
        "left_out": pd.DataFrame({"image_id": ids[lost], "lies_between": pd.Series(between, dtype="str")}),
    }


def say_kept(table: pd.DataFrame, accepted: pd.DataFrame) -> str:
    """How many pictures keep their splits, and where the new ones went."""
    if accepted.empty:
        return "split: no data version was accepted yet; `glasshouse accept` keeps each picture in its split"
    both = table.merge(accepted, on="image_id", how="left", suffixes=("", "_accepted"))
    stay = int((both["split"] == both["split_accepted"]).sum())
    new = both[both["split_accepted"].isna()]
    places = [f"{int((new['split'] == name).sum()):,} {name}" for name in SPLITS]
    if new["split"].isna().any():
        places.append(f"{int(new['split'].isna().sum()):,} left out")
    return (
        f"split: {stay:,} of {len(accepted):,} accepted pictures keep their splits, "
        f"{len(new):,} are new ({', '.join(places)})"
    )
