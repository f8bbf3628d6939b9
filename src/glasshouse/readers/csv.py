"""Format csv: one table for all pictures, a row an object, or a row a picture with its class.

Columns, in any order, letter case aside: file_name; label (the class of the picture) or label with x_min_px,
y_min_px, x_max_px, y_max_px (an object); optional split, group, width_px and height_px (of the picture that
the boxes were drawn on). COLUMNS has the other names that each may have; further columns are passed over.

- **Rows.** With an empty box and an empty label the picture is a negative. A picture in no row is set aside.
  A picture whose rows are all faulty is left out with them: it is no negative.
- **Files.** annotations.csv or labels.csv in the root, or the only .csv there (groups.csv aside); train.csv,
  valid.csv and test.csv (also train_labels.csv, ...), or one .csv in each of the folders train/, valid/,
  test/, give the split as well.
- **Spreadsheets.** Semicolons and tabs between columns, and a byte order mark, are read and counted as
  repaired. A comma in a number is no decimal point: such a row is set aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from glasshouse.params.faults import suggest
from glasshouse.sources.classes import demand_class, order_classes, spell_classes
from glasshouse.sources.delimited import Row, Table, choose_file, demand_same
from glasshouse.sources.example import LabelFault, ObjectLabel, SourceError
from glasshouse.sources.groups import GROUPS_FILE
from glasshouse.sources.labelled import LabelledFile, LabelledFiles
from glasshouse.sources.listing import abridge, list_files, spell
from glasshouse.sources.picture_index import PictureIndex
from glasshouse.sources.split_names import SPLIT_NAMES, find_split, find_split_in, find_split_word

BOX = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
SIZE = ("height_px", "width_px")
COLUMNS = {
    "file_name": ("filename", "file", "image", "image_name", "image_path", "path"),
    "label": ("class", "class_name", "category"),
    "x_min_px": ("xmin", "x_min", "x1"),
    "y_min_px": ("ymin", "y_min", "y1"),
    "x_max_px": ("xmax", "x_max", "x2"),
    "y_max_px": ("ymax", "y_max", "y2"),
    "split": ("set", "subset"),
    "group": ("group_id",),
    "width_px": ("width", "image_width"),
    "height_px": ("height", "image_height"),
}
STAND_INS = ("image_id", "imageid")  # Kaggle's names of pictures; a number where there is a file's name too
PREFERRED = ("annotations.csv", "labels.csv")
WANTED = f"file_name,label for classes, file_name,label,{','.join(BOX)} for boxes"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(slots=True)
class Labelled:
    """What the rows so far say of one picture; the first sound row's line stands for it."""

    line: int
    table: str
    label: str | None
    split: str | None
    group: str | None
    size: tuple[int, int] | None
    objects: list[ObjectLabel] = field(default_factory=list)


def read(folder: Path, classes: tuple[str, ...]) -> LabelledFiles:
    """The pictures that the table in `folder` names.

    Raises:
        SourceError: no table or several, no header, a column missing or twice, an unknown split, a picture
            that two rows contradict each other about or call
            by two names, a label outside `classes` or in JSON, boxes that are shares, no sound row.
    """
    index, classes = PictureIndex(folder), spell_classes(classes)
    labelled: dict[str, Labelled] = {}
    faults: list[LabelFault] = []
    for name, split in choose_tables(folder):
        table = Table(folder / name, name, COLUMNS, WANTED, STAND_INS)
        demand_columns(table)
        TableReader(table, index, classes, split, labelled).read_rows()
        faults += table.faults
    if not labelled:
        first = f" The first fault: {faults[0].reason}" if faults else ""
        raise SourceError(f"dataset.path: no row of the table in {folder} can be used.{first}")
    demand_pixels(labelled.values())
    faults += note_left_out(index, labelled, {fault.picture for fault in faults})
    files = [build_file(name, index.paths[name], labelled[name]) for name in index.paths if name in labelled]
    found = {
        label for file in files for label in (file.label, *(thing.label for thing in file.objects)) if label
    }
    return LabelledFiles(order_classes(found, classes), tuple(files), tuple(faults))


def note_left_out(
    index: PictureIndex, labelled: dict[str, Labelled], faulty: set[str | None]
) -> list[LabelFault]:
    """The pictures that have no sound row."""
    said = {
        True: (
            "no_row_left",
            "None of its rows can be used; it is left out with them, for it is no negative.",
        ),
        False: ("not_labelled", "The table does not name the picture."),
    }
    left = ((name, *said[name in faulty]) for name in index.paths if name not in labelled)
    return [LabelFault(name, "", kind, "set_aside", reason, name) for name, kind, reason in left]


