"""What dvc.yaml declares and what dvc.lock holds, and where the two and the files on disk part."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glasshouse.journal.digests import Digests
from glasshouse.params.aliases import demand_bounded
from glasshouse.params.conflicts import find_conflict, say_conflict

PARAMS = "params.yaml"


@dataclass(frozen=True, slots=True)
class Declared:
    """One stage of dvc.yaml: paths relative to the root, `params` are dotted keys of params.yaml."""

    name: str
    command: Any
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of dvc.yaml in its order, and the text of them that counts (no comments, no plots)."""

    stages: dict[str, Declared]
    document: dict[str, Any]

    @property
    def sources(self) -> list[str]:
        """Dependencies that no stage makes: code, weights, source pictures."""
        outs = [out for stage in self.stages.values() for out in stage.outs]
        deps = {dep for stage in self.stages.values() for dep in stage.deps}
        return sorted(dep for dep in deps if not any(_covers(out, dep) for out in outs))

    def owner(self, path: str) -> str | None:
        """Name of the stage that writes `path`."""
        for stage in self.stages.values():
            if any(_covers(out, path) for out in stage.outs):
                return stage.name
        return None


@dataclass(frozen=True, slots=True)
class Locked:
    """One stage of dvc.lock: path -> digest, dotted key -> value."""

    command: Any = None
    deps: dict[str, str] = field(default_factory=dict)
    outs: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML 1.2 mapping as DVC reads it; raises ValueError naming the file where it is no mapping."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}): save it as such.") from error
    try:
        # libyaml where it is there, as DVC: a lock of two thousand lines takes 0.2 s in pure Python.
        values = YAML(typ="safe").load(text)
        demand_bounded(values)
    except (YAMLError, ValueError) as error:
        if line := find_conflict(text):
            raise ValueError(f"{path}, line {line}: {say_conflict(path.name)}") from error
        raise ValueError(f"{path} is no valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} must be a block of keys at the top. Got {type(values).__name__} instead.")
    return values


def read_pipeline(root: Path, params: Mapping[str, Any]) -> Pipeline:
    """dvc.yaml, `${dotted.key}` in its paths filled from `params`; raises ValueError where there is none."""
    path = root / "dvc.yaml"
    if not path.is_file():
        raise ValueError(f"{path} is missing: run in the project's folder.")
    document = read_yaml(path).get("stages")
    if not isinstance(document, dict) or not document:
        raise ValueError(f"{path} declares no stages.")
    return Pipeline({name: _declared(name, block, params) for name, block in document.items()}, document)


def read_lock(root: Path) -> dict[str, Locked]:
    """The stages of dvc.lock; empty where nothing was ever locked."""
    path = root / "dvc.lock"
    if not path.is_file():
        return {}
    return {name: _locked(block) for name, block in read_yaml(path).get("stages", {}).items()}


def look_up(params: Mapping[str, Any], key: str) -> Any:
    """Value at a dotted key, None where there is none."""
    value: Any = params
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def find_stale(
    pipeline: Pipeline, lock: Mapping[str, Locked], params: Mapping[str, Any], digests: Digests
) -> dict[str, str]:
    """Stage -> why dvc.lock does not speak for the present files; a stage after a stale one is stale too."""
    stale: dict[str, str] = {}
    made = {out: name for name, stage in pipeline.stages.items() for out in stage.outs}
    for stage in _in_flow_order(pipeline, made):
        reason = next(_differences(stage, lock, params, digests, made, stale), None)
        if reason is not None:
            stale[stage.name] = reason
    return stale


def find_changed_out(stage: str, lock: Mapping[str, Locked], digests: Digests) -> str | None:
    """The first output of `stage` that is not on disk as dvc.lock has it; None where all are."""
    for path, locked in lock[stage].outs.items():
        if digests.digest(path) != locked:
            return path
    return None


