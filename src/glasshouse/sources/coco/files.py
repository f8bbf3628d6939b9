"""COCO JSON files: which ones a folder holds, and what of their structure must be right before all else.

Format: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from glasshouse.sources.example import SourceError
from glasshouse.sources.labelled import read_file
from glasshouse.sources.listing import abridge, spell
from glasshouse.sources.split_names import find_split_in, find_split_word

KEYS = ("images", "annotations", "categories")
MAX_SIDE_PX = 2**16  # no format of pictures with labels goes further
Id = int | str


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One entry of `images`; size (height, width) or None."""

    place: str
    file_name: str
    size: tuple[int, int] | None
    group: str | None


@dataclass(frozen=True, slots=True)
class CocoCategory:
    """One entry of `categories`."""

    place: str
    name: str
    supercategory: str


@dataclass(frozen=True, slots=True)
class CocoFile:
    """One file: its images and categories by id, and its annotations as they came."""

    file_name: str
    images: dict[Id, CocoImage]
    categories: dict[Id, CocoCategory]
    annotations: list[Any]


def find_files(files: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """The JSON files that hold boxes, of (name, path) of all files.

    COCO keeps captions and keypoints beside its instances, so where a name says `instances` or ends like
    Roboflow's `_annotations.coco.json`, only such files count.
    """
    found = [(name, path) for name, path in files if path.suffix.lower() == ".json"]
    plain = [item for item in found if not re.match(r"captions_|person_keypoints_|image_info_", item[1].name)]
    telling = [
        item for item in plain if re.match(r"instances?[_.]|_annotations\.coco\.json$", item[1].name.lower())
    ]
    return telling or plain


def is_foreign(document: object) -> bool:
    """JSON of some other purpose: it has none of COCO's keys."""
    return not isinstance(document, dict) or not any(key in document for key in KEYS)


def load_json(file_name: str, path: Path) -> Any:
    """What a JSON file holds; raises SourceError with line and column where it holds none."""
    data, unreadable = read_file(path)
    if unreadable:
        raise SourceError(f"{file_name} {unreadable}.")
    try:
        return json.loads(data.decode(json.detect_encoding(data)))
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{file_name}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}."
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{file_name}, line {line}: not UTF-8 text; save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file_name}: cannot be read as JSON: {error}.") from error


def read_document(file_name: str, document: Any) -> CocoFile:
    """Images and categories, checked.

    Raises:
        SourceError: a key is missing, or an id or name is missing, of a wrong kind, or given twice.
    """
    if not isinstance(document, dict):
        raise SourceError(
            f"{file_name}: holds {name_kind(document)}; COCO is an object with {', '.join(KEYS)}."
        )
    missing = [key for key in KEYS if key not in document]
    if missing:
        raise SourceError(
            f"{file_name}: the key {', '.join(map(repr, missing))} is missing; COCO needs {', '.join(KEYS)}, "
            f"and the file has {abridge([str(key) for key in document], 8) or 'none'}."
        )
    for key in KEYS:
        if not isinstance(document[key], list):
            raise SourceError(f"{file_name}: {key} is {name_kind(document[key])}; it must be a list.")
    images = {
        key: CocoImage(place, name, read_size(entry), read_group(entry))
        for key, name, place, entry in read_entries(file_name, "images", "file_name", document)
    }
    categories = {
        key: CocoCategory(place, name, str(entry.get("supercategory") or ""))
        for key, name, place, entry in read_entries(file_name, "categories", "name", document)
    }
    return CocoFile(file_name, images, categories, document["annotations"])


def read_entries(
    file_name: str, key: str, name_key: str, document: dict[str, Any]
) -> list[tuple[Id, str, str, dict[str, Any]]]:
    """(id, name, place, entry) of the entries of a list; raises SourceError.

    Ids and names are unique, but that of a category may be that of the one which heads it.
    """
    found = []
    by_id: dict[Any, str] = {}
    by_name: dict[Any, str] = {}
    first: dict[str, dict[str, Any]] = {}  # entry of each name
    for number, entry in enumerate(document[key]):
        place = f"{key}[{number}]"
        if not isinstance(entry, dict):
            raise SourceError(f"{file_name}, {place}: is {name_kind(entry)}; it must be an object.")
        identity: Any = entry.get("id")
        name: Any = entry.get(name_key)
        if not is_id(identity):
            raise SourceError(f"{file_name}, {place}: id is {name_kind(identity)}; give a number of its own.")
        if not isinstance(name, str) or not name.strip():
            raise SourceError(f"{file_name}, {place}: {name_key} is {name_kind(name)}; give a name.")
        name = spell(name.strip())
        first.setdefault(name, entry)
        for value, seen, what in ((identity, by_id, "id"), (name, by_name, name_key)):
            other = seen.setdefault(value, place)
            if other != place and not (what == "name" and is_namesake_head(name, first[name], entry)):
                raise SourceError(
                    f"{file_name}, {place}: {what} {value!r} is that of {other} as well; each needs its own."
                )
        found.append((identity, name, place, entry))
    return found


