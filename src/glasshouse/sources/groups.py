"""groups.csv in the root of a labelled folder: which pictures must stay together when they are split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from glasshouse.sources.delimited import Row, Table, demand_same
from glasshouse.sources.example import SourceError
from glasshouse.sources.labelled import LabelledFiles
from glasshouse.sources.listing import abridge, spell

GROUPS_FILE = "groups.csv"
COLUMNS = {
    "file_name": ("filename", "image", "path", "image_path"),
    "group": ("group_id", "groups"),
}


def apply_groups(source: LabelledFiles, folder: Path) -> LabelledFiles:
    """The source with the groups of `folder`/groups.csv, columns file_name and group; as it is without one.

    A picture is named by its path from the folder, or by its base name where only one has it. An empty group
    is none. A row without a picture is set aside; pictures without a row have no group.

    Raises:
        SourceError: the file has no such header, or gives a picture two groups, or another than the labels.
    """
    path = folder / GROUPS_FILE
    if not path.exists():
        return source
    table = Table(path, GROUPS_FILE, COLUMNS, "file_name,group")
    if "group" not in table.columns:
        raise SourceError(f"{GROUPS_FILE}: the column group is missing; expected file_name,group.")
    groups = read_groups(table, Names(source))
    files = tuple(
        replace(file, group=agree(file.file_name, file.group, groups.get(file.file_name)))
        for file in source.files
    )
    return replace(source, files=files, faults=(*source.faults, *table.faults))


class Names:
    """The pictures of a source, found by path or by a base name that only one has."""

    def __init__(self, source: LabelledFiles) -> None:
        """Index the source's pictures."""
        self.by_base: dict[str, list[str]] = {}
        for file in source.files:
            self.by_base.setdefault(PurePosixPath(file.file_name).name, []).append(file.file_name)
        self.all = {file.file_name for file in source.files}

    def find(self, name: str) -> str:
        """The picture's file_name; raises LookupError with a sentence."""
        wanted = spell(name).replace("\\", "/").removeprefix("./")
        if wanted in self.all:
            return wanted
        same = self.by_base.get(PurePosixPath(wanted).name, [])
        if len(same) == 1:
            return same[0]
        if same:
            raise LookupError(f"{name!r} could be any of {abridge(same)}: give the path from the folder.")
        raise LookupError(f"No picture of the labels is called {name!r}: the row was left out.")


def read_groups(table: Table, names: Names) -> dict[str, str]:
    """{picture: group} of the rows; what names no picture goes to the table's faults."""
    lines: dict[str, Row] = {}
    for row in table:
        try:
            picture = names.find(row.cells["file_name"])
        except LookupError as error:
            table.set_aside(row.line, "picture_missing", error.args[0])
            continue
        first = lines.setdefault(picture, row)
        given = ((other.line, other.cells["group"]) for other in (first, row))
        demand_same(table.name, picture, "group", *given)
    return {picture: row.cells["group"] for picture, row in lines.items() if row.cells["group"]}


def agree(picture: str, labelled: str | None, listed: str | None) -> str | None:
    """The group of a picture from its labels and from groups.csv."""
    if labelled and listed and labelled != listed:
        raise SourceError(
            f"{GROUPS_FILE}: {picture} has the group {listed!r}, and {labelled!r} in its labels: correct one."
        )
    return labelled or listed
