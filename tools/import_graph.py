"""Which files of the project a stage imports, directly or through others: what its `deps` have to name.

Imports are read from the source, nothing is executed. Two module-level tuples say what the source does not:

    DYNAMIC_IMPORTS = ("glasshouse.models.heads.${model.head.name}",)   # by importlib; () for none of ours
    READS = ("src/glasshouse/models/weights",)                          # files or folders that the code reads

`${stage}` in them is the stage's name; every other `${key}` is a key of params.yaml and stays as it is, for
DVC to resolve. What any file that such a key could choose imports counts too: no choice leaves a stage stale.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

VARIABLE = re.compile(r"\$\{[^}]*\}")


class ImportFault(ValueError):
    """A file whose imports cannot be followed."""


def stage_files(script: Path, root: Path) -> frozenset[str]:
    """All that `script` needs of the project: itself, the modules it imports, what they read.

    Paths are relative to `root`, `${key}` where params.yaml chooses. Raises ImportFault.
    """
    return frozenset(_Walk(root, script.stem).visit(script))


def gather(files: Iterable[str], root: Path) -> frozenset[str]:
    """`files`, with each folder that they fill named instead: DVC takes its time by the entry."""
    named = set(files)
    folders = {folder.as_posix() for name in named for folder in Path(name).parents if len(folder.parts) > 2}
    for folder in sorted(folders, key=len):
        inside = [path for path in (root / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        names = {path.relative_to(root).as_posix() for path in inside}
        if not _covers(named, folder) and names and all(_covers(named, name) for name in names):
            named = {name for name in named if not name.startswith(f"{folder}/")} | {folder}
    return frozenset(named)


def _covers(named: set[str], name: str) -> bool:
    return name in named or any(folder.as_posix() in named for folder in Path(name).parents)


class _Walk:
    """One stage's walk over the sources under `root`/src."""

    def __init__(self, root: Path, stage: str) -> None:
        self.root, self.stage = root, stage
        self.seen: set[Path] = set()
        self.found: set[str] = set()

    def visit(self, file: Path, *, chosen: bool = True) -> set[str]:
        """Follow `file`; one that is only a possible choice of a `${key}` is followed, not named."""
        if chosen:
            self.found.add(file.relative_to(self.root).as_posix())
        if file in self.seen:
            return self.found
        self.seen.add(file)
        source = _Source(file, self.root)
        for module in source.modules():
            self._visit_module(module)
        self._demand(source)
        for pattern in source.names("DYNAMIC_IMPORTS"):
            self._visit_pattern(pattern.replace("${stage}", self.stage), file)
        source.demand_reads()
        for pattern in source.names("READS"):
            self._add_read(pattern.replace("${stage}", self.stage), file)
        return self.found

    def _visit_module(self, module: str) -> None:
        """Follow `module` and the packages around it, where they are the project's."""
        parts = module.split(".")
        for length in range(1, len(parts) + 1):
            file = find_module(".".join(parts[:length]), self.root)
            if file is not None:
                self.visit(file)

    def _demand(self, source: _Source) -> None:
        """Every module of a package of ours that is named outright has to be there."""
        for module, line in source.named_outright():
            package = module.partition(".")[0]
            if find_module(package, self.root) is not None and find_module(module, self.root) is None:
                raise ImportFault(f"{source.file}:{line}: there is no module {module}.")

    def _visit_pattern(self, pattern: str, file: Path) -> None:
        if not VARIABLE.search(pattern):
            if find_module(pattern, self.root) is None:
                raise ImportFault(f"{file}: DYNAMIC_IMPORTS: there is no module {pattern}.")
            self._visit_module(pattern)
            return
        package = pattern[: pattern.index("${")].rpartition(".")[0]
        self._visit_module(package)
        path = f"src/{_dots_to_slashes(pattern)}.py"
        self.found.add(path)
        choices = sorted(self.root.glob(VARIABLE.sub("*", path)))
        if not choices:
            raise ImportFault(f"{file}: DYNAMIC_IMPORTS: no file is like {path}.")
        for choice in choices:
            if choice.name != "__init__.py":
                self.visit(choice, chosen=False)

    def _add_read(self, pattern: str, file: Path) -> None:
        if not any(self.root.glob(VARIABLE.sub("*", pattern))):
            raise ImportFault(f"{file}: READS: no file is like {pattern}.")
        self.found.add(pattern)