def build_file(name: str, path: Path, found: Labelled) -> LabelledFile:
    """A picture with what its rows say."""
    return LabelledFile(name, path, found.label, tuple(found.objects), found.split, found.group, found.size)


def choose_tables(folder: Path) -> list[tuple[str, str | None]]:
    """(name, the split that its pictures are of or None) of the tables to read; raises SourceError."""
    names = [name for name, _ in list_files(folder) if name.lower().endswith(".csv") and name != GROUPS_FILE]
    root = [name for name in names if "/" not in name]
    preferred = [name for name in root if name.lower() in PREFERRED]
    if not root:
        root = [name for name in names if name.count("/") == 1 and find_split(PurePosixPath(name).parts[0])]
    splits = [find_split_in(PurePosixPath(name).with_suffix("").parts) for name in root]
    if len(root) > 1 and not all(splits):
        splits = [find_split_word(PurePosixPath(name).stem) for name in root]
    if root and all(splits) and len(set(splits)) == len(splits):
        return list(zip(root, splits, strict=True))
    if names and not root:
        raise SourceError(
            f"dataset.path: the table of labels (.csv) belongs into {folder} itself, or one into each of "
            f"train/, valid/ and test/. Found {abridge(names)}: move what is meant."
        )
    return [(choose_file(folder, preferred or root, "table of labels (.csv)"), None)]


def demand_columns(table: Table) -> None:
    """Demand a label, and all of a box or nothing of it."""
    missing = [column for column in ("label", *BOX) if column not in table.columns]
    if "label" in missing or 0 < len(missing) < len(BOX):
        raise SourceError(
            f"{table.name}: the column {missing[0]} is missing among {', '.join(table.spelled)}. "
            f"Expected {WANTED}."
        )
    if len(set(SIZE) & table.columns) == 1:
        raise SourceError(f"{table.name}: width_px and height_px go together; one is missing.")


