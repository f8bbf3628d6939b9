"""Which split a picture of a YOLO data set belongs to: data.yaml's keys, lists of pictures, or folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from glasshouse.sources.example import LabelFault, SourceError
from glasshouse.sources.listing import spell
from glasshouse.sources.picture_index import PictureIndex
from glasshouse.sources.split_names import SPLIT_NAMES, find_split, find_split_in
from glasshouse.sources.texts import UnreadableText, read_text
from glasshouse.sources.yolo.sheet import Sheet


class Splits:
    """The split of each picture, and what names none.

    Attributes:
        lists: the lists of pictures that were read.
        faults: keys that name nothing, listed pictures that are not there.
    """

    def __init__(self, files: Mapping[str, Path], index: PictureIndex, sheets: list[Sheet]) -> None:
        """Read keys and lists; where none of them says anything, the folders' names count.

        Args:
            files: every file, by its path from the folder.
            index: the pictures among them.
            sheets: of data.yaml and the like.

        Raises:
            SourceError: a list cannot be read, or a picture is in two splits.
        """
        self.files, self.index = files, index
        self.folders = {
            str(parent) for name in files for parent in PurePosixPath(name).parents if str(parent) != "."
        }
        self.given: dict[str, tuple[str, str]] = {}
        self.lists: set[str] = set()
        self.faults: list[LabelFault] = []
        for sheet in sheets:
            self.read_keys(sheet)
        if not self.given:
            self.read_loose_lists()

    def find(self, picture: str) -> str | None:
        """train, valid, test or None."""
        if self.given:
            return self.given.get(picture, (None, ""))[0]
        return find_split_in(PurePosixPath(picture).parts[:-1])

    def read_keys(self, sheet: Sheet) -> None:
        """Give the pictures below the folders, or in the lists, that a sheet's keys name their splits."""
        seen: dict[str, str] = {}
        for key, places in sheet.splits.items():
            for value in places:
                where = f"{sheet.file_name}, {key}"
                place = self.locate(value, sheet.root)
                if place is None:
                    reason = (
                        f"{value!r} is neither a folder nor a list in the data set: the key was passed over."
                    )
                    self.set_aside(sheet.file_name, key, "split_missing", reason)
                elif seen.setdefault(place, key) != key:
                    reason = f"{value!r} is what {seen[place]} names already: the key was passed over."
                    self.set_aside(sheet.file_name, key, "split_twice", reason)
                elif place in self.files:
                    self.read_list(place, SPLIT_NAMES[key])
                else:
                    for picture in self.below(place):
                        self.give(picture, SPLIT_NAMES[key], where)

    def locate(self, value: str, root: str) -> str | None:
        """The folder or file in the data set that a key's value means.

        Values come from other machines: leading `..`, `/content/project` and the like are taken off until
        something is found, so nothing outside the folder ever is.
        """
        for path in ([f"{root}/{value}"] if root else []) + [value]:
            parts = split_path(path)
            for start in range(len(parts)):
                place = "/".join(parts[start:])
                if place in self.folders or place in self.files:
                    return place
        return "" if not split_path(value) else None

    def below(self, folder: str) -> Iterator[str]:
        """The pictures in a folder and in those inside it; "" is the data set as a whole."""
        start = f"{folder}/" if folder else ""
        return (name for name in self.index.paths if name.startswith(start))

    def read_loose_lists(self) -> None:
        """Read train.txt, val.txt and test.txt in the root, unless one is the label of a picture."""
        for name in self.files:
            stem, _, suffix = name.rpartition(".")
            split = find_split(stem) if suffix.lower() == "txt" else None
            if split and not any(PurePosixPath(picture).stem == stem for picture in self.index.paths):
                self.read_list(name, split)

    def read_list(self, name: str, split: str) -> None:
        """Give the pictures of a list their split."""
        self.lists.add(name)
        try:
            lines = read_text(self.files[name]).content.splitlines()
        except UnreadableText as error:
            raise SourceError(f"{name} {error}.") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                picture = self.find_listed(line.strip(), name)
            except LookupError as error:
                self.set_aside(name, f"line {number}", "picture_missing", f"{error.args[0]}.")
            else:
                self.give(picture, split, f"{name}, line {number}")

    def find_listed(self, path: str, list_name: str) -> str:
        """The picture that a list names, by the longest end of its path that is one; raises LookupError."""
        parts, place = split_path(path), PurePosixPath(list_name).parent
        for start in range(len(parts)):
            for name in ("/".join(parts[start:]), str(place.joinpath(*parts[start:]))):
                if name in self.index.paths:
                    return name
        return self.index.find(path)

    def give(self, picture: str, split: str, where: str) -> None:
        """Note a picture's split; raises SourceError where it has another."""
        first, by = self.given.setdefault(picture, (split, where))
        if first != split:
            raise SourceError(f"{picture} is in two splits: {first} ({by}) and {split} ({where}). Keep one.")

    def set_aside(self, file_name: str, place: str, kind: str, reason: str) -> None:
        """Note what names no picture."""
        self.faults.append(LabelFault(file_name, place, kind, "set_aside", reason))


def split_path(path: str) -> list[str]:
    """The parts of a path as written on any machine, without `.`, `..` and the root."""
    return [part for part in spell(path).replace("\\", "/").split("/") if part not in ("", ".", "..")]
