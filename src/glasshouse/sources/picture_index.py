"""Pictures found by the names that labels give them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from glasshouse.sources.listing import PICTURE_SUFFIXES, abridge, list_files, spell


class PictureIndex:
    """The pictures below a folder, found by whatever name a label gives them.

    Attributes:
        paths: {file_name: path} of the pictures, in natural order.
    """

    def __init__(self, folder: Path) -> None:
        """List the folder; raises SourceError where it cannot be listed."""
        self.folder = folder
        files = dict(list_files(folder))
        self.paths = {name: path for name, path in files.items() if path.suffix.lower() in PICTURE_SUFFIXES}
        self._others = files.keys() - self.paths.keys()
        self._by_base: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for name in self.paths:
            path = PurePosixPath(name)
            self._by_base.setdefault(path.name.casefold(), []).append(name)
            self._by_stem.setdefault(path.stem.casefold(), []).append(name)
        self._holding = {name.rpartition("/")[0] for name in self.paths} - {""}
        self._folders = {
            inner for name in self._holding for inner in (name, *map(str, PurePosixPath(name).parents[:-1]))
        }
        self._homes: dict[PurePosixPath, tuple[str, ...]] = {}

    def find(self, name: str, *places: str) -> str:
        """The file_name of the picture that a label calls `name`.

        Tried in turn: the path as it stands below each of `places` (folders relative to the root, "" for the
        root itself), then the only picture of that base name, letter case aside, in the folders where it has
        to lie (`find_homes`). A name that ends in no picture's suffix may lack it. Backslashes count as
        slashes; of absolute paths of the labeller's machine count the folders that are here as well.

        Raises:
            LookupError: there is no such picture, or several could be meant; the message is a sentence.
        """
        wanted = PurePosixPath(spell(name).replace("\\", "/"))
        for place in (*places, ""):
            path = os.path.normpath(PurePosixPath(place) / wanted).replace(os.sep, "/")
            if path in self.paths:
                return path
            if path in self._others:
                raise LookupError(f"{path!r} has no suffix of a picture, such as .jpg or .png: rename it")
        same = self.list_same(wanted)
        if not same:
            raise LookupError(f"there is no picture {name!r} in the folder")
        homes = self.find_homes(wanted, places)
        near = keep_below(same, homes) if homes else same
        if len(near) == 1:
            return near[0]
        if near:
            raise LookupError(f"{name!r} could be any of {abridge(near)}: give the path from the folder")
        raise LookupError(
            f"there is no picture {name!r} in {' or '.join(f'{home}/' for home in homes)}; what is called so "
            f"elsewhere ({abridge(same)}) is another one, unless the label gives its path from the folder"
        )

    def list_same(self, wanted: PurePosixPath) -> list[str]:
        """The pictures of a base name; of a stem, where the name has no suffix of a picture."""
        bare = wanted.suffix.lower() not in PICTURE_SUFFIXES
        key = wanted.name.casefold()
        return self._by_base.get(key) or (self._by_stem.get(key, []) if bare else [])

    def find_homes(self, wanted: PurePosixPath, places: Iterable[str]) -> tuple[str, ...]:
        """The folders in or below which a picture lies that is not where its label says; () for anywhere.

        A label that names folders which are here means them: those that agree with the longest end of its
        own. Else the first of `places`, which are those of the file with the labels, that holds pictures.
        Without this the labels of a picture that is missing would go to another of its base name.
        """
        folder = wanted.parent
        if folder not in self._homes:
            agreement = {here: count_common_end(folder.parts, here.split("/")) for here in self._folders}
            most = max(agreement.values(), default=0)
            named = sorted(here for here, count in agreement.items() if count == most) if most else []
            self._homes[folder] = tuple(named)
        return self._homes[folder] or self.find_holding(places)

    def find_holding(self, places: Iterable[str]) -> tuple[str, ...]:
        """The first of the places that holds pictures itself, else one with pictures deeper; not the root."""
        for folders in (self._holding, self._folders):
            for place in places:
                if place in folders:
                    return (place,)
        return ()


def keep_below(names: Iterable[str], folders: Iterable[str]) -> list[str]:
    """The names of files in or below any of the folders."""
    starts = tuple(f"{folder}/" for folder in folders)
    return [name for name in names if name.startswith(starts)]


def count_common_end(parts: tuple[str, ...], others: list[str]) -> int:
    """How many parts two paths have in common from their ends, letter case aside."""
    count = 0
    for one, other in zip(reversed(parts), reversed(others), strict=False):
        if one.casefold() != other.casefold():
            break
        count += 1
    return count
