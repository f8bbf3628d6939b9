"""Groups of pictures that show the same: exact copies, and near copies by perceptual hash.

Two pictures belong together when their files are equal (sha256), or when their hashes differ in at most
`bits` of 64; groups are the connected components, so a chain of small changes is one group. A hash of 0 tells
nothing (see pictures/fingerprint.py): blank pictures belong together only where their files are equal, or
every blank picture of a data set would be one group.

Candidates come from banding: of bits + 1 bands of a hash, `bits` differing bits leave at least one untouched
(pigeonhole; Manku, Jain, Das Sarma, "Detecting near-duplicates for web crawling", WWW 2007), so only hashes
that agree in a whole band are compared. No bucket is skipped, however large: equal hashes are compared once,
and memory does not grow with a bucket; only the time does.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glasshouse.pictures.fingerprint import count_differing_bits, parse_phashes

Rows = NDArray[np.int64]


def group_near_copies(sha256: ArrayLike, phashes: ArrayLike, bits: int) -> Rows:
    """For each of N pictures the smallest row among its near copies and itself: (N,) int64.

    Args:
        sha256: N hex digests of the files.
        phashes: N perceptual hashes, 16 hex digits.
        bits: largest number of differing bits of near copies, 0..64.

    Raises:
        ValueError: bits out of range, or the lengths differ.
    """
    digests, hashes = np.asarray(sha256, dtype=object), parse_phashes(phashes)
    if digests.shape != hashes.shape:
        raise ValueError(
            f"Parameters sha256 and phashes must be equally long. Got {digests.shape}, {hashes.shape}."
        )
    if not 0 <= bits <= 64:
        raise ValueError(f"Parameter bits must be in 0..64. Got {bits} instead.")
    roots = np.arange(len(digests))
    telling = np.flatnonzero(hashes)
    join(roots, *pair_equal(digests, np.arange(len(digests))))
    join(roots, *pair_equal(hashes[telling], telling))
    distinct, first = np.unique(hashes[telling], return_index=True)
    join(roots, telling[first], telling[first[group_distinct(distinct, bits)]])
    return roots


def pair_equal(values: NDArray[np.generic], rows: Rows) -> tuple[Rows, Rows]:
    """Every row beside the first row of the same value."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return rows, rows[first[inverse]]


def join(roots: Rows, left: Rows, right: Rows) -> None:
    """Unite the sets of left[i] and right[i], in place: union-find, all pairs at once.

    roots[i] is the smallest row of i's set, before and after. Each round hangs the larger of two roots below
    the smaller, then shortens every path to its root.
    """
    while True:
        pairs = np.sort([roots[left], roots[right]], axis=0)
        low, high = pairs[:, pairs[0] < pairs[1]]
        if not low.size:
            return
        np.minimum.at(roots, high, low)
        while (shorter := roots[roots]).tobytes() != roots.tobytes():
            roots[:] = shorter


def group_distinct(hashes: NDArray[np.uint64], bits: int) -> Rows:
    """Roots, as in join, of N distinct hashes: (N,) int64."""
    roots = np.arange(len(hashes))
    edges = np.linspace(0, 64, bits + 2).astype(np.uint64)
    for start, stop in pairwise(edges):
        band = (hashes >> start) & np.uint64(2 ** int(stop - start) - 1)
        order = np.argsort(band, kind="stable")
        join_buckets(roots, hashes[order], band[order], order, bits)
    return roots


def join_buckets(
    roots: Rows, hashes: NDArray[np.uint64], band: NDArray[np.uint64], rows: Rows, bits: int
) -> None:
    """Unite, in place, the near pairs within runs of equal band (the buckets).

    Each hash is compared with the one 1 behind it, 2 behind, ... while its bucket lasts: every pair once, all
    buckets at a time. Now and then the buckets that are one group by now are left out.
    """
    starts = np.flatnonzero(np.r_[True, band[1:] != band[:-1]][: len(band)])
    sizes = np.diff(np.r_[starts, len(band)])
    ends = np.repeat(starts + sizes, sizes)
    left, step = np.arange(len(band)), 1
    while (left := left[left + step < ends[left]]).size:
        near = left[count_differing_bits(hashes[left], hashes[left + step]) <= bits]
        join(roots, rows[near], rows[near + step])
        if step.bit_count() == 1:
            here = roots[rows]
            open_ = np.minimum.reduceat(here, starts) < np.maximum.reduceat(here, starts)
            left = left[np.repeat(open_, sizes)[left]]
        step += 1
