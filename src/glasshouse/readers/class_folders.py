"""Format class_folders: one sub-folder of pictures a class; also train/, valid/ and test/ of such folders.

Categories are the class folders' names, sorted, or `dataset.classes`. Pictures come split by split, class by
class, within one sorted by their path with numbers read as numbers (2.jpg before 10.jpg). Every file below a
class folder, at any depth, is offered except hidden ones and what desktops leave behind: whether it is a
picture is judged when it is decoded.
"""

from __future__ import annotations

import re
from pathlib import Path

from glasshouse.sources.classes import demand_class, order_classes, spell_classes
from glasshouse.sources.example import SourceError
from glasshouse.sources.labelled import LabelledFile, LabelledFiles
from glasshouse.sources.listing import (
    PICTURE_SUFFIXES,
    abridge,
    is_junk,
    list_files,
    refuse_link,
    refuse_twins,
    spell,
)
from glasshouse.sources.split_names import SPLIT_NAMES, find_split

ORDER = ("train", "valid", "test")
PICTURE_FOLDERS = frozenset({"images", "jpegimages", "pngimages"})  # of other layouts; names of no class


def read(folder: Path, classes: tuple[str, ...] = ()) -> LabelledFiles:
    """The labelled pictures below `folder`; none is read yet.

    Raises:
        SourceError: the folder or its class folders are missing or empty, pictures lie beside the class
            folders, folders of splits lie beside others, what would be classes are folders of another layout,
            a class is none of `classes`, or a name cannot be written in UTF-8.
    """
    top, classes = list_folders(folder), spell_classes(classes)
    splits = find_splits(folder, top)
    if splits:
        files = [
            file for split, name in splits.items() for file in label_files(top[name], f"{name}/", split, True)
        ]
    else:
        files = label_files(folder, "", None, False)
    labels = {str(file.label) for file in files}
    demand_no_empty(folder, list(splits.values()), labels)
    demand_no_layout(folder, labels)
    demand_right_level(folder, files)
    for label in sorted(labels):
        demand_class(label, classes, f"{folder}: class folder {label}/")
    return LabelledFiles(order_classes(labels, classes), tuple(files))


def list_folders(folder: Path) -> dict[str, Path]:
    """Names and paths of the sub-folders, sorted, without junk.

    Raises:
        SourceError: there is no such folder, a link is among the sub-folders, or two names that differ in
            Unicode form alone.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise SourceError(
            f"dataset.path: {folder} {what}; expected a folder with one sub-folder of pictures a class."
        )
    try:
        entries = [entry for entry in folder.iterdir() if not is_junk(entry.name) and entry.is_dir()]
    except OSError as error:
        raise SourceError(f"dataset.path: cannot list {folder}: {error.strerror}.") from error
    for entry in entries:
        refuse_link(entry)
    found: dict[str, Path] = {}
    for entry in entries:
        name = spell(entry.name)
        if name in found:
            refuse_twins(name)
        found[name] = entry
    return dict(sorted(found.items()))


def find_splits(folder: Path, top: dict[str, Path]) -> dict[str, str]:
    """{split: name of its folder} where the top folders are splits, {} where they are classes.

    They are splits where all have the name of one and hold folders themselves. A folder train/ beside others
    may well be a class of vehicles, unless valid/ or test/ is there as well.
    """
    named = {name: SPLIT_NAMES[name.casefold()] for name in top if name.casefold() in SPLIT_NAMES}
    if "train" not in named.values():
        return {}
    if not any(list_folders(top[name]) for name in named):
        demand_no_flat_splits(folder, top, named)
        return {}
    others = [f"{name}/" for name in top if name not in named]
    if others and len(set(named.values())) == 1:
        return {}
    if others:
        raise SourceError(
            f"dataset.path: {folder} holds folders of splits ({', '.join(f'{name}/' for name in named)}) and "
            f"others beside them ({abridge(others)}): move these into the splits' folders, or away."
        )
    if len(set(named.values())) < len(named):
        raise SourceError(f"dataset.path: two folders of {folder} mean one split: {', '.join(named)}.")
    return {split: name for split in ORDER for name, meant in named.items() if meant == split}


def demand_no_flat_splits(folder: Path, top: dict[str, Path], named: dict[str, str]) -> None:
    """Demand that folders of splits do not pass for classes: train/ and test/ are none of any picture."""
    if len(named) == len(top) > 1:
        raise SourceError(
            f"dataset.path: {', '.join(f'{name}/' for name in named)} in {folder} are splits without class "
            "folders: move the pictures of each class into one, or name another dataset.format."
        )


def label_files(folder: Path, prefix: str, split: str | None, may_be_empty: bool) -> list[LabelledFile]:
    """The files of a folder's class folders; raises SourceError where there are none."""
    demand_no_loose(folder)
    folders = list_folders(folder)
    if not folders:
        raise SourceError(
            f"dataset.path: {folder} has no sub-folders; put the pictures of each class into one."
        )
    listed = {label: list_files(place) for label, place in folders.items()}
    empty = [label for label, files in listed.items() if not files]
    if empty and not may_be_empty:
        raise SourceError(f"dataset.path: class folders without pictures in {folder}: {abridge(empty)}.")
    return [
        LabelledFile(f"{prefix}{label}/{name}", path, label, split=split)
        for label, files in listed.items()
        for name, path in files
    ]


