"""The network's parts: one file each in models/{backbones,necks,heads}/, whose `Params` checks its block.

The file name is the registration, so params.yaml is checked against files of a higher layer. They are loaded
by name, and only for their `Params`: part files import no Keras at module level.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, get_args

from pydantic import ConfigDict

from glasshouse.params.recommended import ATTRIBUTE, FineTuning
from glasshouse.params.strict import Strict, Text

# What is loaded here refuses a faulty file and changes no stage's work: the stages do not depend on it.
DYNAMIC_IMPORTS: tuple[str, ...] = ()

PARTS_PACKAGE = "glasshouse.models"
FOLDERS = {"backbone": "backbones", "neck": "necks", "head": "heads"}


class Part(Strict):
    """The keys that a part's `Params` has at least: `name`, which is its file's name."""

    name: Text


class Backbone(Part):
    """The keys that a backbone's `Params` has at least; weights: builtin | imagenet | none | a file."""

    weights: Text


class UnknownPart(Part):
    """Stands for a part whose name is at fault, so that the rest of the file is still checked."""

    model_config = ConfigDict(extra="allow")

    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=1_000_000, learning_rate=1.0)  # within any limit


def package_folder(package: str = PARTS_PACKAGE) -> Path:
    """Folder of the package that holds the parts; raises ModuleNotFoundError where it is not installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"no package {package!r}: is the project installed in this environment?")
    return Path(next(iter(spec.submodule_search_locations)))


def part_names(kind: str, package: str = PARTS_PACKAGE) -> tuple[str, ...]:
    """Valid names of a `kind` (backbone | neck | head), sorted: the files of its folder."""
    files = (package_folder(package) / FOLDERS[kind]).glob("*.py")
    return tuple(sorted({file.stem for file in files} - {"__init__"}))


def load_part(kind: str, name: str, package: str = PARTS_PACKAGE) -> type[Strict]:
    """The `Params` of the part's file; raises TypeError where the file breaks the contract."""
    module = f"{package}.{FOLDERS[kind]}.{name}"
    params = getattr(import_module(module), "Params", None)
    if not (isinstance(params, type) and issubclass(params, Strict)):
        raise TypeError(f"{module} must hold a `class Params(Strict)`. Got {params!r} instead.")
    demanded = Backbone if kind == "backbone" else Part
    if missing := sorted(demanded.model_fields.keys() - params.model_fields.keys()):
        raise TypeError(f"{module}.Params must have the fields {', '.join(missing)}.")
    if get_args(params.model_fields["name"].annotation) != (name,):
        raise TypeError(f"{module}.Params.name must be Literal[{name!r}], its file's name.")
    if kind == "head" and not isinstance(getattr(params, ATTRIBUTE, None), FineTuning):
        raise TypeError(f"{module}.Params must hold `{ATTRIBUTE}: ClassVar[FineTuning]`.")
    return params


def chosen_parts(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, name) of every part of the raw `values` whose name is a text."""
    model = values.get("model")
    if not isinstance(model, dict):
        return
    for kind in FOLDERS:
        block = model.get(kind)
        if isinstance(block, dict) and isinstance(block.get("name"), str):
            yield kind, block["name"]


def builtin_weights_path(backbone: str, package: str = PARTS_PACKAGE) -> Path:
    """Where the weights that ship with the project for `backbone` are, or would be."""
    return package_folder(package) / "weights" / f"{backbone}.weights.h5"
