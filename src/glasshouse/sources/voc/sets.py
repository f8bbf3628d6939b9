"""VOC's ImageSets: lists of picture names that say which split a picture belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from glasshouse.sources.example import LabelFault, SourceError
from glasshouse.sources.labelled import read_file
from glasshouse.sources.listing import abridge, spell
from glasshouse.sources.split_names import find_split

FLAG = re.compile(r"\s+(-1|0|1)$")  # the second column of lists of one class


def read_sets(
    files: Iterable[tuple[str, Path]], pictures: Iterable[str]
) -> tuple[dict[str, str], list[LabelFault]]:
    """The split of each picture that ImageSets/Main (or ImageSets itself) lists, and what they list in vain.

    A list speaks of the pictures below the folder in which ImageSets lies, so that VOC2007 and VOC2012 lie
    side by side in peace. trainval.txt says nothing that train.txt and val.txt do not say better, and lists
    of one class (cat_train.txt) are for classification: both are passed over.

    Args:
        files: (name relative to the source's folder, path) of all files.
        pictures: file_names that may be listed.

    Raises:
        SourceError: a picture is in two lists, or a name could be any of several; list and line are named.
    """
    names = list(pictures)
    splits: dict[str, tuple[str, str]] = {}
    faults: list[LabelFault] = []
    indexes: dict[str, dict[str, list[str]]] = {}
    for file_name, path in files:
        split, root = read_name(file_name)
        if split is None:
            continue
        if root not in indexes:
            indexes[root] = index_tails(root, names)
        for line, name in read_lines(file_name, path):
            place = f"{file_name}, line {line}"
            picture = find_listed(name, indexes[root], place)
            if picture is None:
                reason = f"{name!r} is listed for {split}, but there is no such picture"
                faults.append(
                    LabelFault(file_name, f"line {line}", "listed_picture_missing", "set_aside", reason)
                )
            elif splits.setdefault(picture, (split, place))[0] != split:
                raise SourceError(
                    f"{place}: {picture} is listed for {split} here and for {splits[picture][0]} in "
                    f"{splits[picture][1]}; a picture belongs to one split: take it out of one list."
                )
    return {picture: split for picture, (split, _) in splits.items()}, faults


def read_name(file_name: str) -> tuple[str | None, str]:
    """(split, folder that a list speaks of), or (None, "") for any other file."""
    path = PurePosixPath(file_name)
    folder = path.parent.parent if path.parent.name.lower() == "main" else path.parent
    split = find_split(path.stem) if path.suffix.lower() == ".txt" else None
    if split is None or folder.name.lower() != "imagesets":
        return None, ""
    return split, "" if folder.parent == PurePosixPath(".") else folder.parent.as_posix()


def index_tails(root: str, pictures: Iterable[str]) -> dict[str, list[str]]:
    """The pictures below `root` by every ending of their path, with and without the suffix."""
    found: dict[str, list[str]] = {}
    for picture in pictures:
        if root and not picture.startswith(f"{root}/"):
            continue
        parts = picture.split("/")
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            stem = str(PurePosixPath(tail).with_suffix(""))
            for key in {tail, stem}:
                found.setdefault(key, []).append(picture)
    return found


def find_listed(name: str, index: dict[str, list[str]], place: str) -> str | None:
    """The picture that a line means, None where there is none; raises SourceError where several could be."""
    found = index.get(name) or index.get(FLAG.sub("", name), [])
    if len(found) > 1:
        raise SourceError(f"{place}: {name!r} could be any of {abridge(found)}: list it with its folder.")
    return found[0] if found else None


def read_lines(file_name: str, path: Path) -> list[tuple[int, str]]:
    """(line number, name) of the lines that are not blank; raises SourceError where it is no UTF-8 text."""
    data, unreadable = read_file(path)
    if unreadable:
        raise SourceError(f"{file_name} {unreadable}.")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{file_name}, line {line}: not UTF-8 text; save it as UTF-8.") from error
    cleaned = [(number, spell(line.strip()).replace("\\", "/")) for number, line in enumerate(lines, 1)]
    return [(number, name.removeprefix("./")) for number, name in cleaned if name]