def demand_no_loose(folder: Path) -> None:
    """Demand that no picture lies beside the class folders."""
    entries = (entry for entry in folder.iterdir() if not is_junk(entry.name))
    loose = sorted(
        entry.name for entry in entries if entry.is_file() and entry.suffix.lower() in PICTURE_SUFFIXES
    )
    if loose:
        raise SourceError(
            f"dataset.path: {folder} holds {len(loose)} pictures outside any class folder "
            f"({abridge(loose)}); move each into a sub-folder named after its class, or name another "
            "dataset.format where files with labels lie beside them."
        )


def demand_no_empty(folder: Path, splits: list[str], labels: set[str]) -> None:
    """Demand pictures of every class in some split: a class may be missing in one of them only."""
    named = {label for split in splits for label in list_folders(folder / split)}
    if named - labels:
        raise SourceError(
            f"dataset.path: class folders without pictures in any split of {folder}: "
            f"{abridge(sorted(named - labels))}."
        )


def demand_no_layout(folder: Path, labels: set[str]) -> None:
    """Demand that folders of another layout do not pass for classes: no picture is one of images/, and
    seg_train/ beside seg_test/, or train2017/ beside val2017/, are parts of a data set."""
    named = [label for label in sorted(labels) if label.casefold() in PICTURE_FOLDERS]
    if named:
        raise SourceError(
            f"dataset.path: {folder}: {named[0]}/ is where other layouts keep their pictures, and no class. "
            "If it holds the class folders, set dataset.path to it; else name another dataset.format, or "
            "rename it after its class."
        )
    by_rest: dict[tuple[str, ...], list[str]] = {}
    for label in sorted(labels):
        words = re.findall(r"[a-z]+|[^a-z]+", label.casefold())
        if any(map(find_split, words)):
            by_rest.setdefault(tuple("" if find_split(word) else word for word in words), []).append(label)
    alike = next((same for same in by_rest.values() if len(same) > 1), None)
    if alike:
        raise SourceError(
            f"dataset.path: {folder}: the folders {', '.join(f'{label}/' for label in alike)} are parts of a "
            "data set by their names, and no classes: put the class folders of each directly into train/, "
            "valid/ and test/, or set dataset.path to a folder that holds class folders."
        )


def demand_right_level(folder: Path, files: list[LabelledFile]) -> None:
    """Demand that the only class is none that itself holds nothing but folders: those will be the classes."""
    if len({file.label for file in files}) > 1:
        return
    splits = {file.split for file in files} != {None}
    below = [file.file_name.split("/")[1 if splits else 0 :] for file in files]
    place: list[str] = []
    while all(len(parts) > 1 for parts in below) and len({parts[0] for parts in below}) == 1:
        place.append(below[0][0])
        below = [parts[1:] for parts in below]
    if all(len(parts) > 1 for parts in below):
        inner, only = sorted({parts[0] for parts in below}), "/".join(place)
        advice = f"move them out of {only}/" if splits else f"set dataset.path to {folder / only}"
        raise SourceError(
            f"dataset.path: {folder}: the only class folder, {place[0]}/, holds nothing but folders "
            f"({abridge(inner)}): if these are the classes, {advice}, else put the pictures into the class "
            "folder itself."
        )
