"""params.yaml as DVC reads it (YAML 1.2 by ruamel), with the line of every key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from glasshouse.params.aliases import demand_bounded
from glasshouse.params.conflicts import find_conflict, say_conflict
from glasshouse.params.faults import Fault, ParamsError

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The file's values, the line (from 1) of each dotted key, and the keys that stand there twice."""

    values: dict[str, Any]
    lines: dict[str, int]
    duplicates: tuple[Fault, ...]

    def line(self, location: Location) -> int | None:
        """Line of `location`, or of the nearest block around it."""
        while location and dotted(location) not in self.lines:
            location = location[:-1]
        return self.lines.get(dotted(location))


def dotted(location: Location) -> str:
    """`location` as a dotted key."""
    return ".".join(map(str, location))


def read_document(path: Path) -> Document:
    """Parse `path`; raises ParamsError where there is no mapping to look at."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise _whole(path, f"cannot be read ({error.strerror}). Run in the project's folder.") from error
    except UnicodeDecodeError as error:
        raise _whole(path, f"is not UTF-8 text (byte {error.start}).") from error
    return parse_document(text, path)


def parse_document(text: str, path: Path) -> Document:
    """Parse what stands, or is to stand, in `path`; raises ParamsError as `read_document` does."""
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True  # found below, all of them, with both lines
    try:
        node = yaml.compose(text)
        values = yaml.load(text)
        demand_bounded(values)
    except (YAMLError, ValueError, RecursionError) as error:
        line = find_conflict(text)
        fault = Fault(line, "", say_conflict(path.name)) if line else _syntax(error)
        raise ParamsError(path, [fault]) from error
    if values is None:
        raise _whole(path, "is empty: a block of keys is demanded.")
    if not isinstance(values, dict):
        raise _whole(
            path,
            f"must be a block of keys at the top. Got a {type(values).__name__} instead.",
        )
    walk = _Walk()
    walk.visit(node, ())
    return Document(values, walk.lines, tuple(walk.duplicates))


def _whole(path: Path, message: str) -> ParamsError:
    return ParamsError(path, [Fault(None, "", f"the file {message}")])


def _syntax(error: Exception) -> Fault:
    if not isinstance(error, MarkedYAMLError):
        return Fault(None, "", f"no valid YAML: {str(error).splitlines()[0]}")
    mark = error.problem_mark or error.context_mark
    problem = (error.problem or error.context or "no valid YAML").strip()
    if "'\\t'" in problem:
        problem += " (YAML wants spaces, not tabs)"
    return Fault(mark.line + 1 if mark else None, "", f"no valid YAML: {problem}")


class _Walk:
    """Collects the lines of all keys and list items, and the keys that stand twice in one block."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.duplicates: list[Fault] = []
        self._around: set[int] = set()  # an alias may point at a block around it

    def visit(self, node: Node, location: Location) -> None:
        if id(node) in self._around:
            return
        self._around.add(id(node))
        if isinstance(node, MappingNode):
            self._visit_mapping(node, location)
        elif isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                self.lines[dotted((*location, index))] = item.start_mark.line + 1
                self.visit(item, (*location, index))
        self._around.discard(id(node))

    def _visit_mapping(self, node: MappingNode, location: Location) -> None:
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                message = f"stands twice (first in line {seen[name]}): remove one."
                self.duplicates.append(Fault(line, dotted((*location, name)), message))
            seen.setdefault(name, line)
            self.lines[dotted((*location, name))] = line
            self.visit(value, (*location, name))
