"""What a split keeps together and what it spreads: groups of pictures, and strata of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glasshouse.tables.near_copies import Prints, group_near_copies, join, pair_equal

NO_CLASS = ""

Ints = NDArray[np.int64]
Texts = NDArray[np.object_]


def list_classes(images: pd.DataFrame, objects: pd.DataFrame, categories: pd.DataFrame) -> pd.DataFrame:
    """Which classes a picture shows, by its label and its objects: (image_id, class), each pair once.

    Crowds do not count: a picture of nothing else teaches little of the class.

    Args:
        images: image_id and label.
        objects: image_id, category_id and is_crowd; may be empty.
        categories: category_id and name.
    """
    seen = objects.loc[~objects["is_crowd"].astype(bool), ["image_id", "category_id"]].drop_duplicates()
    names = dict(zip(categories["category_id"], categories["name"], strict=True))
    by_object = seen.assign(**{"class": seen["category_id"].map(names)})
    by_label = images[["image_id", "label"]].rename(columns={"label": "class"})
    columns = ["image_id", "class"]
    both = pd.concat([by_label[columns].dropna(), by_object[columns].dropna()]).astype({"class": object})
    return both.drop_duplicates(ignore_index=True)


def find_groups(images: pd.DataFrame, bits: int) -> Ints:
    """For each row the smallest row of its group: near copies, and what the source says belongs together."""
    roots = group_near_copies(
        images["sha256"], images["phash"], bits, images["phash_flipped"], images["thumbnail"]
    )
    named = np.flatnonzero(images["given_group"].notna())
    join(roots, *pair_equal(images["given_group"].to_numpy(object)[named].astype(str), named))
    return roots


@dataclass(frozen=True, slots=True)
class Bonds:
    """What find_groups joins, asked pair by pair: which pictures hang together without a third between them.

    Attributes:
        files: (N,) a number for each file's content.
        names: (N,) a number for each given group, -1 for none.
        prints: of the pictures.
        bits: as find_groups takes it.
    """

    files: Ints
    names: Ints
    prints: Prints
    bits: int

    @classmethod
    def read(cls, images: pd.DataFrame, bits: int) -> Bonds:
        """The bonds of the rows of `images`."""
        files, names = (pd.factorize(images[column])[0] for column in ("sha256", "given_group"))
        prints = Prints.parse(images["phash"], images["phash_flipped"], images["thumbnail"])
        return cls(files, names, prints, bits)

    def touch(self, row: int, others: Ints) -> NDArray[np.bool_]:
        """Which of the others a picture is bound to: (P,)."""
        named = (self.names[others] == self.names[row]) & (self.names[row] >= 0)
        same = self.files[others] == self.files[row]
        touching: NDArray[np.bool_] = named | same | self.prints.find_near(row, others, self.bits)
        return touching


def find_strata(images: pd.DataFrame, classes: pd.DataFrame) -> Texts:
    """The stratum of each picture: its label, else the rarest of its classes, else NO_CLASS.

    The rarest, not the largest: the pictures with a rare class are then one stratum, and each split gets its
    share of them. Rare is what few pictures show; ties go to the name that comes first.
    """
    seen = classes.assign(pictures=classes.groupby("class")["image_id"].transform("size"))
    rarest = seen.sort_values(["pictures", "class"]).drop_duplicates("image_id")
    by_rarest = images["image_id"].map(rarest.set_index("image_id")["class"]).astype(object)
    labels = images["label"].astype(object)
    strata: Texts = labels.where(labels.notna(), by_rarest).fillna(NO_CLASS).to_numpy(object)
    return strata
