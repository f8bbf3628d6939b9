"""Labelled files of a folder as a source: what every reader of a label format gives back."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glasshouse.sources.example import Example, LabelFault, ObjectLabel


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A picture file and its labels; the fields are those of `Example`, with a path in place of the bytes."""

    file_name: str
    path: Path
    label: str | None = None
    objects: tuple[ObjectLabel, ...] = ()
    split: str | None = None
    group: str | None = None
    labelled_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class LabelledFiles:
    """The pictures of a folder with their labels; a picture's bytes are read when it is asked for."""

    categories: tuple[str, ...]
    files: tuple[LabelledFile, ...]
    faults: tuple[LabelFault, ...] = ()

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.files)

    def __iter__(self) -> Iterator[Example]:
        """Read and give the pictures one by one; a file that cannot be read says so in its example."""
        for file in self.files:
            picture, unreadable = read_file(file.path)
            yield Example(
                file.file_name,
                picture,
                file.label,
                file.objects,
                file.split,
                file.group,
                file.labelled_size,
                unreadable,
            )


def read_file(path: Path) -> tuple[bytes, str | None]:
    """(bytes of a file, None), or (b"", why it cannot be read); a pipe is not waited for."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return b"", "cannot be read: no regular file"
        return path.read_bytes(), None
    except OSError as error:
        return b"", f"cannot be read: {error.strerror}"
