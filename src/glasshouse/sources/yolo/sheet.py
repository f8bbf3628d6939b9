"""What stands beside YOLO labels: class names and splits in data.yaml, obj.data, classes.txt or *.names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from glasshouse.params.aliases import demand_bounded
from glasshouse.sources.example import SourceError
from glasshouse.sources.listing import abridge, spell
from glasshouse.sources.texts import UnreadableText, read_text

NAMES_KEY = re.compile(r"^[\"']?names[\"']?\s*:", re.MULTILINE)
SPLIT_KEYS = ("train", "val", "valid", "test")
Names = dict[int, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one such file says.

    Attributes:
        file_name: relative to the source's folder.
        names: class names by their ids; empty where it gives none.
        splits: the values of its keys train, val, valid and test.
        root: its key path, to which these are relative.
        keypoints: numbers behind the box in each row of a pose data set.
    """

    file_name: str
    names: Names
    splits: dict[str, list[str]] = field(default_factory=dict)
    root: str = ""
    keypoints: int = 0


def read_sheets(files: Mapping[str, Path]) -> list[Sheet]:
    """Every file of names and splits among the files, in their order.

    Raises:
        SourceError: one cannot be read, or says what cannot be; the file and key are named.
    """
    found = []
    for name, path in files.items():
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in (".yaml", ".yml"):
            text = open_text(name, path)
            found += [read_yaml(name, text)] if NAMES_KEY.search(text) else []
        elif is_names_file(name):
            found.append(Sheet(name, read_names(name, open_text(name, path))))
        elif suffix == ".data":
            found.append(read_data(name, open_text(name, path)))
    return found


def is_names_file(name: str) -> bool:
    """classes.txt (LabelImg, Label Studio), *.names (darknet, CVAT), *.labels (Roboflow)."""
    path = PurePosixPath(name.lower())
    return path.name in ("classes.txt", "_classes.txt") or path.suffix in (".names", ".labels")


def open_text(name: str, path: Path) -> str:
    """The text of a file; raises SourceError."""
    try:
        return read_text(path).content
    except UnreadableText as error:
        raise SourceError(f"{name} {error}.") from error


def read_yaml(name: str, text: str) -> Sheet:
    """Ultralytics' data.yaml: names as a list or a mapping of ids, nc, path, train, val, test, kpt_shape."""
    try:
        content: Any = YAML(typ="safe", pure=True).load(text)
        demand_bounded(content)
    except (YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise SourceError(f"{name}: no sound YAML: {said[:200]}") from error
    if not isinstance(content, dict):
        raise SourceError(f"{name}: expected keys such as names: and train: at the top.")
    names = number_names(name, content.get("names"))
    count = content.get("nc", len(names))
    if count != len(names):
        raise SourceError(
            f"{name}: nc is {count!r}, and there are {len(names)} names: correct one of the two."
        )
    splits = {key: list_places(name, key, content[key]) for key in SPLIT_KEYS if content.get(key)}
    shape = content.get("kpt_shape") or [0]
    if not isinstance(shape, list) or not all(isinstance(side, int) for side in shape):
        raise SourceError(f"{name}: kpt_shape must be [points, numbers each]. Got {shape!r} instead.")
    return Sheet(name, names, splits, str(content.get("path") or ""), prod(shape))


def number_names(file_name: str, names: object) -> Names:
    """Names by id from a list, or from a mapping of ids."""
    pairs = list(enumerate(names)) if isinstance(names, list) else names
    pairs = list(pairs.items()) if isinstance(pairs, dict) else pairs
    if not isinstance(pairs, list) or not pairs:
        raise SourceError(f"{file_name}: names must be a list, or a mapping of ids. Got {names!r} instead.")
    for number, name in pairs:
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise SourceError(f"{file_name}: names: an id must be 0, 1, 2, ... Got {number!r} instead.")
        if isinstance(name, dict | list) or name is None or not str(name).strip():
            raise SourceError(f"{file_name}: names: {number} must have a name. Got {name!r} instead.")
    return demand_once(file_name, {number: spell(str(name).strip()) for number, name in sorted(pairs)})


def list_places(file_name: str, key: str, value: object) -> list[str]:
    """The folders or lists that a split's key names."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(place, str) for place in values):
        raise SourceError(
            f"{file_name}: {key} must name a folder or a list of pictures. Got {value!r} instead."
        )
    return [str(place) for place in values]


def read_names(file_name: str, text: str) -> Names:
    """One name a line, the first has the id 0; empty lines at the end do not count."""
    lines = [spell(line.strip()) for line in text.rstrip().splitlines()]
    for number, line in enumerate(lines, 1):
        if not line:
            raise SourceError(
                f"{file_name}: line {number} is empty, and would be class {number - 1}: give it a name, "
                "or remove the line if the labels do not count it."
            )
    return demand_once(file_name, dict(enumerate(lines)))


def read_data(file_name: str, text: str) -> Sheet:
    """darknet's and CVAT's obj.data: lines `key = value`, of which train, valid and test count."""
    pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line]
    values = {key.strip(): value.strip() for key, value in pairs}
    return Sheet(file_name, {}, {key: [values[key]] for key in SPLIT_KEYS if values.get(key)})


def demand_once(file_name: str, names: Names) -> Names:
    """Demand that no two ids have one name."""
    firsts: dict[str, int] = {}
    for number, name in names.items():
        first = firsts.setdefault(name, number)
        if first != number:
            raise SourceError(
                f"{file_name}: the ids {first} and {number} are both named {name!r}: rename one."
            )
    return names


def settle_names(sheets: list[Sheet], classes: tuple[str, ...]) -> Names:
    """The names by id that all files agree on; `classes` where there is no such file.

    Tools write one list for each folder, and lengthen it as classes come: a list that begins like the
    longest one agrees with it.

    Raises:
        SourceError: there are no names at all, or two files differ.
    """
    lists = [sheet for sheet in sheets if sheet.names]
    if not lists:
        if not classes:
            raise SourceError(
                "dataset.format yolo: nothing names the classes. Add a data.yaml with `names: [...]`, a "
                "classes.txt with one name a line, or set dataset.classes."
            )
        return dict(enumerate(classes))
    longest = max(lists, key=lambda sheet: len(sheet.names))
    for sheet in lists:
        if any(longest.names.get(number) != name for number, name in sheet.names.items()):
            raise SourceError(
                f"{sheet.file_name} and {longest.file_name} name the classes differently "
                f"({abridge(list(sheet.names.values()))}; {abridge(list(longest.names.values()))}): "
                "keep the one that the labels were written with."
            )
    return longest.names
