"""Format yolo: one text file a picture, one row an object; Ultralytics, darknet, Roboflow, CVAT, LabelImg.

- **Pairs.** images/a.jpg has its labels in labels/a.txt (the last folder called images is exchanged for
  labels, so images/train/ with labels/train/ and train/images/ with train/labels/ both do), else in a.txt
  beside it. A picture without text file, or with an empty one, is a negative, as Ultralytics has it; a text
  file without picture is set aside.
- **Names.** data.yaml, classes.txt, *.names or *.labels; all that are there must agree. Without any,
  `dataset.classes` in the order of the ids.
- **Splits.** data.yaml's keys (folders or lists), lists train.txt, val.txt, test.txt, else folders.
- **Rows.** See yolo/rows.py. Seven numbers and more are a polygon, which gives a box and a mask; in a pose
  data set (kpt_shape in data.yaml) the box counts and the points are passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from glasshouse.sources.classes import demand_class, spell_classes
from glasshouse.sources.example import LabelFault, ObjectLabel, SourceError
from glasshouse.sources.headers import read_header
from glasshouse.sources.labelled import LabelledFile, LabelledFiles
from glasshouse.sources.listing import list_files
from glasshouse.sources.picture_index import PictureIndex
from glasshouse.sources.texts import UnreadableText, read_text
from glasshouse.sources.yolo.rows import BadRow, YoloRow, parse_row, place_row
from glasshouse.sources.yolo.sheet import Names, is_names_file, read_sheets, settle_names
from glasshouse.sources.yolo.splits import Splits

PICTURE_FOLDERS = frozenset({"images", "jpegimages"})
LABEL_FOLDERS = ("labels", "Labels")


def read(folder: Path, classes: tuple[str, ...]) -> LabelledFiles:
    """The pictures below `folder` with their rows.

    Raises:
        SourceError: no pictures, no names, no labels at all, files that contradict each other, ids that count
            from 1, a label outside `classes`.
    """
    files = dict(list_files(folder))
    index, classes = PictureIndex(folder), spell_classes(classes)
    if not index.paths:
        raise SourceError(f"dataset.path: {folder} holds no pictures.")
    sheets = read_sheets(files)
    names = settle_names(sheets, classes)
    splits = Splits(files, index, sheets)
    texts = index_texts(name for name in files if is_label_text(name) and name not in splits.lists)
    reader = RowReader(names, classes, max((sheet.keypoints for sheet in sheets), default=0))
    pairs = {picture: find_labels(picture, texts) for picture in index.paths}
    labelled = [
        reader.label(picture, index.paths[picture], text, files[text] if text else None, splits.find(picture))
        for picture, text in pairs.items()
    ]
    reader.demand_sound(folder, len(set(pairs.values()) - {None}))
    orphans = set_orphans_aside(texts.values(), pairs)
    kept = tuple(file for file in labelled if file is not None)
    return LabelledFiles(classes or tuple(names.values()), kept, (*splits.faults, *reader.faults, *orphans))


def is_label_text(name: str) -> bool:
    """Whether a file may hold labels: a .txt that is neither names nor a text for people."""
    path = PurePosixPath(name)
    spoken = path.stem.lower().startswith(("readme", "license", "licence"))
    return path.suffix.lower() == ".txt" and not is_names_file(name) and not spoken


def index_texts(names: Iterable[str]) -> dict[str, str]:
    """{name with the suffix in small letters: name}: some tools write .TXT.

    Raises:
        SourceError: two names differ in the suffix's letter case alone.
    """
    texts: dict[str, str] = {}
    for name in names:
        first = texts.setdefault(PurePosixPath(name).with_suffix(".txt").as_posix(), name)
        if first != name:
            raise SourceError(f"dataset.path: {first} and {name} would label one picture: keep one of them.")
    return texts


def find_labels(picture: str, texts: Mapping[str, str]) -> str | None:
    """The text file with a picture's labels; None where there is none."""
    path = PurePosixPath(picture)
    folders = path.parts[:-1]
    places = [place for place, part in enumerate(folders) if part.lower() in PICTURE_FOLDERS]
    candidates = [
        PurePosixPath(*folders[: places[-1]], labels, *folders[places[-1] + 1 :])
        for labels in LABEL_FOLDERS
        if places
    ]
    beside = path.parent
    candidates += [beside, *(beside / labels for labels in LABEL_FOLDERS)]
    names = (str(place / f"{path.stem}.txt") for place in candidates)
    return next((texts[name] for name in names if name in texts), None)


def set_orphans_aside(texts: Collection[str], pairs: dict[str, str | None]) -> list[LabelFault]:
    """Text files that no picture takes its labels from, in folders where labels lie."""
    used = {text for text in pairs.values() if text}
    homes = {str(PurePosixPath(text).parent) for text in used}
    return [
        LabelFault(text, "", "picture_missing", "set_aside", "There is no picture of this name.")
        for text in sorted(set(texts) - used)
        if str(PurePosixPath(text).parent) in homes or "labels" in PurePosixPath(text.lower()).parts
    ]


