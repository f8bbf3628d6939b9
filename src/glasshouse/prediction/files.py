"""Pictures by the paths that a person gives, and places for what is written of each, which never collide."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from glasshouse.sources.listing import PICTURE_SUFFIXES, is_junk, sort_naturally

DEFAULT_OUT = Path("predictions")
NAME_BYTES = (
    200  # of a drawn picture's name at most; file systems take 255, and names of the moment are longer
)
# A folder with one of these tables, and pictures beside it, is one that a run wrote.
TABLES, DRAWN = ("predictions.json", "predictions.csv", "coco_results.json"), ("pictures", "explained")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet runs


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file to read.

    Attributes:
        path: where it is.
        name: the path as it was given or reached, for tables and messages; always valid text, and never the
            beginning of a formula: `=a.jpg` is `./=a.jpg`.
        target: where its drawn picture goes, relative to the folder of drawn pictures; ends in .jpg.
    """

    path: Path
    name: str
    target: Path


@dataclass(frozen=True, slots=True)
class Listing:
    """Pictures in the order of the arguments, folders in natural order; how many other files there were;
    folders that cannot be listed, with the reason; folders that earlier runs wrote."""

    pictures: list[PictureFile]
    others: int
    unlisted: list[tuple[str, str]]
    earlier: list[str]


def list_pictures(arguments: Sequence[Path]) -> Listing:
    """Every picture that is named, and every one below a folder that is named, each file once.

    In folders a file counts as a picture by its suffix, and hidden files are passed over; a file that is
    named itself is always taken. What an earlier run wrote (`is_written`) is passed over, unless it is named:
    its drawn pictures are no new ones. Links that lead nowhere and pipes are among the pictures, so that
    whoever reads them tells of them.

    Raises:
        ValueError: a path that does not exist, or no picture at all.
    """
    found: list[tuple[Path, PurePosixPath]] = []
    unlisted: list[tuple[str, str]] = []
    earlier: list[str] = []
    seen: set[str] = set()
    others = 0
    for argument, (path, inside) in (
        (each, pair) for each in arguments for pair in _walk(each, unlisted, earlier)
    ):
        real = os.path.realpath(path) if os.path.exists(path) else os.path.abspath(path)
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
        found.append((path, around / inside))
    if not found:
        said = ", ".join(show(each) for each in arguments)
        why = "".join(f" {name} {reason}." for name, reason in unlisted)
        why += "".join(f" {name} was passed over: an earlier run wrote it." for name in earlier)
        raise ValueError(f"no picture in {said}; known suffixes: {', '.join(sorted(PICTURE_SUFFIXES))}.{why}")
    claimed = {_fold(folder) for _, place in found for folder in place.parents}
    pictures = [PictureFile(path, _name(path), _claim(place, claimed)) for path, place in found]
    return Listing(pictures, others, unlisted, earlier)


def choose_out(asked: Path | None) -> Path:
    """A folder in which nothing is: the one that was asked for, else `predictions`, `predictions-2`, ...

    Raises:
        ValueError: the folder that was asked for holds something, or is no folder.
    """
    if asked is not None:
        if not is_free(asked):
            what = (
                "is there already and is not empty" if asked.is_dir() else "is there already and is no folder"
            )
            raise ValueError(
                f"--out {show(asked)} {what}. Nothing was overwritten: name another folder, or leave --out "
                "away."
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


def is_written(folder: Path) -> bool:
    """Whether an earlier run wrote the folder: a table of ours, and drawn or explained pictures beside it."""
    return any((folder / name).is_file() for name in TABLES) and any(
        (folder / name).is_dir() for name in DRAWN
    )


def show(path: Path) -> str:
    """A path as text that every encoder takes, also where its bytes are no UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def _walk(
    argument: Path, unlisted: list[tuple[str, str]], earlier: list[str]
) -> Iterator[tuple[Path, PurePosixPath]]:
    """(path, path inside the argument) of a file itself, or of every file below a folder, natural order.

    Folders that cannot be listed are added to `unlisted`, those that earlier runs wrote to `earlier`.
    """
    if argument.is_file():
        yield argument, PurePosixPath(argument.name)
        return
    if not argument.is_dir():
        raise ValueError(f"{show(argument)} is neither a file nor a folder.")

    def note(error: OSError) -> None:
        unlisted.append((_name(Path(error.filename)), f"cannot be listed: {error.strerror}"))

    found: list[str] = []
    seen: set[str] = set()
    for place, inner, files in os.walk(argument, followlinks=True, onerror=note):
        real = os.path.realpath(place)
        if real in seen:  # a link back
            inner.clear()
            continue
        seen.add(real)
        inner[:] = [name for name in inner if not is_junk(name)]
        written = [name for name in inner if is_written(Path(place, name))]
        earlier += [_name(Path(place, name)) for name in sorted(written, key=sort_naturally)]
        inner[:] = [name for name in inner if name not in written]
        paths = (Path(place, name) for name in files if not is_junk(name))
        found += [path.relative_to(argument).as_posix() for path in paths]
    for name in sorted(found, key=sort_naturally):
        yield argument / name, PurePosixPath(name)


def _name_folder(argument: Path) -> str:
    return argument.resolve().name or "root"


def _name(path: Path) -> str:
    text = show(path)
    return f"./{text}" if text.startswith(FORMULA) else text


def _claim(inside: PurePosixPath, claimed: set[str]) -> Path:
    """A place that no other picture or folder has, letter case aside: a.jpg, then a-2.jpg, ..."""
    stem = inside.stem if inside.suffix.lower() in (".jpg", ".jpeg") else inside.name
    target, number = inside.with_name(_spell(stem, ".jpg")), 1
    while (key := _fold(target)) in claimed:
        number += 1
        target = inside.with_name(_spell(stem, f"-{number}.jpg"))
    claimed.add(key)
    return Path(target)


def _fold(place: PurePosixPath) -> str:
    return place.as_posix().casefold()


def _spell(stem: str, ending: str) -> str:
    """stem + ending; a stem that is too long is cut, and a digest of all of it keeps it apart from others."""
    encoded, room = os.fsencode(stem), NAME_BYTES - len(ending)
    if len(encoded) <= room:
        return stem + ending
    mark = f"-{hashlib.sha256(encoded).hexdigest()[:8]}"
    return encoded[: room - len(mark)].decode("utf-8", "ignore") + mark + ending
