"""Groups of pictures that show the same: exact copies, and near copies by perceptual hash and thumbnail.

Two pictures belong together when their files are equal (sha256), or when they are near: a hash of one and a
hash of the other differ in at most `bits` of 64, and their thumbnails, where given, agree. A picture has one
hash as it is and, where given, one of its mirror image, so a mirrored copy is found like any other. Groups
are the connected components: a chain of small changes is one group. A hash of 0 tells nothing (see
pictures/fingerprint.py): blank pictures belong together only where their files are equal, or every blank
picture of a data set would be one group.

Thumbnails agree when they correlate, or differ by no more than coding does. Photographs halved, quartered,
re-encoded at quality 30 or brightened by a fifth correlate at 0.988 and more, while red and blue circles, or
the digits of a font, which the hash often takes for the same, mostly stay below 0.98.

Candidates come from blocks: of m blocks of a hash, `bits` differing bits leave at least m - bits untouched,
so only hashes that agree in m - bits whole blocks are compared, for every choice of these (Manku, Jain, Das
Sarma, "Detecting near-duplicates for web crawling", WWW 2007, section 3). More blocks make more choices of
fewer comparisons; m is what costs least for the number of hashes. No pair is skipped, so groups are exact.
Time is far from quadratic as long as hashes are spread: it grows with the hashes that agree in whole blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glasshouse.pictures.fingerprint import count_differing_bits, parse_phashes, parse_thumbnails

Rows = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Blocks = tuple[tuple[int, int], ...]
MIN_CORRELATION = 0.98
CODING_NOISE = 2.0  # levels, root mean square; where a picture has little contrast this is all that differs
SORTING_COST = 10  # of one hash, in comparisons of a pair
MAX_PAIRS = 2**16  # looked at or joined at a time: bounds the memory


def group_near_copies(
    sha256: ArrayLike,
    phashes: ArrayLike,
    bits: int,
    phashes_flipped: ArrayLike | None = None,
    thumbnails: ArrayLike | None = None,
) -> Rows:
    """For each of N pictures the smallest row among its near copies and itself: (N,) int64.

    Args:
        sha256: N hex digests of the files.
        phashes: N perceptual hashes, 16 hex digits.
        bits: largest number of differing bits of near copies, 0..64.
        phashes_flipped: N hashes of the mirrored pictures; without them mirrored copies are not found.
        thumbnails: N thumbnails of 192 bytes; without them the hash alone decides.

    Raises:
        ValueError: bits out of range, or the lengths differ.
    """
    digests = np.asarray(sha256, dtype=object)
    kinds = [parse_phashes(kind) for kind in (phashes, phashes_flipped) if kind is not None]
    pictures = None if thumbnails is None else parse_thumbnails(thumbnails)
    lengths = [len(digests), *map(len, kinds), *([] if pictures is None else [len(pictures)])]
    if len(set(lengths)) != 1:
        raise ValueError(f"sha256, hashes and thumbnails must be equally long. Got {lengths} instead.")
    if not 0 <= bits <= 64:
        raise ValueError(f"Parameter bits must be in 0..64. Got {bits} instead.")
    roots = np.arange(len(digests))
    join(roots, *pair_equal(digests, roots.copy()))
    items = Items(
        np.concatenate(kinds),
        np.tile(np.arange(len(digests)), len(kinds)),
        np.repeat(np.arange(len(kinds)) == 1, len(digests)),
        None if pictures is None else Thumbnails.centre(pictures),
    )
    link_near(roots, items.drop_repeated(roots), bits)
    return roots


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Thumbnails and what their correlation needs.

    Attributes:
        levels: (N, 8, 8, 3) uint8.
        means: (N,) over all levels of a thumbnail.
        norms: (N,) Euclidean, of the levels less their mean.
    """

    levels: NDArray[np.uint8]
    means: NDArray[np.float64]
    norms: NDArray[np.float64]

    @classmethod
    def centre(cls, levels: NDArray[np.uint8]) -> Thumbnails:
        """Take the mean and norm of each, from exact sums."""
        flat = levels.reshape(len(levels), levels[0].size if len(levels) else 0)
        means = flat.sum(1, dtype=np.int64) / max(flat.shape[1], 1)
        squares = np.einsum("nk,nk->n", flat, flat, dtype=np.int64)
        return cls(levels, means, np.sqrt(np.maximum(squares - flat.shape[1] * means**2, 0.0)))

    def agree(self, left: Rows, right: Rows, mirrored: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether the thumbnails of left[i] and right[i], mirrored or not, are of one picture: (P,)."""
        others = self.levels[right]
        others[mirrored] = others[mirrored][:, :, ::-1]
        shape = (len(left), self.levels[0].size)
        one, other = (side.reshape(shape).astype(np.float32) for side in (self.levels[left], others))
        # whole numbers of 16 bits, and their sum is below 2 ** 24: exact in float32
        products = np.einsum("pk,pk->p", one, other) - shape[1] * self.means[left] * self.means[right]
        norms = self.norms[left], self.norms[right]
        squares = norms[0] ** 2 + norms[1] ** 2 - 2 * products
        alike = (products > 0) & (products >= MIN_CORRELATION * norms[0] * norms[1])
        agreeing: NDArray[np.bool_] = alike | (squares <= CODING_NOISE**2 * shape[1])
        return agreeing


@dataclass(frozen=True, slots=True)
class Prints:
    """The hashes and thumbnails of N pictures, to ask of one picture after another which are near to it.

    Attributes:
        hashes: as they are and mirrored, (N,) each.
        thumbnails: of the pictures.
    """

    hashes: tuple[Hashes, Hashes]
    thumbnails: Thumbnails

    @classmethod
    def parse(cls, phashes: ArrayLike, phashes_flipped: ArrayLike, thumbnails: ArrayLike) -> Prints:
        """Read them as group_near_copies takes them."""
        hashes = parse_phashes(phashes), parse_phashes(phashes_flipped)
        return cls(hashes, Thumbnails.centre(parse_thumbnails(thumbnails)))

    def find_near(self, row: int, others: Rows, bits: int) -> NDArray[np.bool_]:
        """Which of the others are near to a picture, by themselves and not along a chain: (P,)."""
        near = np.zeros(len(others), bool)
        for mine, theirs in product(range(2), repeat=2):
            one, other = self.hashes[mine][row], self.hashes[theirs][others]
            telling = (one != 0) & (other != 0) & ~near
            places = np.flatnonzero(telling & (count_differing_bits(one, other) <= bits))
            mirrored = np.full(len(places), mine != theirs)
            near[places] = self.thumbnails.agree(np.full(len(places), row), others[places], mirrored)
        return near


@dataclass(frozen=True, slots=True)
class Items:
    """What is compared: hashes, each with its picture.

    Attributes:
        hashes: (M,).
        rows: (M,) of the pictures.
        mirrored: (M,) whether a hash is that of the mirror image.
        thumbnails: of the pictures, by row.
    """

    hashes: Hashes
    rows: Rows
    mirrored: NDArray[np.bool_]
    thumbnails: Thumbnails | None

    def take(self, places: Rows) -> Items:
        """Some of the items in another order."""
        return Items(self.hashes[places], self.rows[places], self.mirrored[places], self.thumbnails)

    def drop_repeated(self, roots: Rows) -> Items:
        """The items that tell something new, rising by hash; those that equal hashes decide are joined.

        Without thumbnails, one item a hash is left, and all its pictures are joined. With them, equal hashes
        say no more than near ones; but of equal files one is enough.
        """
        telling = self.take(np.flatnonzero(self.hashes))
        if self.thumbnails is None:
            join(roots, *pair_equal(telling.hashes, telling.rows))
            return telling.take(np.unique(telling.hashes, return_index=True)[1])
        first = telling.take(np.flatnonzero(roots[telling.rows] == telling.rows))
        return first.take(np.argsort(first.hashes, kind="stable"))

    def agree(self, left: Rows, right: Rows) -> NDArray[np.bool_]:
        """Whether the thumbnails of items of near hashes agree; true where there are none."""
        if self.thumbnails is None:
            return np.ones(len(left), bool)
        mirrored = self.mirrored[left] != self.mirrored[right]
        return self.thumbnails.agree(self.rows[left], self.rows[right], mirrored)


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
        apart = np.flatnonzero(pairs[0] < pairs[1])
        if not apart.size:
            return
        left, right = left[apart], right[apart]
        np.minimum.at(roots, pairs[1, apart], pairs[0, apart])
        while not np.array_equal(shorter := roots[roots], roots):
            roots[:] = shorter


def link_near(roots: Rows, items: Items, bits: int) -> None:
    """Unite, in place, the sets of the rows of near items."""
    blocks = cut_blocks(len(items.hashes), bits)
    for untouched in combinations(blocks, len(blocks) - bits):
        keys = extract_bits(items.hashes, untouched)
        order = np.argsort(keys, kind="stable")
        before = tuple(block for block in blocks if block < untouched[-1] and block not in untouched)
        link_buckets(roots, items.take(order), keys[order], bits, before)


def cut_blocks(count: int, bits: int) -> Blocks:
    """(first bit, bit after the last) of the blocks that make the fewest sortings and comparisons."""

    def estimate(blocks: int) -> float:
        pairs = count**2 / 2 / 2 ** (64 * (blocks - bits) / blocks)
        return comb(blocks, bits) * (SORTING_COST * count + pairs)

    blocks = min(range(bits + 1, bits + 5), key=estimate)
    return tuple(pairwise(np.linspace(0, 64, blocks + 1).astype(int).tolist()))


def extract_bits(hashes: Hashes, blocks: Iterable[tuple[int, int]]) -> NDArray[np.unsignedinteger]:
    """The blocks' bits of each hash as one number, in the narrowest type: 16 bits sort fastest."""
    keys, width = np.zeros_like(hashes), 0
    for start, stop in blocks:
        if stop > start:
            keys |= (hashes >> np.uint64(start) & mask_bits(0, stop - start)) << np.uint64(width)
            width += stop - start
    return keys.astype(np.uint16 if width <= 16 else np.uint32 if width <= 32 else np.uint64)


def mask_bits(start: int, stop: int) -> np.uint64:
    """Ones from bit start up to, not including, bit stop."""
    return np.uint64(2**stop - 2**start)


def link_buckets(
    roots: Rows, items: Items, keys: NDArray[np.unsignedinteger], bits: int, before: Blocks
) -> None:
    """Unite, in place, the rows of near items within runs of equal keys (the buckets).

    Each hash is compared with the one 1 behind it, 2 behind, ... while its bucket lasts: every pair once, all
    buckets at a time. Now and then the buckets that are one group by now are left out. A pair that agrees in
    more blocks than asked for meets under several keys, and is looked at under the first: there all of
    `before`, the blocks in front of the key's last that are not in it, differ.
    """
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    sizes = np.diff(np.r_[starts, len(keys)])
    ends = np.repeat(starts + sizes, sizes)
    found: list[tuple[Rows, Rows]] = []
    left, step = np.arange(len(keys)), 1
    while (left := left[left + step < ends[left]]).size:
        one, other = items.hashes[left], items.hashes[left + step]
        near = count_differing_bits(one, other) <= bits
        found.append(select_new(left[near], step, one[near] ^ other[near], before))
        halt = step.bit_count() == 1
        if halt or sum(len(pair[0]) for pair in found) > MAX_PAIRS:
            join_agreeing(roots, items, found)
        if halt:
            here = roots[items.rows]
            open_ = np.minimum.reduceat(here, starts) < np.maximum.reduceat(here, starts)
            left = left[np.repeat(open_, sizes)[left]]
        step += 1
    join_agreeing(roots, items, found)


def select_new(left: Rows, step: int, differing: Hashes, before: Blocks) -> tuple[Rows, Rows]:
    """The pairs (left, left + step) whose hashes differ in every block of `before`."""
    new = np.ones(len(left), bool)
    for start, stop in before:
        new &= (differing & mask_bits(start, stop)) != 0
    return left[new], left[new] + step


def join_agreeing(roots: Rows, items: Items, found: list[tuple[Rows, Rows]]) -> None:
    """Join the rows of the pairs of items that were found and whose thumbnails agree; forget the pairs."""
    pairs = np.concatenate([np.stack(pair) for pair in found], axis=1) if found else np.zeros((2, 0), int)
    found.clear()
    for start in range(0, pairs.shape[1], MAX_PAIRS):
        left, right = pairs[:, start : start + MAX_PAIRS]
        apart = roots[items.rows[left]] != roots[items.rows[right]]
        left, right = left[apart], right[apart]
        agreeing = items.agree(left, right)
        join(roots, items.rows[left[agreeing]], items.rows[right[agreeing]])
