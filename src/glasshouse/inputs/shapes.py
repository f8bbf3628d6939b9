"""What fills the boxes of prepared objects: strips on disk, of which a batch reads those that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.strips import Strips, pack_strips, read_strips, square_strips

STRIPS, STRIP_COUNTS = "strips.npy", "strip_counts.npy"


@dataclass(frozen=True)
class Shapes:
    """Strips (`geometry.strips`) of the objects of P pictures, N places each, in units of their boxes.

    packed (S, 4) uint8: of all objects one after another, mapped from a file.  starts (P, N) int64: the first
    of each.  counts (P, N) int64: 0 where no mask tells; such an object has the shape `guess`.
    """

    packed: NDArray[np.uint8]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    guess: Strips = field(default_factory=square_strips)

    @classmethod
    def unknown(cls, places: tuple[int, ...]) -> Shapes:
        """Those of (P, N) objects without masks."""
        none = np.zeros(places, np.int64)
        return cls(np.zeros((0, 4), np.uint8), none, none)

    def gather(
        self, rows: NDArray[np.int64], slots: NDArray[np.int64]
    ) -> tuple[Strips, NDArray[np.int64], NDArray[np.int64]]:
        """The strips (S, 4) of some objects (G,), which object each is of (S,), the first of each (G,)."""
        known = self.counts[rows, slots]
        counts = np.where(known > 0, known, len(self.guess))
        ends = counts.cumsum()
        owner = np.repeat(np.arange(len(rows)), counts)
        rank = np.arange(len(owner)) - (ends - counts)[owner]  # among those of the same object
        strips = self.guess[np.minimum(rank, len(self.guess) - 1)]
        told = known[owner] > 0
        strips[told] = read_strips(self.packed[self.starts[rows, slots][owner[told]] + rank[told]])
        return strips, owner, ends - counts


def write_strips(folder: Path, shapes: Sequence[Strips | None]) -> None:
    """Write the strips of a split's objects; no file where none has any."""
    found = [pack_strips(strips) for strips in shapes if strips is not None]
    if not found:
        return
    np.save(folder / STRIPS, np.concatenate(found))
    np.save(folder / STRIP_COUNTS, np.array([0 if each is None else len(each) for each in shapes], np.int64))


def open_strips(folder: Path, objects: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
    """Strips, mapped, and their counts (objects,); None where there are none.

    Raises:
        ValueError: the files do not belong together, or not to so many objects.
    """
    if not (folder / STRIPS).is_file():
        return None
    packed, counts = np.load(folder / STRIPS, mmap_mode="r"), np.load(folder / STRIP_COUNTS)
    if len(counts) != objects or counts.sum() != len(packed):
        raise ValueError(
            f"{folder / STRIPS}: {len(packed)} strips and {len(counts)} counts for {objects} objects; "
            "run `dvc repro preprocess` again."
        )
    return packed, counts
