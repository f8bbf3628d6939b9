"""The files below a folder in an order that no file system decides; pictures found by the names in labels."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import NoReturn

from glasshouse.sources.example import SourceError

# Files that desktops leave behind; names that begin with a dot are passed over as well.
JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "@eadir"})
# What ends a line, or steers a terminal: in a list of names one would pass for several, and in the log of a
# workflow a line that begins with `::` is a command. A tab does neither.
CONTROL = re.compile("[\x00-\x08\n-\x1f\x7f\x85\u2028\u2029]")
PICTURE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "jp2", "j2k", "png", "webp", "gif", "avif"),
        *("bmp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
        *("heic", "heif", "jxl", "mpo"),  # read where the content is known, else set aside by name
    )
)


def list_files(folder: Path) -> list[tuple[str, Path]]:
    """(POSIX path relative to the folder, path) of every file below it, in natural order.

    The folder itself may be a link, and so may files.

    Raises:
        SourceError: a link to a folder is below it, a name with control characters, or two names that differ
            in Unicode form alone.
    """
    found: dict[str, Path] = {}
    for place, inner, files in os.walk(folder, onerror=raise_unreadable):
        inner[:] = [name for name in inner if not is_junk(name)]
        for name in inner:
            refuse_link(Path(place, name))
        for name in files:
            if not is_junk(name):
                file = Path(place, name)
                spelled = spell(file.relative_to(folder).as_posix())
                refuse_control(spelled, "dataset.path: the name")
                if spelled in found:
                    refuse_twins(spelled)
                found[spelled] = file
    return sorted(found.items(), key=lambda item: sort_naturally(item[0]))


def refuse_link(folder: Path) -> None:
    """Raise SourceError where the folder is a link: DVC does not look behind it when it takes the digest of
    `dataset.path`, so pictures that change there would go unnoticed."""
    if folder.is_symlink():
        raise SourceError(
            f"dataset.path: {folder} is a link to a folder, and DVC would not notice what changes there: put "
            "the folder itself in its place. (A link to a file, or dataset.path itself as a link, is fine.)"
        )


def refuse_control(name: str, what: str) -> None:
    """Raise SourceError, which calls the name `what`, where it holds a control character."""
    if CONTROL.search(name):
        raise SourceError(f"{what} {name!r} holds a line end or another control character: rename it.")


def show_name(name: str) -> str:
    """A name that nobody has refused yet, as it may be printed: a line end as `\\n`, escape as `\\x1b`."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], name)


def refuse_twins(name: str) -> NoReturn:
    """Raise SourceError: of two names that people see as one, one picture would hide the other."""
    raise SourceError(
        f"dataset.path: there are two {name!r}, whose names differ in Unicode form alone (composed and "
        "decomposed accents, as of Linux and macOS): rename one, or merge them."
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
