"""Pictures by the paths that a person gives, and places for what is written of each, which never collide."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from glasshouse.sources.listing import PICTURE_SUFFIXES, is_junk, sort_naturally

DEFAULT_OUT = Path("predictions")


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file to read.

    Attributes:
        path: where it is.
        name: the path as it was given or reached, for tables and messages; always valid text.
        target: where its drawn picture goes, relative to the folder of drawn pictures; ends in .jpg.
    """

    path: Path
    name: str
    target: Path


@dataclass(frozen=True, slots=True)
class Listing:
    """Pictures in the order of the arguments, folders in natural order; how many other files there were."""

    pictures: list[PictureFile]
    others: int


def list_pictures(arguments: Sequence[Path]) -> Listing:
    """Every picture that is named, and every one below a folder that is named, each file once.

    In folders a file counts as a picture by its suffix, and hidden files are passed over; a file that is
    named itself is always taken.

    Raises:
        ValueError: a path that does not exist, or no picture at all.
    """
    pictures: list[PictureFile] = []
    seen: set[str] = set()
    claimed: set[str] = set()
    others = 0
    for argument, (path, inside) in ((each, pair) for each in arguments for pair in _walk(each)):
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        if path != argument and path.suffix.lower() not in PICTURE_SUFFIXES:
            others += 1
            continue
        around = (
            PurePosixPath(_name_folder(argument))
            if len(arguments) > 1 and path != argument
            else PurePosixPath()
        )
        pictures.append(PictureFile(path, show(path), _claim(around / inside, claimed)))
    if not pictures:
        said = ", ".join(show(each) for each in arguments)
        raise ValueError(f"no picture in {said}; known suffixes: {', '.join(sorted(PICTURE_SUFFIXES))}.")
    return Listing(pictures, others)


def choose_out(asked: Path | None) -> Path:
    """A folder in which nothing is: the one that was asked for, else `predictions`, `predictions-2`, ...

    Raises:
        ValueError: the folder that was asked for holds something, or is no folder.
    """
    if asked is not None:
        if not is_free(asked):
            raise ValueError(
                f"--out {show(asked)} is there already and is not empty. Nothing was overwritten: name "
                "another folder, or leave --out away."
            )
        return asked
    number, out = 1, DEFAULT_OUT
    while not is_free(out):
        number += 1
        out = DEFAULT_OUT.with_name(f"{DEFAULT_OUT.name}-{number}")
    return out


def is_free(folder: Path) -> bool:
    """Whether it can be written to without touching anything: missing, or an empty folder."""
    return not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir()))


def show(path: Path) -> str:
    """A path as text that every encoder takes, also where its bytes are no UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def _walk(argument: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    """(path, path inside the argument) of a file itself, or of every file below a folder, natural order."""
    if argument.is_file():
        yield argument, PurePosixPath(argument.name)
        return
    if not argument.is_dir():
        raise ValueError(f"{show(argument)} is neither a file nor a folder.")
    found: list[str] = []
    seen: set[str] = set()
    for place, inner, files in os.walk(argument, followlinks=True, onerror=_raise):
        real = os.path.realpath(place)
        if real in seen:  # a link back
            inner.clear()
            continue
        seen.add(real)
        inner[:] = [name for name in inner if not is_junk(name)]
        paths = (Path(place, name) for name in files if not is_junk(name))
        found += [path.relative_to(argument).as_posix() for path in paths if path.is_file()]
    for name in sorted(found, key=sort_naturally):
        yield argument / name, PurePosixPath(name)


def _raise(error: OSError) -> None:
    """Pass on what os.walk would swallow."""
    raise ValueError(f"{error.filename} cannot be listed: {error.strerror}.") from error


def _name_folder(argument: Path) -> str:
    return argument.resolve().name or "root"


def _claim(inside: PurePosixPath, claimed: set[str]) -> Path:
    """A place that no other picture has, letter case aside: a.jpg, then a-2.jpg, ..."""
    stem = inside.stem if inside.suffix.lower() in (".jpg", ".jpeg") else inside.name
    target, number = inside.with_name(f"{stem}.jpg"), 1
    while (key := target.as_posix().casefold()) in claimed:
        number += 1
        target = inside.with_name(f"{stem}-{number}.jpg")
    claimed.add(key)
    return Path(target)
