"""Arrays in .npy files and in .npz archives, read block by block: nothing is mapped, nothing unpickled."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from glasshouse.sources.example import SourceError
from glasshouse.sources.listing import abridge, list_files
from glasshouse.sources.split_names import SPLIT_NAMES
from glasshouse.sources.unpacking import Target

PICTURE_NAMES = ("x", "images", "pictures", "data")
LABEL_NAMES = ("y", "labels", "targets")
SPLIT_ORDER = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array in a file.

    Attributes:
        path: of the file.
        name: as messages give it: "X.npy" or "data.npz, x_train".
        member: the file inside an archive, "" for none.
        shape, dtype: of the array.
        fortran: the first axis varies fastest in the file.
        offset: bytes before the first element.
    """

    path: Path
    name: str
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    offset: int

    @property
    def stem(self) -> str:
        """Its name without the ending: "X", "x_train"."""
        return Path(self.member or self.path.name).stem

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape with the last axis varying fastest."""
        return self.shape[::-1] if self.fortran else self.shape

    def iter_rows(self, most: int) -> Iterator[NDArray[np.generic]]:
        """The file from its beginning, at most so many entries of the first stored axis at a time.

        Raises:
            SourceError: the file ends too early, or cannot be read.
        """
        rows, *inner = self.stored_shape
        width = math.prod(inner) * self.dtype.itemsize
        try:
            with open_member(self.path, self.member) as stream:
                skip(stream, self.offset)
                for start in range(0, rows, most):
                    count = min(most, rows - start)
                    data = stream.read(count * width)
                    if len(data) < count * width:
                        raise SourceError(f"{self.name} is cut off: row {start} of {rows} is not whole.")
                    yield np.frombuffer(data, self.dtype).reshape(count, *inner)
        except (OSError, zipfile.BadZipFile) as error:
            raise SourceError(f"{self.name} cannot be read: {error}.") from error


@dataclass(frozen=True, slots=True)
class Pair:
    """Pictures with their labels, and the split that their names say."""

    pictures: StoredArray
    labels: StoredArray
    split: str | None


def find_pairs(folder: Path) -> list[Pair]:
    """The arrays in a folder that belong together, train before valid before test.

    Raises:
        SourceError: there are none, one lacks its other, or two could be meant.
    """
    arrays = list_arrays(folder)
    roles: dict[tuple[str, str | None], StoredArray] = {}
    for array in arrays:
        role = find_role(array.stem)
        if role is None:
            continue
        if role in roles:
            raise SourceError(f"dataset.path: {roles[role].name} and {array.name} in {folder} mean the same.")
        roles[role] = array
    if not roles and len(arrays) == 2 and sum(is_vector(array) for array in arrays) == 1:
        pictures, labels = sorted(arrays, key=is_vector)
        return [Pair(pictures, labels, None)]
    splits = [split for split in (None, *SPLIT_ORDER) if {("x", split), ("y", split)} & set(roles)]
    for split in splits:
        for letter, what in (("x", "pictures"), ("y", "labels")):
            if (letter, split) not in roles:
                raise SourceError(
                    f"dataset.path: {folder} lacks the {what} {letter}{f'_{split}' if split else ''}."
                )
    if not splits:
        found = abridge([array.name for array in arrays]) or "no arrays"
        raise SourceError(
            f"dataset.path: {folder} needs X.npy and y.npy, or one .npz with both. Found {found}."
        )
    return [Pair(roles["x", split], roles["y", split], split) for split in splits]


def is_vector(array: StoredArray) -> bool:
    """Whether an array is a vector of labels: one axis, or two of which one has the length 1."""
    return len(array.shape) == 1 or (len(array.shape) == 2 and 1 in array.shape)


def find_role(stem: str) -> tuple[str, str | None] | None:
    """("x" or "y", split or None) of a name such as X_train, y or train_labels; None for other names."""
    words = stem.casefold().replace("-", "_").split("_")
    splits = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
    rest = [word for word in words if word not in SPLIT_NAMES]
    if len(splits) > 1 or len(rest) != 1:
        return None
    letter = "x" if rest[0] in PICTURE_NAMES else "y" if rest[0] in LABEL_NAMES else None
    return (letter, splits[0] if splits else None) if letter else None


def list_arrays(folder: Path) -> list[StoredArray]:
    """The arrays in the .npy and .npz files of a folder itself."""
    found = []
    for name, path in list_files(folder):
        suffix = path.suffix.lower()
        if "/" in name or suffix not in (".npy", ".npz"):
            continue
        try:
            members = [""]
            if suffix == ".npz":
                members = list_members(path, name)
            found += [open_array(path, name, member) for member in members]
        except (OSError, zipfile.BadZipFile) as error:
            raise SourceError(f"{name} cannot be read: {error}.") from error
    return found


def list_members(path: Path, name: str) -> list[str]:
    """The files in an archive; raises SourceError where more would come out than of any other archive."""
    target = Target(name, path.stat().st_size)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            target.demand_room(info.file_size, info.filename)
        return sorted(archive.namelist())


def open_array(path: Path, name: str, member: str) -> StoredArray:
    """An array by the header of its file; raises SourceError for what is no array of numbers or texts."""
    label = f"{name}, {member.removesuffix('.npy')}" if member else name
    with open_member(path, member) as stream:
        try:
            version = npy_format.read_magic(stream)
            if version == (1, 0):
                header = npy_format.read_array_header_1_0(stream)
            else:
                header = npy_format.read_array_header_2_0(stream)
        except ValueError as error:
            raise SourceError(f"{label} is no array as NumPy saves it: {error}.") from error
        offset = stream.tell()
    shape, fortran, dtype = header
    if dtype.hasobject:
        raise SourceError(
            f"{label} holds Python objects, which are not unpickled: save it with a plain dtype."
        )
    return StoredArray(path, label, member, shape, dtype, fortran and len(shape) > 1, offset)


@contextmanager
def open_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    """A file, or a file inside an archive, as a stream."""
    if not member:
        with path.open("rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as archive, archive.open(member) as inner:
        yield inner


def skip(stream: IO[bytes], count: int) -> None:
    """Read over the header."""
    stream.read(count)