@dataclass(slots=True)
class RowReader:
    """Reads label files one by one, and remembers what shows only over all of them."""

    names: Names
    classes: tuple[str, ...]
    keypoints: int
    faults: list[LabelFault] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)
    objects: int = 0

    def label(
        self, picture: str, path: Path, text: str | None, text_path: Path | None, split: str | None
    ) -> LabelledFile | None:
        """A picture with its objects; None where its labels cannot be used: it is no negative then."""
        if text is None or text_path is None:
            return LabelledFile(picture, path, split=split)
        try:
            lines = read_text(text_path)
        except UnreadableText as error:
            self.note(text, "", "unreadable", "set_aside", f"The file {error}; its picture with it.", picture)
            return None
        if lines.marked:
            reason = "A byte order mark at the beginning was passed over."
            self.note(text, "", "byte_order_mark", "repaired", reason, picture)
        rows = self.read_rows(text, lines.content, picture)
        if not rows:
            return self.label_without_rows(picture, path, text, lines.content, split)
        return self.place(picture, path, text, rows, split)

    def label_without_rows(
        self, picture: str, path: Path, text: str, content: str, split: str | None
    ) -> LabelledFile | None:
        """A negative where the file is empty; set aside where it is not, for then something is there."""
        if not content.strip():
            return LabelledFile(picture, path, split=split)
        reason = "None of its rows can be used; its picture is left out with it, for it is no negative."
        self.note(text, "", "no_row_left", "set_aside", reason, picture)
        return None

    def read_rows(self, text: str, content: str, picture: str) -> list[tuple[int, YoloRow]]:
        """(line, row) of the sound rows of a file."""
        rows = []
        for number, line in enumerate(content.splitlines(), 1):
            place = f"line {number}"
            if not line.strip():
                continue
            try:
                row = parse_row(line, self.keypoints)
                self.demand_name(row.class_id, f"{text}, {place}")
            except BadRow as error:
                self.note(text, place, error.kind, "set_aside", str(error), picture)
                continue
            if row.repaired:
                reason = f"The class id {line.split()[0]} was read as {row.class_id}."
                self.note(text, place, "class_id_decimal", "repaired", reason, picture)
            rows.append((number, row))
        return rows

    def demand_name(self, class_id: int, where: str) -> None:
        """Demand a name for an id; raises BadRow, or SourceError where the name is none of the classes."""
        self.ids.setdefault(class_id, where)
        if class_id not in self.names:
            known = f"{min(self.names)}..{max(self.names)}"
            raise BadRow("class_without_name", f"The class {class_id} has no name; those named are {known}.")
        demand_class(self.names[class_id], self.classes, where)

    def place(
        self, picture: str, path: Path, text: str, rows: list[tuple[int, YoloRow]], split: str | None
    ) -> LabelledFile:
        """A picture with its rows in pixels."""
        self.objects += len(rows)
        header = read_header(path)
        if header is None:
            reason = f"The size of {picture} cannot be read, so its {len(rows)} rows have no pixels."
            self.note(text, "", "picture_size_unknown", "set_aside", reason, picture)
            return LabelledFile(picture, path, split=split)
        objects: tuple[ObjectLabel, ...] = tuple(
            place_row(row, self.names[row.class_id], header, f"{text}, line {number}") for number, row in rows
        )
        return LabelledFile(picture, path, None, objects, split, labelled_size=header.stored_size)

    def note(
        self,
        file_name: str,
        place: str,
        kind: str,
        action: Literal["set_aside", "repaired"],
        reason: str,
        picture: str,
    ) -> None:
        """Add a fault."""
        self.faults.append(LabelFault(file_name, place, kind, action, reason, picture))

    def demand_sound(self, folder: Path, files: int) -> None:
        """Demand that there are labels, and that their ids count from 0.

        Raises:
            SourceError: no picture has a label file or no row is sound; or no id is 0 while the one behind
                the last name is used: set aside row by row, that would leave all others one class off.
        """
        behind = max(self.names) + 1
        if behind in self.ids and 0 not in self.ids:
            raise SourceError(
                f"{self.ids[behind]}: the class {behind} has no name and 0 is never used: the labels count "
                f"from 1, and YOLO counts from 0. Subtract 1 in every row, or put a name before "
                f"{self.names[min(self.names)]!r}."
            )
        if not self.objects:
            first = (
                f" The first fault, in {self.faults[0].file_name}: {self.faults[0].reason}"
                if self.faults
                else ""
            )
            raise SourceError(
                f"dataset.path: no picture of {folder} has a label ({files} label files were found). "
                f"Labels of images/a.jpg belong into labels/a.txt, or into a.txt beside the picture.{first}"
            )
