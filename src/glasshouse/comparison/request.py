"""What a person asks to be compared: on the command line, in a small YAML file, or both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from glasshouse.params.aliases import demand_bounded
from glasshouse.params.faults import show, suggest

FILE_KEYS = ("backbones", "seeds", "set", "parallel")
MOST_SEEDS = 100


class RequestError(ValueError):
    """All faults of a request, each a sentence."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(dict.fromkeys(faults))
        count = f"{len(self.faults)} fault{'s' if len(self.faults) > 1 else ''}"
        super().__init__("\n  ".join([f"the comparison has {count}, and nothing was run:", *self.faults]))


@dataclass(frozen=True, slots=True)
class Asked:
    """One backbone as it was asked for; `options`: further keys of params.yaml's `model.backbone`."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{key}={value}" for key, value in self.options.items())])


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare.

    Args:
        name: of the comparison, as MLflow shows it.
        backbones: at least one.
        seeds: how many trainings of each.
        changes: dotted keys of params.yaml -> value, for all of them.
        parallel: trainings side by side.
    """

    name: str
    backbones: tuple[Asked, ...]
    seeds: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)
    parallel: int = 1


def read_request(
    *,
    backbones: str | None,
    seeds: int | None,
    changes: Sequence[str],
    parallel: int | None,
    file: Path | None,
) -> Request:
    """The request of a command line; where `file` says something else, the command line goes first.

    Args:
        backbones: names joined by commas, each with options behind colons: `mobilenet_v2:alpha=0.35,lenet5`.
        seeds, parallel: None where they were not given.
        changes: texts `key=value`, values in YAML.
        file: YAML with some of the keys backbones, seeds, set, parallel.

    Raises:
        RequestError: everything that is wrong with it.
    """
    faults: list[str] = []
    document = _read_file(file, faults) if file is not None else {}
    listed: list[Any] = backbones.split(",") if backbones is not None else _as_list(document.get("backbones"))
    asked = tuple(filter(None, (_parse_backbone(entry, faults) for entry in listed)))
    if not listed:
        faults.append("no backbone is named: --backbones a,b or `backbones: [a, b]` in the file.")
    wanted = dict(_parse_block(document.get("set"), faults))
    wanted |= {key: value for text in changes for key, value in _parse_change(text, faults)}
    given = {"seeds": seeds, "parallel": parallel}
    counts = {
        key: _check_count(key, document.get(key, 1) if value is None else value, faults)
        for key, value in given.items()
    }
    if faults:
        raise RequestError(faults)
    name = file.stem if file is not None else "compare"
    return Request(name, asked, counts["seeds"], wanted, counts["parallel"])


def parse_value(text: str) -> Any:
    """A value as YAML 1.2 reads it: 3 is a number, true a truth value, [1, 2] a list, a-b text."""
    return YAML(typ="safe", pure=True).load(text)


def _read_file(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        demand_bounded(document)
    except OSError as error:
        faults.append(f"{path}: cannot be read ({error.strerror}).")
        return {}
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        faults.append(f"{path}: no valid YAML: {' '.join(str(error).split())}")
        return {}
    if not isinstance(document, dict):
        faults.append(
            f"{path}: must be a block of keys ({', '.join(FILE_KEYS)}). Got {show(document)} instead."
        )
        return {}
    for key in document:
        if key not in FILE_KEYS:
            faults.append(f"{path}: unknown key {key!r}. {suggest(str(key), FILE_KEYS)}")
    return document


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _parse_backbone(entry: Any, faults: list[str]) -> Asked | None:
    """`name`, `name:key=value:...`, or a block of keys with a name."""
    if isinstance(entry, Mapping):
        options = {str(key): value for key, value in entry.items() if key != "name"}
        name = entry.get("name")
    else:
        name, *texts = str(entry).strip().split(":")
        options = {key: value for text in texts for key, value in _parse_change(text, faults)}
    if not isinstance(name, str) or not name:
        faults.append(
            f"a backbone must be a name, or a block of keys with a name. Got {show(entry)} instead."
        )
        return None
    return Asked(name, options)


def _parse_change(text: str, faults: list[str]) -> list[tuple[str, Any]]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        faults.append(f"{text!r} must be key=value.")
        return []
    try:
        return [(key.strip(), parse_value(value))]
    except (YAMLError, ValueError) as error:
        faults.append(f"{text!r}: the value is no valid YAML: {' '.join(str(error).split())}")
        return []


def _parse_block(block: Any, faults: list[str]) -> Iterable[tuple[str, Any]]:
    if block is None:
        return ()
    if not isinstance(block, dict):
        faults.append(f"`set` must be a block of dotted keys of params.yaml. Got {show(block)} instead.")
        return ()
    return ((str(key), value) for key, value in block.items())


def _check_count(key: str, value: Any, faults: list[str]) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SEEDS:
        return value
    faults.append(f"{key} must be a whole number from 1 to {MOST_SEEDS}. Got {show(value)} instead.")
    return 1
