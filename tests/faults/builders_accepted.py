"""Sets of which a version was accepted before: where its pictures lay stands in data/accepted_split.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from .builders import GIVEN, VICTIM, draw, make_scenes, write_class_folders, write_text

SHARES = {"test": 0.1, "valid": 0.15}
OTHER = 29  # number of the picture that tests, and has a near copy


def write_accepted(folder: Path, shares: Mapping[str, float] = SHARES) -> None:
    """A sound set, and the splits GIVEN as accepted."""
    write_class_folders(folder)
    splits = {}
    for scene in make_scenes():
        digest = sha256((folder / scene.label / scene.name).read_bytes()).hexdigest()
        splits[digest[:16]] = GIVEN[scene.number - 1]
    document = {"version": 1, "data": "of before", **shares, "splits": splits}
    write_text(folder.parent / "data/accepted_split.json", json.dumps({"accepted": document}))


def write_other_shares(folder: Path) -> None:
    write_accepted(folder, {"test": 0.2, "valid": 0.15})


def write_copy(folder: Path) -> Path:
    """A near copy of the picture OTHER, which tests."""
    scene = make_scenes()[OTHER - 1]
    path = folder / scene.label / "copy.jpg"
    draw(scene).save(path, quality=60)
    return path


def write_tie(folder: Path) -> None:
    """The copy is in a group with the victim, which trains."""
    write_accepted(folder)
    victim = make_scenes()[VICTIM - 1]
    names = [f"{victim.label}/{victim.name}", write_copy(folder).relative_to(folder).as_posix()]
    write_text(folder / "groups.csv", "\n".join(["file_name,group", *(f"{name},day" for name in names), ""]))


def write_copy_of_tested(folder: Path) -> None:
    write_accepted(folder)
    write_copy(folder)


def write_torn(folder: Path) -> None:
    """Two accepted pictures of different splits belong together, as is said only now."""
    write_accepted(folder)
    scenes = [make_scenes()[number - 1] for number in (VICTIM, OTHER)]
    rows = [f"{scene.label}/{scene.name},day" for scene in scenes]
    write_text(folder / "groups.csv", "\n".join(["file_name,group", *rows, ""]))
