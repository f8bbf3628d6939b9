"""How far a data set has moved from the one that was last accepted.

Two measures of the distance of distributions, each beside what chance makes of two samples of one and the
same distribution. Both must hold for a shift to be told: it is larger than the limit, and larger than chance
lets it be in all but one of 10,000 such pairs. Few pictures therefore tell large shifts only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasshouse.quality.sketches import Sketch

BINS = 10
FEWEST = 20  # pictures that a bin should hold: with fewer, chance follows no chi squared
CHANCE = 1e-4  # probability of a larger distance where nothing has moved
NORMAL_QUANTILE = 3.719016  # of the standard normal distribution at 1 - CHANCE

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """One distance of two distributions.

    Attributes:
        distance: as measured.
        by_chance: what it exceeds in one of 10,000 pairs of samples of one distribution.
        beyond: what is left of it for the limit: less its mean under chance; 0 where chance explains it.
    """

    distance: float
    by_chance: float
    beyond: float


def measure_stability(reference: Shares, shares: Shares, pictures: tuple[float, float]) -> Shift:
    """Population stability index of two distributions over the same bins.

    PSI = sum over the bins of (q - p) ln(q / p), with p the share of the reference and q that of the present
    (N. Siddiqi, "Credit Risk Scorecards", 2006; 0.1 to 0.25 reads as some shift, above as a large one). An
    empty bin counts as half a picture, since ln 0 has no value.

    Two samples of n and m pictures of one distribution have an index that goes like (1/n + 1/m) times chi
    squared with (bins - 1) degrees of freedom (B. Yurdakul, "Statistical Properties of Population Stability
    Index", 2018): its mean, (bins - 1) (1/n + 1/m), is a bias and is taken off, its upper quantile is chance.

    Args:
        reference, shares: (B,) each summing to 1; bins that are empty in both do not count.
        pictures: n and m.
    """
    taken = (reference > 0) | (shares > 0)
    p = np.maximum(reference[taken], 0.5 / pictures[0])
    q = np.maximum(shares[taken], 0.5 / pictures[1])
    index = float(((q - p) * np.log(q / p)).sum())
    freedom, spread = int(taken.sum()) - 1, 1 / pictures[0] + 1 / pictures[1]
    by_chance = spread * chi_squared_quantile(freedom)
    return Shift(index, by_chance, max(index - freedom * spread, 0.0) if index > by_chance else 0.0)


def chi_squared_quantile(freedom: int) -> float:
    """The value that chi squared exceeds with probability CHANCE.

    E. Wilson, M. Hilferty, "The distribution of chi-square", 1931: k (1 - 2/9k + z sqrt(2/9k))^3, within 5 %
    here, and on the safe side; k = 1 is the square of the two-sided normal quantile, 3.8906^2.
    """
    if freedom < 2:
        return 15.1367 if freedom else 0.0
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + NORMAL_QUANTILE * math.sqrt(part)) ** 3)


def compare_counts(
    reference: Mapping[str, int], counts: Mapping[str, int], pictures: tuple[float, float]
) -> Shift:
    """Population stability index over categories, which need not be the same in both."""
    names = sorted({*reference, *counts})
    old, new = (np.array([float(mix.get(name, 0)) for name in names]) for mix in (reference, counts))
    return measure_stability(old / old.sum(), new / new.sum(), pictures)


def compare_in_bins(reference: Sketch, present: Sketch) -> Shift:
    """Population stability index over the tenths of the reference, or fewer parts of few pictures.

    A value that makes up as much of the reference by itself (the one size of all pictures, one box a picture)
    is a bin of its own, between what is below and above.
    """
    pictures = (reference.pictures, present.pictures)
    edges = cut_bins(reference, max(2, min(BINS, int(min(pictures) // FEWEST))))
    return measure_stability(_shares(reference, edges), _shares(present, edges), pictures)


def cut_bins(reference: Sketch, bins: int = BINS) -> Shares:
    """Upper ends, included, of all bins but the last: `bins` of about equal share, and those of one value."""
    inner = [reference.quantile(number / bins) for number in range(1, bins)]
    heavy = reference.values[reference.counts >= reference.counts.sum() / bins]
    edges: Shares = np.unique([*inner, *heavy, *np.nextafter(heavy, -np.inf)])
    return edges


def _shares(sketch: Sketch, edges: Shares) -> Shares:
    return np.diff(np.r_[0.0, sketch.share_up_to(edges), 1.0])


def compare_functions(reference: Sketch, present: Sketch) -> Shift:
    """Two-sample Kolmogorov-Smirnov statistic: the largest distance of two distribution functions.

    D = max over x of |F(x) - G(x)|, off by 1/200 at most (see `Sketch`). Two samples of one distribution
    exceed sqrt(-ln(a/2)/2) sqrt(1/n + 1/m) with probability a (N. Smirnov, 1939), less often where values
    repeat.
    """
    points = np.union1d(reference.values, present.values)
    distance = float(np.abs(reference.share_up_to(points) - present.share_up_to(points)).max())
    by_chance = math.sqrt(-math.log(CHANCE / 2) / 2 * (1 / reference.pictures + 1 / present.pictures))
    return Shift(distance, by_chance, distance if distance > by_chance else 0.0)
