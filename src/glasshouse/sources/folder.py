"""Your own pictures: format class_folders, one sub-folder a class."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from glasshouse.sources.example import Example, SourceError

# Files that desktops leave behind; names that begin with a dot are passed over as well.
JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "@eadir"})
PICTURE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "jp2", "j2k", "png", "webp", "gif", "avif"),
        *("bmp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
    )
)


class ClassFolders:
    """Labelled pictures from a folder with one sub-folder a class, in an order that no file system decides.

    Categories are the sub-folders' names, sorted. Pictures come class by class, within one sorted by their
    path with numbers read as numbers (2.jpg before 10.jpg). Every file below a class folder, at any depth, is
    offered except hidden ones and what desktops leave behind: what it holds is for the reader to judge.
    """

    def __init__(self, path: Path | str) -> None:
        """List the folder; no picture is read yet.

        Raises:
            SourceError: the folder or its class folders are missing or empty, pictures lie beside the class
                folders,
                or a name cannot be written in UTF-8.
        """
        self.path = Path(path)
        folders = list_class_folders(self.path)
        self.categories = tuple(folders)
        self._files = [
            (label, file_name, file)
            for label, folder in folders.items()
            for file_name, file in list_files(folder)
        ]

    def __len__(self) -> int:
        """Number of files offered."""
        return len(self._files)

    def __iter__(self) -> Iterator[Example]:
        """Read and give the files one by one; file_name is LABEL/path/below/it."""
        for label, file_name, file in self._files:
            yield Example(f"{label}/{file_name}", file.read_bytes(), label)


def list_class_folders(path: Path) -> dict[str, Path]:
    """Sorted names and paths of the class folders; raises SourceError as ClassFolders does."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise SourceError(
            f"dataset.path: {path} {what}; expected a folder with one sub-folder of pictures a class."
        )
    entries = [entry for entry in path.iterdir() if not is_junk(entry.name)]
    loose = sorted(
        entry.name for entry in entries if entry.is_file() and entry.suffix.lower() in PICTURE_SUFFIXES
    )
    if loose:
        raise SourceError(
            f"dataset.path: {path} holds {len(loose)} pictures outside any class folder ({abridge(loose)}); "
            "move each into a sub-folder named after its class."
        )
    folders = {spell(entry.name): entry for entry in entries if entry.is_dir()}
    if not folders:
        raise SourceError(
            f"dataset.path: {path} has no sub-folders; put the pictures of each class into one."
        )
    empty = sorted(name for name, folder in folders.items() if not list_files(folder))
    if empty:
        raise SourceError(f"dataset.path: class folders without pictures in {path}: {abridge(empty)}.")
    return dict(sorted(folders.items()))


def list_files(folder: Path) -> list[tuple[str, Path]]:
    """(POSIX path relative to the folder, path) of every file below it, in natural order.

    Links are followed; a folder that is reached twice counts once.
    """
    found: dict[str, Path] = {}
    seen: set[str] = set()
    for place, inner, files in os.walk(folder, followlinks=True, onerror=raise_unreadable):
        real = os.path.realpath(place)
        inner[:] = [] if real in seen else sorted(name for name in inner if not is_junk(name))
        for name in files if real not in seen else ():
            if not is_junk(name):
                file = Path(place, name)
                found[spell(file.relative_to(folder).as_posix())] = file
        seen.add(real)
    return sorted(found.items(), key=lambda item: sort_naturally(item[0]))


def raise_unreadable(error: OSError) -> None:
    """Pass on what os.walk would swallow."""
    raise SourceError(f"dataset.path: cannot list {error.filename}: {error.strerror}.") from error


def is_junk(name: str) -> bool:
    """Hidden, or left behind by a desktop."""
    return name.startswith(".") or name.lower() in JUNK


def spell(name: str) -> str:
    """The name in Unicode's composed form (NFC), which is what file systems differ in."""
    try:
        return unicodedata.normalize("NFC", name.encode().decode())
    except UnicodeEncodeError as error:
        raise SourceError(f"dataset.path: the name {name!r} is not UTF-8; rename it.") from error


def sort_naturally(path: str) -> list[list[tuple[int, int, str]]]:
    """Sort key of a POSIX path: part by part, digits by their value, the rest by code point."""
    return [[split_run(run) for run in re.findall(r"[0-9]+|[^0-9]+", part)] for part in path.split("/")]


def split_run(run: str) -> tuple[int, int, str]:
    """Digits before letters; equal values (1 and 01) by their spelling."""
    return (0, int(run), run) if run[0] in "0123456789" else (1, 0, run)


def abridge(names: list[str], most: int = 5) -> str:
    """The first few names and how many follow."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