def is_namesake_head(name: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether one of two categories of a name heads the other, as Roboflow's project does its class."""
    return (one.get("supercategory") == name) != (other.get("supercategory") == name)


def read_size(entry: dict[str, Any]) -> tuple[int, int] | None:
    """(height, width) in pixels, or None where they are missing or cannot be."""
    height, width = entry.get("height"), entry.get("width")
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int | float) or not 1 <= side <= MAX_SIDE_PX:
            return None
        if side != int(side):
            return None
    return int(height), int(width)  # type: ignore[arg-type]


def read_group(entry: dict[str, Any]) -> str | None:
    """The key `group` as text, or None."""
    group = entry.get("group")
    return spell(str(group)) if isinstance(group, str | int | float) and str(group) else None


def demand_references(file: CocoFile) -> None:
    """Raise SourceError where ids are wrong throughout: nothing could be used, or all be mislabelled."""
    entries = [entry for entry in file.annotations if isinstance(entry, dict)]
    for key, known in (("image_id", file.images), ("category_id", file.categories)):
        used = {find_id(entry.get(key), known) for entry in entries if is_id(entry.get(key))}
        if entries and used.isdisjoint(known):
            raise SourceError(
                f"{file.file_name}: none of the {len(entries)} annotations has a {key} that {key[:-3]} ids "
                f"know; in annotations[0] it {describe_unknown(entries[0].get(key), known)}."
            )
        numbers = sorted(one for one in known if not isinstance(one, str))
        for step in (-1, 1) if key == "category_id" and len(numbers) == len(known) > 1 else ():
            if used == {one + step for one in numbers}:
                raise SourceError(
                    f"{file.file_name}: category ids are {numbers[0]} to {numbers[-1]} in categories, but "
                    f"{numbers[0] + step} to {numbers[-1] + step} in annotations: a 0-based / 1-based mix in "
                    "which every label would be its neighbour's; renumber one of them."
                )


def describe_unknown(value: Any, known: Iterable[Id]) -> str:
    """What is wrong with an id that is none of `known`, and what may be the reason."""
    ids = list(known)
    said = f"is {name_kind(value)}, and no such id is known"
    numbers = [one for one in ids if not isinstance(one, str)]
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        low, high = min(numbers), max(numbers)
        beside = value in (low - 1, high + 1)
        hint = "; a 0-based / 1-based mix? Then others are their neighbour's" if beside else ""
        return f"{said} (they run from {low} to {high}{hint})"
    if isinstance(value, str) and numbers:
        return f"{said} (they are numbers, this is text)"
    return f"{said} (such as {abridge([repr(one) for one in ids], 3)})" if ids else said


def find_id(value: Any, known: Container[Id]) -> Any:
    """The id that a reference means: the number where it is the text of one, as VIA exports image_id."""
    if isinstance(value, str) and value not in known and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value) if int(value) in known else value
    return value


def is_id(value: object) -> bool:
    """A number without fraction, or text."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int | str) or (isinstance(value, float) and value.is_integer())


def name_kind(value: object) -> str:
    """What a person calls a JSON value."""
    if value is None:
        return "missing"
    kinds = {dict: "an object", list: "a list", str: f"the text {value!r}", bool: "a truth value"}
    text = kinds.get(type(value), f"the number {value!r}")
    return text if len(text) < 80 else f"{text[:77]}..."


def split_by_name(file_name: str) -> str | None:
    """The split that a path speaks of: a word of the file's own name, else the outermost such folder."""
    path = PurePosixPath(file_name)
    return find_split_word(path.stem) or find_split_in(path.parent.parts)
