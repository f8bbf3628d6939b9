"""Writes what the stages import into `deps` of dvc.yaml, and the keys that they declare into `params`.

python tools/write_deps.py            after a change of imports, of STAGE_KEYS, or of files that are read
python tools/write_deps.py --check    says what is missing or superfluous, exits 1
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from import_graph import VARIABLE, ImportFault, gather, stage_files
from ruamel.yaml import YAML

from glasshouse.params import STAGE_KEYS

OURS = ("pipeline/", "src/")


@dataclass(frozen=True, slots=True)
class Difference:
    """What `kind` (deps, params) of a stage should hold and what it holds."""

    stage: str
    kind: str
    missing: tuple[str, ...]
    superfluous: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"dvc.yaml: stage {self.stage}: {self.kind}:"]
        lines += [f"    missing: {name}" for name in self.missing]
        lines += [f"    superfluous: {name}" for name in self.superfluous]
        return "\n".join(lines)


def compare(root: Path) -> list[Difference]:
    """Every difference between dvc.yaml and the code; empty where they agree."""
    differences = []
    for stage, block in _stages(_load(root / "dvc.yaml"), root):
        ours = {dep for dep in _listed(block, "deps") if dep.startswith(OURS)}
        for kind, wanted, listed in (
            ("deps", set(_own_deps(stage, root)), ours),
            ("params", set(STAGE_KEYS[stage]), set(_listed(block, "params"))),
        ):
            if wanted != listed:
                missing, superfluous = tuple(sorted(wanted - listed)), tuple(sorted(listed - wanted))
                differences.append(Difference(stage, kind, missing, superfluous))
    return differences


def rewrite(root: Path) -> bool:
    """Bring dvc.yaml up to date, leaving everything else in it as it stands; True where it changed."""
    path = root / "dvc.yaml"
    before = path.read_text(encoding="utf-8")
    document = _load(path)
    for stage, block in _stages(document, root):
        foreign = [dep for dep in _listed(block, "deps") if not dep.startswith(OURS)]
        ours = sorted(_own_deps(stage, root))
        _replace(block, "deps", [*foreign, *ours])
        _replace(block, "params", list(STAGE_KEYS[stage]))
    with path.open("w", encoding="utf-8") as file:
        _yaml().dump(document, file)
    return path.read_text(encoding="utf-8") != before


def missing_files(root: Path, params: dict[str, Any]) -> list[str]:
    """Own deps of any stage that are not there with the choices of `params`."""
    deps = {dep for _, block in _stages(_load(root / "dvc.yaml"), root) for dep in _listed(block, "deps")}
    resolved = {_resolve(dep, params) for dep in deps if dep.startswith(OURS)}
    return sorted(dep for dep in resolved if not (root / dep).exists())


def _own_deps(stage: str, root: Path) -> frozenset[str]:
    return gather(stage_files(root / "pipeline" / f"{stage}.py", root), root)


def _resolve(dep: str, params: dict[str, Any]) -> str:
    def look_up(match: re.Match[str]) -> str:
        value: Any = params
        for name in match[0][2:-1].strip().split("."):
            value = value[name]
        return str(value)

    return VARIABLE.sub(look_up, dep)


def _stages(document: dict[str, Any], root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    stages = document["stages"]
    if odd := sorted(set(stages) ^ set(STAGE_KEYS)):
        raise ImportFault(
            f"{root / 'dvc.yaml'} and STAGE_KEYS do not have the same stages: {', '.join(odd)}."
        )
    yield from stages.items()


def _listed(block: dict[str, Any], kind: str) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in block.get(kind, [])]


def _replace(block: dict[str, Any], kind: str, entries: list[str]) -> None:
    if kind in block:
        block[kind][:] = entries
    else:
        block[kind] = entries


def _load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = _yaml().load(path.read_text(encoding="utf-8"))
    return document


def _yaml() -> YAML:
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 1000
    yaml.preserve_quotes = True
    return yaml


def main(arguments: list[str] | None = None, root: Path = Path()) -> int:
    """Entry point; the exit status is 1 where --check finds a difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args(arguments).check:
        print("dvc.yaml rewritten" if rewrite(root.absolute()) else "dvc.yaml is up to date")
        return 0
    differences = compare(root.absolute())
    if differences:
        print("\n".join(map(str, differences)), "\nRun `make deps`.", file=sys.stderr)
    return int(bool(differences))


if __name__ == "__main__":
    sys.exit(main())
