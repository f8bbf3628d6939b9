"""Which picture an XML labels: the one of its own name, else the one that it names."""

from __future__ import annotations

from itertools import dropwhile
from pathlib import PurePosixPath

from glasshouse.sources.listing import abridge, spell
from glasshouse.sources.picture_index import PictureIndex, keep_below

MASK_FOLDERS = frozenset({"segmentationclass", "segmentationobject", "segmentationclassraw", "trimaps"})
LABEL_FOLDERS = frozenset({"annotations", "annotation", "labels", "xml", "xmls"})
PICTURE_FOLDERS = ("JPEGImages", "images", "Images")


def is_mask(picture: str) -> bool:
    """In a folder where the devkit, or Oxford's pets, keep masks: PNG files with the pictures' names."""
    return not MASK_FOLDERS.isdisjoint(part.lower() for part in picture.split("/")[:-1])


class Pairing:
    """The pictures below a folder by the names that XML files could mean."""

    def __init__(self, index: PictureIndex) -> None:
        self.index = index
        self.by_path: dict[str, list[str]] = {}
        self.by_stem: dict[str, list[str]] = {}
        for name in index.paths:
            if not is_mask(name):
                path = PurePosixPath(name)
                self.by_path.setdefault(path.with_suffix("").as_posix(), []).append(name)
                self.by_stem.setdefault(path.stem.casefold(), []).append(name)

    def find(self, file_name: str, picture_name: str) -> str:
        """The picture of an XML `file_name` whose <filename> is `picture_name`.

        Raises:
            LookupError: there is none, or several could be meant; the message is a sentence.
        """
        same = self.list_twins(file_name)
        named = [name for name in same if self.agrees(name, picture_name)] if len(same) > 1 else same
        if len(named) == 1:
            return named[0]
        if same:
            raise LookupError(f"it could label any of {abridge(same)}, and <filename> is {picture_name!r}")
        if not picture_name:
            raise LookupError("no picture has its name, and it has no <filename>")
        return self.index.find(picture_name, *list_places(file_name))

    def find_twin(self, file_name: str) -> str | None:
        """The only picture of the XML's name, or None."""
        same = self.list_twins(file_name)
        return same[0] if len(same) == 1 else None

    def list_twins(self, file_name: str) -> list[str]:
        """The pictures of the XML's name in the nearest place that has any, else below the one where its
        pictures lie; anywhere where none of the places holds pictures."""
        stem, places = PurePosixPath(file_name).stem, list_places(file_name)
        for place in places:
            path = (PurePosixPath(place) / stem).as_posix()
            if path in self.by_path:
                return self.by_path[path]
        same, homes = self.by_stem.get(stem.casefold(), []), self.index.find_holding(places)
        return keep_below(same, homes) if homes else same

    def agrees(self, picture: str, picture_name: str) -> bool:
        """Whether <filename>, if any, means this picture; some tools leave out its suffix."""
        said = PurePosixPath(spell(picture_name).replace("\\", "/")).name.casefold()
        path = PurePosixPath(picture)
        return not said or said in (path.name.casefold(), path.stem.casefold())


def list_places(file_name: str) -> list[str]:
    """The folders in which a picture lies by the rules: the XML's, then those beside Annotations/.

    Last come those beside a label folder that holds others: annotations/xmls/ is labels throughout.
    """
    folder = PurePosixPath(file_name).parent
    places, outer = [folder], []
    for depth, part in enumerate(folder.parts):
        if part.lower() in LABEL_FOLDERS:
            above, below = folder.parts[:depth], folder.parts[depth + 1 :]
            places += list_twin_folders(above, below)
            inner = tuple(dropwhile(lambda part: part.lower() in LABEL_FOLDERS, below))
            outer += list_twin_folders(above, inner) if inner != below else []
    places += outer
    return ["" if place == PurePosixPath(".") else place.as_posix() for place in places]


def list_twin_folders(above: tuple[str, ...], below: tuple[str, ...]) -> list[PurePosixPath]:
    """Where pictures lie for labels in above/Annotations/below."""
    inside = [PurePosixPath(*above, name, *below) for name in PICTURE_FOLDERS]
    return [*inside, PurePosixPath(*above, *below)]
