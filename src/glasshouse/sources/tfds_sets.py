"""Sets of TensorFlow Datasets by name: found on disk, or downloaded and prepared there."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.params.faults import suggest
from glasshouse.sources.example import SourceError
from glasshouse.sources.network import find_reachable

NETWORK_S = 6.0  # to find out that there is no network; TFDS itself takes minutes
NAME = re.compile(r"(?P<name>[A-Za-z]\w*)(/(?P<config>[^:]+))?(:(?P<version>[0-9.*]+))?")
VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A set as params.yaml names it; config and version are None where it leaves them open."""

    name: str
    config: str | None
    version: str | None

    def __str__(self) -> str:
        config = f"/{self.config}" if self.config else ""
        return f"{self.name}{config}:{self.version}" if self.version else f"{self.name}{config}"


def open_builder(name: str, data_dir: str) -> Any:
    """TFDS's builder of a prepared set, which is downloaded and prepared first where it is not there.

    A prepared set is opened from its files, so neither its code nor TensorFlow is loaded. The version is the
    one that `name` asks for (highest on disk for `3.*.*`), else the one that the installed TFDS stands for,
    else, for a set that TFDS has no code of, the highest on disk.

    What TFDS has downloaded in full it takes again after a failure or a kill; the prepared set appears in its
    folder in one move.

    Args:
        name: name, name/config, name:version or name/config:version.
        data_dir: the folder of prepared sets; `default` for TFDS's own ($TFDS_DATA_DIR,
            ~/tensorflow_datasets).

    Raises:
        SourceError: unknown name, config or version; not prepared and no network (within seconds, saying
            where it was looked for and how to fill it by hand); or whatever TFDS could not do.
    """
    wanted, root = parse_name(name), find_root(data_dir)
    builder_class = find_class(wanted, root)
    wanted = complete(wanted, builder_class, root)
    folder = find_folder(wanted, root)
    if is_prepared(folder):
        return open_prepared(wanted, root)
    if builder_class is None:
        raise SourceError(_say_unknown(wanted, root))
    demand_preparable(wanted, builder_class, folder)
    demand_network(wanted, builder_class, root)
    return prepare(wanted, root)


def parse_name(name: str) -> Wanted:
    """name[/config][:version]; raises SourceError for anything else."""
    match = NAME.fullmatch(name.strip())
    if match is None:
        raise SourceError(f"dataset.name must be name, name/config or name:version. Got {name!r} instead.")
    return Wanted(match["name"], match["config"], match["version"])


def find_root(data_dir: str) -> Path:
    """The folder of prepared sets."""
    if data_dir != "default":
        return Path(data_dir).expanduser()
    import tensorflow_datasets as tfds

    return Path(tfds.core.constants.DATA_DIR).expanduser()


def find_class(wanted: Wanted, root: Path) -> Any:
    """TFDS's code of a set; None where TFDS has none but there are files of the name."""
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_cls(wanted.name)
    except tfds.core.DatasetNotFoundError as error:
        if (root / wanted.name).is_dir():
            return None
        raise SourceError(_say_unknown(wanted, root)) from error


def _say_unknown(wanted: Wanted, root: Path) -> str:
    import tensorflow_datasets as tfds

    valid = set(tfds.list_builders(with_community_datasets=False))
    valid |= {
        folder.name
        for folder in root.glob("*")
        if list_versions(folder) or any(folder.glob("*/*/dataset_info.json"))
    }
    hint = suggest(wanted.name, valid).partition(" Valid: ")[0] if wanted.name not in valid else ""
    nearest = (
        hint if hint.startswith("Did you mean") else "https://www.tensorflow.org/datasets/catalog lists all."
    )
    return (
        f"dataset.name: TensorFlow Datasets {tfds.__version__} has no set {wanted}, and none is prepared in "
        f"{root / wanted.name}. {nearest}"
    )


def complete(wanted: Wanted, builder_class: Any, root: Path) -> Wanted:
    """The same with its config and its version in full, as far as code and files know them."""
    config = wanted.config or _default_config(wanted, builder_class, root)
    if wanted.config and builder_class is not None:
        _check_config(wanted, builder_class, root)
    known = Wanted(wanted.name, config, wanted.version)
    on_disk = list_versions(find_folder(Wanted(wanted.name, config, None), root))
    current = _current_version(known, builder_class)
    if wanted.version is None:
        version = current or (on_disk[-1] if on_disk else None)
    else:
        fitting = [version for version in (*on_disk, current) if version and _fits(version, wanted.version)]
        version = max(fitting, key=_count) if fitting else wanted.version
        if on_disk and version not in on_disk:  # what is there already serves a pattern as well
            version = next((found for found in reversed(on_disk) if found in fitting), version)
    return Wanted(wanted.name, config, version)


def _default_config(wanted: Wanted, builder_class: Any, root: Path) -> str | None:
    if builder_class is not None:
        return builder_class.default_builder_config.name if builder_class.BUILDER_CONFIGS else None
    from tensorflow_datasets.core.dataset_builder import load_default_config_name

    found: str | None = load_default_config_name(root / wanted.name)
    return found


def _check_config(wanted: Wanted, builder_class: Any, root: Path) -> None:
    names = {config.name for config in builder_class.BUILDER_CONFIGS}
    if wanted.config not in names and not (root / wanted.name / str(wanted.config)).is_dir():
        raise SourceError(
            f"dataset.name: {wanted.name} has no config {wanted.config!r}. "
            f"{suggest(str(wanted.config), names)}"
        )


