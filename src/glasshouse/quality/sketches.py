"""The distribution of a number over a data set in a few hundred figures: what drift is measured by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

POINTS = 200  # of a distribution at most: its shares are off by 1/200 = 0.5 % at most, and by 0 at the points

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A distribution function as steps.

    Attributes:
        pictures: the number of independent draws, see `count_draws`.
        values: (K,) rising, at most about `POINTS`.
        counts: (K,) how many numbers are at most that value and above the one before. Equal numbers are never
            parted, so that whole numbers of few kinds (sides, boxes a picture) are kept as they are.
    """

    pictures: float
    values: Numbers
    counts: NDArray[np.int64]

    def share_up_to(self, limits: ArrayLike) -> Numbers:
        """Share of the numbers that are at most each limit, (n,) in 0..1; between points too low by 1/200."""
        rising = np.r_[0, np.cumsum(self.counts)]
        shares: Numbers = rising[np.searchsorted(self.values, limits, "right")] / rising[-1]
        return shares

    def quantile(self, share: float) -> float:
        """The smallest value that at least `share` of the numbers are at most."""
        rising = np.cumsum(self.counts)
        place = int(np.searchsorted(rising, share * rising[-1] - 1e-9))
        return float(self.values[min(place, len(self.values) - 1)])

    def as_json(self) -> dict[str, Any]:
        """What `read_sketch` reads."""
        return {
            "pictures": self.pictures,
            "values": self.values.tolist(),
            "counts": self.counts.tolist(),
        }


def read_sketch(document: Mapping[str, Any]) -> Sketch:
    """What `as_json` gave; raises ValueError where it is no distribution."""
    values, counts = np.array(document["values"], np.float64), np.array(document["counts"], np.int64)
    rises = bool((np.diff(values) > 0).all() and np.isfinite(values).all() and (counts > 0).all())
    if values.shape != counts.shape or values.ndim != 1 or not len(values) or not rises:
        raise ValueError("values must rise and have a count above 0 each.")
    return Sketch(float(document["pictures"]), values, counts)


def sketch(numbers: ArrayLike, pictures: float | None = None) -> Sketch | None:
    """The sketch of the finite ones of some numbers; None where there are none.

    Args:
        numbers: in any order.
        pictures: of how many independent draws they tell, where each is none of its own.
    """
    given = np.asarray(numbers, np.float64)
    distinct, repeats = np.unique(given[np.isfinite(given)], return_counts=True)
    if not len(distinct):
        return None
    # Runs of about equal count, each ending with a distinct value: its number is that of its last member.
    run = (np.cumsum(repeats) - 1) * POINTS // int(repeats.sum()) if len(distinct) > POINTS else distinct
    last = np.flatnonzero(np.r_[run[1:] != run[:-1], True])
    last = np.union1d(last, [0])  # the smallest tells where the distribution begins
    counts = np.diff(np.r_[0, np.cumsum(repeats)[last]])
    rounded = np.array([float(f"{value:.6g}") for value in distinct[last]])
    values, first = np.unique(rounded, return_index=True)
    return Sketch(
        float(repeats.sum()) if pictures is None else pictures, values, np.add.reduceat(counts, first)
    )


def count_draws(objects_per_picture: ArrayLike) -> float:
    """How many independent draws the objects of some pictures are worth: (sum m)^2 / sum m^2.

    Objects of one picture are alike, so that a picture counts once at most, and a crowded one weighs more
    than it tells (L. Kish, "Survey Sampling", 1965, the effective size of a weighted sample).
    """
    counts = np.asarray(objects_per_picture, np.float64)
    total = counts.sum()
    return float(f"{total**2 / (counts**2).sum():.6g}") if total else 0.0