def demand_pixels(labelled: Iterable[Labelled]) -> None:
    """Demand that boxes are no shares of the sides: as pixels, all would lie in the upper left corner."""
    things = [thing for found in labelled for thing in found.objects]
    inside = all(0 <= edge <= 1 for thing in things for edge in thing.box_xyxy_px)
    if things and inside and any(edge % 1 for thing in things for edge in thing.box_xyxy_px):
        raise SourceError(
            f"{things[0].origin}: this box and all others lie within 0..1: they are shares of the pictures' "
            "sides, and pixels are wanted. Multiply x by the width and y by the height of each picture."
        )


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads the rows of one table into `labelled`; `split` is that of all its pictures, or None."""

    table: Table
    index: PictureIndex
    classes: tuple[str, ...]
    split: str | None
    labelled: dict[str, Labelled]

    def read_rows(self) -> None:
        """Read every row; what is wrong with one goes to the table's faults, or is raised."""
        names: dict[str, str] = {}
        called: dict[str, Row] = {}
        own = [name for name, split in SPLIT_NAMES.items() if split == self.split]
        places = (
            str(PurePosixPath(self.table.name).parent),
            *own,
            *(f"images/{name}" for name in own),
            "images",
        )
        boxed = "x_min_px" in self.table.columns
        for row in self.table:
            name = row.cells["file_name"]
            try:
                if name not in names:
                    names[name] = self.index.find(name, *places) if name else ""
                    self.demand_one_name(called.setdefault(names[name], row), row, names[name])
            except LookupError as error:
                self.table.set_aside(row.line, "picture_missing", f"{error.args[0]}.")
                continue
            if not name:
                self.table.set_aside(row.line, "picture_missing", "The row names no picture.")
            else:
                (self.read_object if boxed else self.read_label)(row, names[name])

    def demand_one_name(self, first: Row, row: Row, picture: str) -> None:
        """Demand that a table calls a picture by one name: one of two may be of a picture that is missing."""
        before, now = (spell_path(each.cells["file_name"]) for each in (first, row))
        if before != now:
            raise SourceError(
                f"{self.where(row)}: {now!r} and {before!r} (line {first.line}) would both be {picture}: "
                "give both the path from the folder, or add the picture that is missing."
            )

    def read_label(self, row: Row, picture: str) -> None:
        """A row with the class of a picture."""
        label = spell(row.cells["label"])
        if not label:
            return self.table.set_aside(row.line, "label_missing", "The row has no label.", picture)
        self.demand_label(label, row)
        found = self.find_labelled(row, picture, label)
        if found is not None and (found.line, found.table) != (row.line, self.table.name):
            reason = f"The row says again what line {found.line} of {found.table} says."
            self.table.set_aside(row.line, "row_twice", reason, picture)
        return None

    def read_object(self, row: Row, picture: str) -> None:
        """A row with an object, or with none."""
        label, cells = spell(row.cells["label"]), [row.cells[column] for column in BOX]
        if not any(cells) and not label:
            self.find_labelled(row, picture, None)
            return None
        if not label:
            return self.table.set_aside(row.line, "label_missing", "The row has a box and no label.", picture)
        self.demand_label(label, row)
        for column, cell in zip(BOX, cells, strict=True):
            if not NUMBER.fullmatch(cell):
                return self.table.set_aside(row.line, *describe_number(column, cell), picture)
        found = self.find_labelled(row, picture, None)
        if found is not None:
            x_min, y_min, x_max, y_max = map(float, cells)
            found.objects.append(ObjectLabel(label, (x_min, y_min, x_max, y_max), origin=self.where(row)))
        return None

    def demand_label(self, label: str, row: Row) -> None:
        """Demand one of the classes, and no JSON."""
        if re.match(r"\[\s*\{|\{\s*\"", label):
            raise SourceError(
                f"{self.where(row)}: the label is JSON ({label[:60]}...), as Label Studio writes it into a "
                "CSV: export as COCO, YOLO or Pascal VOC, or give each object a row."
            )
        demand_class(label, self.classes, self.where(row))

    def find_labelled(self, row: Row, picture: str, label: str | None) -> Labelled | None:
        """What is known of a picture, this row with it; None where the row was set aside.

        Raises:
            SourceError: the row says something else of the picture than an earlier one.
        """
        try:
            size = self.read_size(row)
        except ValueError as error:
            self.table.set_aside(row.line, "size_malformed", str(error), picture)
            return None
        split, group = self.read_split(row), row.cells.get("group") or None
        now = Labelled(row.line, self.table.name, label, split, group, size)
        first = self.labelled.setdefault(picture, now)
        if first is not now:
            self.demand_agreement(picture, first, now)
        return first

    def demand_agreement(self, picture: str, first: Labelled, now: Labelled) -> None:
        """Demand that two rows say the same of a picture."""
        if first.table != now.table:
            raise SourceError(
                f"{picture} is in {first.table}, line {first.line}, and in {now.table}, line {now.line}: "
                "a picture belongs to one split."
            )
        for column in ("label", "split", "group", "size"):
            before, after = getattr(first, column), getattr(now, column)
            if before != after:
                demand_same(now.table, picture, column, (first.line, before), (now.line, after))

    def read_size(self, row: Row) -> tuple[int, int] | None:
        """(height, width) of the picture as the row has it; None without the columns or with both empty."""
        cells = [row.cells.get(column, "") for column in SIZE]
        if not any(cells):
            return None
        if not all(cell.isdecimal() and int(cell) for cell in cells):
            raise ValueError(
                f"height_px and width_px must be whole and above 0. Got {' and '.join(cells)} instead."
            )
        return int(cells[0]), int(cells[1])

    def read_split(self, row: Row) -> str | None:
        """The split of the row, or of the table; raises SourceError for an unknown one."""
        name = row.cells.get("split", "")
        split = find_split(name) if name else self.split
        if name and split is None:
            raise SourceError(f"{self.where(row)}: split {name!r} is unknown. {suggest(name, SPLIT_NAMES)}")
        if name and self.split not in (None, split):
            raise SourceError(f"{self.where(row)}: split {name!r} in the table of {self.split}: correct one.")
        return split

    def where(self, row: Row) -> str:
        """`labels.csv, line 3`."""
        return f"{self.table.name}, line {row.line}"


def spell_path(name: str) -> str:
    """A picture's name as rows may write it in several ways."""
    return PurePosixPath(spell(name).replace("\\", "/")).as_posix()


def describe_number(column: str, cell: str) -> tuple[str, str]:
    """(kind of the fault, sentence) for a cell that is no number."""
    if not cell:
        return "box_incomplete", f"{column} is empty and the label is not: the row was left out."
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return "decimal_comma", f"{column} is {cell!r}: write numbers with a point. The row was left out."
    return "not_a_number", f"{column} is {cell!r}, and no number: the row was left out."