def find_foreign_input(root: Path, name: str) -> str | None:
    """Why what stage `name` reads was not made by the present params, code and data, as after
    `dvc repro --single-item`; None where it was."""
    params = read_yaml(root / PARAMS)
    pipeline, lock, digests = read_pipeline(root, params), read_lock(root), Digests(root)
    stale = find_stale(pipeline, lock, params, digests)
    makers = dict.fromkeys(pipeline.owner(dep) for dep in pipeline.stages[name].deps)
    reasons = (_say_foreign(maker, lock, stale, digests) for maker in makers if maker is not None)
    reason = next((told for told in reasons if told is not None), None)
    digests.save()
    return reason


def _say_foreign(
    maker: str, lock: Mapping[str, Locked], stale: Mapping[str, str], digests: Digests
) -> str | None:
    if maker in stale:
        return f"{maker} is not up to date ({stale[maker]})"
    path = find_changed_out(maker, lock, digests)
    return f"{path} is not as {maker} wrote it" if path else None


def _differences(
    stage: Declared,
    lock: Mapping[str, Locked],
    params: Mapping[str, Any],
    digests: Digests,
    made: Mapping[str, str],
    stale: Mapping[str, str],
) -> Iterator[str]:
    locked = lock.get(stage.name)
    if locked is None:
        yield "has not been run"
        return
    if "${" not in str(stage.command) and stage.command != locked.command:
        yield "its command in dvc.yaml changed since it ran"
    for key in stage.params:
        if look_up(params, key) != locked.params.get(key):
            yield f"{PARAMS} {key} changed since it ran"
    for dep in stage.deps:
        maker = _maker(dep, made)
        if maker in stale:
            yield f"after {maker}"
        elif dep in made:  # the maker's own lock says what lies there: no need to read it again
            if lock[made[dep]].outs.get(dep) != locked.deps.get(dep):
                yield f"{dep} was made anew since it ran"
        elif digests.digest(dep) != locked.deps.get(dep):
            yield f"{dep} changed since it ran"


def _in_flow_order(pipeline: Pipeline, made: Mapping[str, str]) -> list[Declared]:
    """Stages so that each stands after those whose outputs it reads."""
    ordered: dict[str, Declared] = {}

    def visit(stage: Declared) -> None:
        if stage.name in ordered:
            return
        for dep in stage.deps:
            maker = _maker(dep, made)
            if maker is not None and maker != stage.name:
                visit(pipeline.stages[maker])
        ordered[stage.name] = stage

    for stage in pipeline.stages.values():
        visit(stage)
    return list(ordered.values())


def _maker(path: str, made: Mapping[str, str]) -> str | None:
    return next((name for out, name in made.items() if _covers(out, path)), None)


def _covers(out: str, path: str) -> bool:
    return path == out or path.startswith(f"{out}/")


def _declared(name: str, block: Mapping[str, Any], params: Mapping[str, Any]) -> Declared:
    outs = [path for kind in ("outs", "metrics", "plots") for path in _paths(block.get(kind), params)]
    keys = [key for entry in block.get("params") or [] for key in _keys(entry)]
    return Declared(
        name,
        block.get("cmd"),
        tuple(_paths(block.get("deps"), params)),
        tuple(keys),
        tuple(dict.fromkeys(outs)),
    )


def _keys(entry: Any) -> list[str]:
    """An entry is a key of params.yaml, or a block of a file and its keys."""
    return [entry] if isinstance(entry, str) else list(entry.get(PARAMS) or [])


def _paths(entries: Any, params: Mapping[str, Any]) -> Iterator[str]:
    """Entries are paths, or one-key blocks of a path and its options."""
    for entry in entries or []:
        path = entry if isinstance(entry, str) else next(iter(entry))
        filled = re.sub(r"\$\{([\w.]+)\}", lambda match: str(look_up(params, match[1])), path)
        yield filled.rstrip("/")


def _locked(block: Mapping[str, Any]) -> Locked:
    def digests(kind: str) -> dict[str, str]:
        return {entry["path"]: entry.get("md5", "") for entry in block.get(kind, [])}

    return Locked(
        block.get("cmd"), digests("deps"), digests("outs"), dict(block.get("params", {}).get(PARAMS, {}))
    )