class _Source:
    """The imports of one file, and its module-level tuples of names."""

    def __init__(self, file: Path, root: Path) -> None:
        self.file, self.root = file, root
        try:
            self.tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        except SyntaxError as error:
            raise ImportFault(f"{file}:{error.lineno}: {error.msg}.") from error

    def modules(self) -> Iterator[str]:
        """Dotted names of all modules that are imported anywhere in the file, submodules included."""
        for node in _executed(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from self._from_import(node)
            elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
                yield from self._dynamic_import(node)

    def named_outright(self) -> Iterator[tuple[str, int]]:
        """(module, line) of every import's own module; what `from` takes may be no module."""
        for node in _executed(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield ".".join(filter(None, [*self._around(node), node.module])), node.lineno

    def names(self, variable: str) -> tuple[str, ...]:
        """The module-level tuple of texts `variable`; empty where there is none."""
        value = self._assigned(variable)
        return ast.literal_eval(value) if value is not None else ()

    def demand_reads(self) -> None:
        """A file that asks where it lies reads what lies beside it, and has to say what."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and node.id == "__file__" and self._assigned("READS") is None:
                raise ImportFault(
                    f"{self.file}:{node.lineno}: __file__: name what is read beside the code in a "
                    "module-level READS (an empty tuple if it is nothing)."
                )

    def _assigned(self, variable: str) -> ast.expr | None:
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == variable for target in targets):
                return getattr(node, "value", None)
        return None

    def _from_import(self, node: ast.ImportFrom) -> Iterator[str]:
        module = ".".join(filter(None, [*self._around(node), node.module]))
        yield module
        for alias in node.names:
            names = self._exported(module) if alias.name == "*" else (alias.name,)
            yield from (f"{module}.{name}" for name in names)

    def _around(self, node: ast.ImportFrom) -> tuple[str, ...]:
        """The package that a relative import starts from."""
        if node.level == 0:
            return ()
        try:
            parts = self.file.relative_to(self.root / "src").with_suffix("").parts
        except ValueError as error:
            raise ImportFault(
                f"{self.file}:{node.lineno}: a relative import outside of a package."
            ) from error
        if len(parts) <= node.level - (parts[-1] == "__init__"):
            raise ImportFault(f"{self.file}:{node.lineno}: a relative import beyond the top package.")
        return parts[: len(parts) - node.level]

    def _exported(self, module: str) -> tuple[str, ...]:
        """What `from module import *` takes, as far as it could be submodules."""
        file = find_module(module, self.root)
        return _Source(file, self.root).names("__all__") if file is not None else ()

    def _dynamic_import(self, node: ast.Call) -> Iterator[str]:
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            yield node.args[0].value
        elif self._assigned("DYNAMIC_IMPORTS") is None:
            raise ImportFault(
                f"{self.file}:{node.lineno}: what is imported here is known at run time only: name it in a "
                "module-level DYNAMIC_IMPORTS (an empty tuple if it is never the project's own)."
            )


def find_module(module: str, root: Path) -> Path | None:
    """The file of a module or package under `root`/src; None for any other and for names inside a module."""
    path = root / "src" / _dots_to_slashes(module)
    return next(
        (file for file in (path / "__init__.py", path.with_name(f"{path.name}.py")) if file.is_file()), None
    )


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below `node`, but not what stands under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _name(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield other
                yield from _executed(other)
            continue
        yield child
        yield from _executed(child)


def _name(node: ast.expr) -> str:
    """The last name of `a.b.c` or `c`; empty for anything else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _dots_to_slashes(module: str) -> str:
    """Dots to slashes, except inside `${}`."""
    pieces = re.split(r"(\$\{[^}]*\})", module)
    return "".join(piece if piece.startswith("${") else piece.replace(".", "/") for piece in pieces)
