"""Pictures of one shape in .npy shards: written by streaming, read at random through memory maps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

SHARD_BYTES = 256 * 2**20


class PixelWriter:
    """Streams pictures of one shape into .npy shards of at most SHARD_BYTES.

    By plain writes, which a full disk refuses in words; a page of a memory map that finds no room kills the
    process instead.
    """

    def __init__(self, folder: Path, pictures: int, shape: tuple[int, int, int]) -> None:
        """A known number of pictures of uint8 (height, width, 3) will come."""
        folder.mkdir(parents=True)
        self.shape = shape
        self.rows_a_shard = max(1, SHARD_BYTES // int(np.prod(shape)))
        self.pictures, self.row = pictures, 0
        shards = -(-pictures // self.rows_a_shard)
        self.paths = [folder / f"pixels-{number:05d}-of-{shards:05d}.npy" for number in range(shards)]
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def append(self, pixels: NDArray[np.uint8]) -> int:
        """Add one picture; returns its row over all shards."""
        number, place = divmod(self.row, self.rows_a_shard)
        if place == 0:
            self._begin(self.paths[number], min(self.rows_a_shard, self.pictures - self.row))
        assert self._stream is not None
        self._stream.write(pixels.tobytes())
        self.row += 1
        return self.row - 1

    def close(self) -> None:
        """Write what is still in memory."""
        if self._stream is not None:
            self._stream.close()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def _begin(self, path: Path, rows: int) -> None:
        self.close()
        self._stream = path.open("wb")
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self._stream, header)


class PixelShards:
    """Pictures of one split, uint8, over memory-mapped shards; nothing is read before it is asked for."""

    def __init__(self, paths: list[Path]) -> None:
        """Map the shards, in order."""
        self.maps = [np.load(path, mmap_mode="r") for path in paths]
        self.starts = np.cumsum([0, *(len(shard) for shard in self.maps)])
        self.shape: tuple[int, int, int, int] = (int(self.starts[-1]), *self.maps[0].shape[1:])

    def __len__(self) -> int:
        """Number of pictures."""
        return self.shape[0]

    def gather(self, rows: ArrayLike) -> NDArray[np.uint8]:
        """Copies of the pictures at rows (n,) int, in that order and as often: uint8 (n, height, width, 3).

        Raises:
            IndexError: a row is not in 0..len - 1.
        """
        wanted = np.asarray(rows, np.int64)
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(self)):
            raise IndexError(
                f"Rows must be in 0..{len(self) - 1}. Got {wanted.min()}..{wanted.max()} instead."
            )
        pixels = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        shards = np.searchsorted(self.starts, wanted, side="right") - 1
        for number in np.unique(shards):
            here = shards == number
            pixels[here] = self.maps[number][wanted[here] - self.starts[number]]
        return pixels


def list_pixel_shards(folder: Path) -> Iterator[Path]:
    """Paths of the pixel shards in order; raises FileNotFoundError where one is missing."""
    found = sorted(folder.glob("pixels-*-of-*.npy"))
    total = int(found[0].stem.rsplit("-", 1)[1]) if found else 1
    for number in range(total):
        path = folder / f"pixels-{number:05d}-of-{total:05d}.npy"
        if path not in found:
            raise FileNotFoundError(f"{path} is missing; run `dvc repro preprocess`.")
        yield path
