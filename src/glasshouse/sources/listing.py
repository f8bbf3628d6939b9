"""The files below a folder in an order that no file system decides; pictures found by the names in labels."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

from glasshouse.sources.example import SourceError

# Files that desktops leave behind; names that begin with a dot are passed over as well.
JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "@eadir"})
PICTURE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "jp2", "j2k", "png", "webp", "gif", "avif"),
        *("bmp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
    )
)


def list_files(folder: Path) -> list[tuple[str, Path]]:
    """(POSIX path relative to the folder, path) of every file below it, in natural order.

    The folder itself may be a link, and so may files; raises SourceError at a link to a folder below it.
    """
    found: dict[str, Path] = {}
    for place, inner, files in os.walk(folder, onerror=raise_unreadable):
        inner[:] = [name for name in inner if not is_junk(name)]
        for name in inner:
            refuse_link(Path(place, name))
        for name in files:
            if not is_junk(name):
                file = Path(place, name)
                found[spell(file.relative_to(folder).as_posix())] = file
    return sorted(found.items(), key=lambda item: sort_naturally(item[0]))


def refuse_link(folder: Path) -> None:
    """Raise SourceError where the folder is a link: DVC does not look behind it when it takes the digest of
    `dataset.path`, so pictures that change there would go unnoticed."""
    if folder.is_symlink():
        raise SourceError(
            f"dataset.path: {folder} is a link to a folder, and DVC would not notice what changes there: put "
            "the folder itself in its place. (A link to a file, or dataset.path itself as a link, is fine.)"
        )


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


class PictureIndex:
    """The pictures below a folder, found by whatever name a label gives them."""

    def __init__(self, folder: Path) -> None:
        """List the folder; raises SourceError where it cannot be listed."""
        self.folder = folder
        self.paths = {
            name: path for name, path in list_files(folder) if path.suffix.lower() in PICTURE_SUFFIXES
        }
        self._by_base: dict[str, list[str]] = {}
        for name in self.paths:
            self._by_base.setdefault(PurePosixPath(name).name.casefold(), []).append(name)

    def find(self, name: str, *places: str) -> str:
        """The file_name of the picture that a label calls `name`.

        Tried in turn: the path as it stands below each of `places` (folders relative to the root, "" for the
        root itself), then the only picture of that base name anywhere, letter case aside. Backslashes count
        as slashes, and absolute paths of the labeller's machine by their base name alone.

        Raises:
            LookupError: there is no such picture, or several could be meant; the message is a sentence.
        """
        wanted = PurePosixPath(spell(name).replace("\\", "/"))
        for place in (*places, ""):
            path = os.path.normpath(PurePosixPath(place) / wanted).replace(os.sep, "/")
            if path in self.paths:
                return path
        same = self._by_base.get(wanted.name.casefold(), [])
        if len(same) == 1:
            return same[0]
        if not same:
            raise LookupError(f"there is no picture {name!r} in the folder")
        raise LookupError(f"{name!r} could be any of {abridge(same)}: give the path from the folder")