def _current_version(wanted: Wanted, builder_class: Any) -> str | None:
    """The version that the installed code prepares."""
    if builder_class is None:
        return None
    configs = [config for config in builder_class.BUILDER_CONFIGS if config.name == wanted.config]
    version = (configs[0].version if configs else None) or builder_class.VERSION
    return str(version) if version else None


def find_folder(wanted: Wanted, root: Path) -> Path:
    """root/name[/config][/version]."""
    return root.joinpath(*(part for part in (wanted.name, wanted.config, wanted.version) if part))


def list_versions(folder: Path) -> list[str]:
    """Versions prepared below a folder, rising."""
    if not folder.is_dir():
        return []
    found = [place.name for place in folder.iterdir() if VERSION.fullmatch(place.name) and is_prepared(place)]
    return sorted(found, key=_count)


def is_prepared(folder: Path) -> bool:
    """Whether a set lies there whole: TFDS moves it there in one piece, with these two in it."""
    return (folder / "dataset_info.json").is_file() and (folder / "features.json").is_file()


def open_prepared(wanted: Wanted, root: Path) -> Any:
    """The builder of a set from its files alone."""
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(str(wanted), data_dir=root)
    except Exception as error:  # damaged JSON, an unknown feature: TFDS raises nearly anything
        raise SourceError(
            f"dataset.name: {wanted} in {find_folder(wanted, root)} cannot be opened: {_say(error)}. "
            "Delete that folder and prepare the set again."
        ) from error


def demand_preparable(wanted: Wanted, builder_class: Any, folder: Path) -> None:
    """Refuse a version that the installed TFDS cannot make, and a folder that is there but not whole."""
    current = _current_version(wanted, builder_class)
    if wanted.version != current:
        there = ", ".join(list_versions(folder.parent)) or "none"
        raise SourceError(
            f"dataset.name: {wanted} is not prepared in {folder.parent} (there: {there}), and the installed "
            f"TensorFlow Datasets makes version {current} only. Copy the prepared folder to {folder}, or ask "
            f"for {current}."
        )
    if folder.exists():
        raise SourceError(
            f"dataset.name: {folder} is not a whole set (dataset_info.json or features.json is missing). "
            "Delete it, or copy the whole folder there."
        )


def demand_network(wanted: Wanted, builder_class: Any, root: Path) -> None:
    """Find out within NETWORK_S that none of the set's servers answers; TFDS would hang for minutes.

    Not asked for a set that is drawn, nor for one whose files have been downloaded by hand.
    """
    urls = sorted(builder_class.url_infos or {})
    by_hand = root / "downloads" / "manual"
    if not urls or (builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS and any(by_hand.glob("*"))):
        return
    reachable, silent = find_reachable(urls, NETWORK_S)
    if reachable is None:
        instructions = " ".join((builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS or "").split())
        by_hand_too = f" TFDS also wants files in {by_hand}: {instructions}" if instructions else ""
        raise SourceError(say_offline(wanted, root, silent) + by_hand_too)


def say_offline(wanted: Wanted, root: Path, silent: dict[str, str]) -> str:
    """What is missing, where it was looked for, and how to bring it there by hand."""
    folder = find_folder(wanted, root)
    there = list_versions(folder.parent)
    servers = "; ".join(f"{server}: {why}" for server, why in silent.items())
    offer = f" Prepared there are {', '.join(there)}: dataset.name may ask for one." if there else ""
    code = f"import tensorflow_datasets as t; t.builder('{wanted}', data_dir='DIR').download_and_prepare()"
    return (
        f"dataset.name: {wanted} is not prepared, and there is no network to download it ({servers}). "
        f"Looked for in {folder}.{offer} To fill it by hand: on a machine with a network run "
        f'python -c "{code}" and copy DIR/{folder.relative_to(root)} to {folder}; '
        "or set dataset.data_dir to a folder that has it."
    )


def prepare(wanted: Wanted, root: Path) -> Any:
    """Download and prepare a set, with TFDS's own progress bars; returns its builder."""
    import tensorflow_datasets as tfds

    folder = find_folder(wanted, root)
    left = sorted(place.name for place in folder.parent.glob(f"incomplete.*_{folder.name}"))
    if left:
        print(
            f"{folder.parent}: left by a preparation that was killed, or still under way: {', '.join(left)}. "
            "Delete what no process works on.",
            file=sys.stderr,
        )
    print(f"{wanted}: preparing it in {folder}.", file=sys.stderr)
    try:
        builder = tfds.builder(str(wanted), data_dir=root)
        builder.download_and_prepare()
    except Exception as error:  # no server, no disk, missing packages, manual downloads: TFDS raises anything
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SourceError(
            f"dataset.name: TensorFlow Datasets could not prepare {wanted} in {folder}: {_say(error)}. "
            "What was downloaded in full is kept; `dvc repro` goes on from there."
        ) from error
    return builder


def _say(error: Exception) -> str:
    """An error on one line, with its kind: TFDS's messages run over many."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:1000].rstrip('.')}"


def _count(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _fits(version: str, pattern: str) -> bool:
    parts: Iterable[tuple[str, str]] = zip(version.split("."), pattern.split("."), strict=False)
    return pattern.count(".") == 2 and all(wish in ("*", part) for part, wish in parts)
