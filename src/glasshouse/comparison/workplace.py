"""An entry's working copy: the project's files with a params.yaml of its own, on the project's own DVC cache.

The copies lie below `.glasshouse/compare/`, which neither git nor DVC looks at. Their data, models, journals
and checkpoints stay from one comparison to the next, so that what was cut off goes on.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from glasshouse.comparison.plan import PARAMS, Entry, change_document

FOLDER = Path(".glasshouse", "compare")
NOTES = Path(".glasshouse", "copied.json")  # what came from the project, to be taken away with it
LOCK = "dvc.lock"
# A copy shares its files with the cache where the disk can: ten copies must not hold the data ten times.
LINKS = "reflink,hardlink,symlink,copy"


class WorkplaceError(RuntimeError):
    """The project cannot be copied; the message says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """What of a project its copies are made of.

    Args:
        root: the project's folder.
        files: relative to it, in order.
        cache: DVC's cache.
    """

    root: Path
    files: tuple[str, ...]
    cache: Path


def look_at(root: Path) -> Source:
    """List what git tracks, or would, and find DVC's cache; raises WorkplaceError."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = _ask(root, words, "the files of a comparison are those that git knows, or would")
    cache = _ask(root, [sys.executable, "-m", "dvc", "cache", "dir"], "DVC must know its cache")
    names = sorted({name for name in listed.split("\0") if name and (root / name).is_file()})
    return Source(root.resolve(), tuple(names), Path(root.resolve(), cache.strip().splitlines()[-1]))


def prepare(source: Source, entry: Entry) -> Path:
    """Make the working copy of an entry, or bring it up to the project's files; returns its folder.

    Files that the project has no more vanish; what a pipeline made in the copy stays.
    """
    folder = source.root / FOLDER / entry.folder
    links, text = reach_data(source.root, entry)
    files = [name for name in source.files if name not in (LOCK, PARAMS) and not _is_below(name, links)]
    _take_away(folder, files, links)
    for name in files:
        _bring(source.root / name, folder / name)
    for name, target in links.items():
        _link(folder / name, target)
    _write(folder / PARAMS, text)
    if (source.root / LOCK).is_file() and not (folder / LOCK).exists():
        shutil.copy2(source.root / LOCK, folder / LOCK)
    # no_scm: the copy lies where git ignores everything, and DVC refuses to work on what git ignores.
    cache = _quote(str(source.cache))
    config = f'[core]\n    no_scm = true\n[cache]\n    dir = {cache}\n    type = "{LINKS}"\n'
    _write(folder / ".dvc" / "config.local", config)
    _write(folder / NOTES, json.dumps({"files": files, "links": list(links)}))
    return folder


def reach_data(root: Path, entry: Entry) -> tuple[dict[str, Path], str]:
    """How a copy reaches what params.yaml names by a relative path and git need not know.

    Returns:
        Links to make in the copy (path -> target) for what lies in the project, and the text of params.yaml,
        in which what lies outside of it is named by its absolute path.
    """
    links: dict[str, Path] = {}
    changes: dict[str, Any] = {}
    for key, name in _named_paths(entry).items():
        place = Path(os.path.normpath(root / name))
        if Path(name).is_absolute() or not place.exists():
            continue
        if place.is_relative_to(root):
            links[place.relative_to(root).as_posix()] = place
        else:
            changes[key] = str(place)
    return links, change_document(entry.text, changes) if changes else entry.text


def make_environment(folder: Path, store_uri: str, live: bool) -> dict[str, str]:
    """For what runs in the copy: its own sources first, the project's MLflow, no other repository."""
    foreign = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "DVC_ROOT")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    paths = [str(folder / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(paths),
        "MLFLOW_TRACKING_URI": store_uri,
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # several may share one GPU
        **({} if live else {"GLASSHOUSE_LIVE": "0"}),
    }


def _named_paths(entry: Entry) -> dict[str, str]:
    """Keys of params.yaml whose values are paths that a stage reads."""
    dataset, weights = entry.params.dataset, entry.params.model.backbone.weights
    named = {}
    if dataset.source == "folder":
        named["dataset.path"] = dataset.path
    if dataset.source == "tfds" and dataset.data_dir != "default":
        named["dataset.data_dir"] = dataset.data_dir
    if weights.endswith(".h5"):
        named["model.backbone.weights"] = weights
    return named


def _quote(value: str) -> str:
    """As DVC's configuration takes it: what follows a # or a comma would get lost."""
    mark = "'" if '"' in value else '"'
    return f"{mark}{value}{mark}"


def _ask(root: Path, words: list[str], need: str) -> str:
    try:
        # Names of files may be no UTF-8: they come back as they are in what git prints.
        answer = subprocess.run(
            words, cwd=root, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False
        )
    except FileNotFoundError as error:
        raise WorkplaceError(f"{words[0]} is not installed: {need}.") from error
    if answer.returncode:
        said = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WorkplaceError(f"{need}, but `{' '.join(words[:4])}` failed: {said}")
    return answer.stdout


def _is_below(name: str, links: Mapping[str, Path]) -> bool:
    return any(PurePosixPath(name).is_relative_to(link) for link in links)


def _take_away(folder: Path, files: Iterable[str], links: Mapping[str, Path]) -> None:
    """What an earlier copying brought and the project has no more.

    Links go first: nothing is ever written, or removed, through one.
    """
    notes = folder / NOTES
    known = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {"files": [], "links": []}
    for name in known["links"]:
        if (folder / name).is_symlink():
            (folder / name).unlink()
    for name in sorted(set(known["files"]) - set(files), reverse=True):
        (folder / name).unlink(missing_ok=True)
        for parent in (folder / name).parents:
            if parent == folder or not parent.is_dir() or any(parent.iterdir()):
                break
            parent.rmdir()
    for name in links:
        if (folder / name).exists():
            raise WorkplaceError(f"{folder / name} is in the way of a link to the project's own: remove it.")


def _bring(source: Path, target: Path) -> None:
    """Copy with times, where it differs: DVC reads nothing again whose time and size it knows."""
    if target.is_file() and filecmp.cmp(source, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    shutil.copy2(source, draft)
    draft.replace(target)


def _link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
