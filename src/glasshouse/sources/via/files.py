"""The files of the VGG Image Annotator: a project (2.x), an export as JSON (1 and 2.x), an export as CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.sources.delimited import Table
from glasshouse.sources.example import LabelFault, SourceError
from glasshouse.sources.groups import GROUPS_FILE
from glasshouse.sources.texts import UnreadableText, read_text

SHAPE_COLUMN = "region_shape_attributes"
CSV_COLUMNS: dict[str, tuple[str, ...]] = {
    "filename": ("#filename",),
    "file_size": (),
    "region_count": (),
    SHAPE_COLUMN: (),
    "region_attributes": (),
}
PROJECT_KEY = "_via_img_metadata"
VIA_3_KEYS = {"project", "config", "file", "view", "metadata"}


@dataclass(frozen=True, slots=True)
class Region:
    """A region as VIA wrote it; `place` is where: "a.jpg123.regions[0]" or "line 2"."""

    place: str
    shape: object
    attributes: object


@dataclass(frozen=True, slots=True)
class Entry:
    """What VIA says of one picture.

    Attributes:
        file_name: of VIA's file, relative to the source's folder.
        place: where in it.
        picture: the name by which VIA knows the picture.
        size: bytes of the picture's file, or -1 where VIA does not know them.
        regions: none for a picture on which there is nothing.
    """

    file_name: str
    place: str
    picture: str
    size: int
    regions: tuple[Region, ...]


def read_files(files: Mapping[str, Path]) -> tuple[list[Entry], list[LabelFault]]:
    """The entries of every VIA file among the files; faulty rows, and JSON and CSV files that are not VIA's.

    Raises:
        SourceError: there is no VIA file; or one cannot be parsed, or lacks a key.
    """
    entries: list[Entry] = []
    faults: list[LabelFault] = []
    others: list[str] = []
    names = [name for name in files if name.lower().endswith((".json", ".csv")) and name != GROUPS_FILE]
    for name in names:
        text = open_text(name, files[name])
        table = name.lower().endswith(".csv")
        found = read_table(name, files[name], text) if table else read_json(name, text)
        if found is None:
            others.append(name)
            continue
        entries += found[0]
        faults += found[1]
    if len(others) == len(names):
        raise SourceError(
            "dataset.format via: there is no VIA file. Expected a project as JSON (with _via_img_metadata), "
            f"or annotations exported as JSON or CSV; found {', '.join(others) or 'neither JSON nor CSV'}."
        )
    passed = "The file is none of VIA's, and was passed over."
    return entries, [*faults, *(LabelFault(name, "", "not_via", "set_aside", passed) for name in others)]


def open_text(name: str, path: Path) -> str:
    """The text of a file; raises SourceError."""
    try:
        return read_text(path).content
    except UnreadableText as error:
        raise SourceError(f"{name} {error}.") from error


def read_json(name: str, text: str) -> tuple[list[Entry], list[LabelFault]] | None:
    """The entries of a project or an export; None where the JSON is something else."""

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise SourceError(f"{name}: the key {twice!r} stands twice in one object: remove one.")
        return dict(pairs)

    try:
        content = json.loads(text, object_pairs_hook=build)
    except json.JSONDecodeError as error:
        raise SourceError(f"{name}: line {error.lineno}: no sound JSON: {error.msg}.") from error
    except RecursionError as error:
        raise SourceError(f"{name}: no sound JSON: nested too deeply.") from error
    if not isinstance(content, dict):
        return None
    if PROJECT_KEY in content:
        content = content[PROJECT_KEY]
        if not isinstance(content, dict):
            raise SourceError(f"{name}: {PROJECT_KEY} must hold an entry for each picture.")
    elif set(content) >= VIA_3_KEYS:
        raise SourceError(f"{name}: a project of VIA 3. Export its annotations in the format of VIA 2.")
    elif not any(isinstance(entry, dict) and "regions" in entry for entry in content.values()):
        return None
    return [read_entry(name, key, entry) for key, entry in content.items()], []


def read_entry(name: str, key: str, entry: object) -> Entry:
    """One picture's entry in JSON; raises SourceError where a key is missing."""
    if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str) or "regions" not in entry:
        raise SourceError(f"{name}: {key}: expected an object with filename and regions.")
    regions = entry["regions"]
    numbered = list(enumerate(regions)) if isinstance(regions, list) else None
    numbered = list(regions.items()) if isinstance(regions, dict) else numbered  # VIA 1 numbers them so
    if numbered is None:
        raise SourceError(f"{name}: {key}: regions must be a list. Got {type(regions).__name__} instead.")
    return Entry(
        name,
        key,
        entry["filename"],
        entry["size"] if isinstance(entry.get("size"), int) else -1,
        tuple(read_region(f"{key}.regions[{number}]", region) for number, region in numbered),
    )


def read_region(place: str, region: object) -> Region:
    """One region in JSON; what it lacks is None, and told with the region."""
    parts = region if isinstance(region, dict) else {}
    return Region(place, parts.get("shape_attributes"), parts.get("region_attributes"))


def read_table(name: str, path: Path, text: str) -> tuple[list[Entry], list[LabelFault]] | None:
    """The entries of an exported CSV, and the faults of its rows; None where the header is not VIA's."""
    if SHAPE_COLUMN not in text.partition("\n")[0]:
        return None
    table = Table(path, name, CSV_COLUMNS, ",".join(CSV_COLUMNS))
    missing = [column for column in CSV_COLUMNS if column not in table.columns]
    if missing:
        raise SourceError(f"{name}: the column {missing[0]} is missing.")
    regions: dict[tuple[str, int], list[Region]] = {}
    lines: dict[tuple[str, int], int] = {}
    for row in table:
        size = row.cells["file_size"]
        key = row.cells["filename"], int(size) if size.isdecimal() else -1
        lines.setdefault(key, row.line)
        shape = parse_cell(row.cells[SHAPE_COLUMN])
        if shape != {} or row.cells["region_count"] != "0":
            region = Region(f"line {row.line}", shape, parse_cell(row.cells["region_attributes"]))
            regions.setdefault(key, []).append(region)
    entries = [Entry(name, f"line {line}", *key, tuple(regions.get(key, ()))) for key, line in lines.items()]
    return entries, table.faults


def parse_cell(cell: str) -> object:
    """The JSON in a cell of the CSV; None where it is none, which is told with the region."""
    try:
        content: object = json.loads(cell)
    except (json.JSONDecodeError, RecursionError):
        return None
    return content
