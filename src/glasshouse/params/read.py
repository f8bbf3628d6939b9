"""Reads params.yaml into `Params`, or says everything that is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails

from glasshouse.params.document import Document, Location, dotted, read_document
from glasshouse.params.faults import Fault, ParamsError, show, suggest
from glasshouse.params.parts import (
    FOLDERS,
    PARTS_PACKAGE,
    UnknownPart,
    chosen_parts,
    load_part,
    part_names,
)
from glasshouse.params.recommended import AUTO, KEYS, settle
from glasshouse.params.rules import Surroundings, check_rules
from glasshouse.params.schema import Model, Params
from glasshouse.params.strict import Strict

Scalar = str | int | float | bool

IN_YAML = {"True": "true", "False": "false", "None": "null"}
DEMANDS = {  # pydantic's type of error -> what a person should write
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "dict_type": "a block of keys",
    "tuple_type": "a list",
    "finite_number": "a finite number",
    "invalid_key": "text (a key)",
    "string_too_short": "text that is not empty",
    "string_pattern_mismatch": "text like {pattern}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
}


def read_params(path: Path = Path("params.yaml"), package: str = PARTS_PACKAGE) -> Params:
    """Read and check the whole file; raises ParamsError with all faults. `package`: where the parts are."""
    path = Path(path)
    return check_document(read_document(path), path, package)


def check_document(document: Document, path: Path, package: str = PARTS_PACKAGE) -> Params:
    """Check what stands, or is to stand, in `path`; raises ParamsError with all faults."""
    parts = {
        kind: load_part(kind, name, package)
        for kind, name in chosen_parts(document.values)
        if name in part_names(kind, package)
    }
    document = settle(document, parts.get("head", UnknownPart))
    schema = _schema(*(parts.get(kind, UnknownPart) for kind in FOLDERS))
    faults = [*document.duplicates, *_unknown_parts(document, package)]
    params = None
    try:
        params = schema.model_validate(document.values)
    except ValidationError as error:
        faults += [_translate(detail, document, schema) for detail in error.errors(include_url=False)]
    around = Surroundings(path.absolute().parent, package, *(parts.get(kind) for kind in FOLDERS))
    faults += check_rules(document, {fault.key for fault in faults}, around)
    if faults or params is None:
        raise ParamsError(path, faults)
    return params


def check(path: Path = Path("params.yaml"), package: str = PARTS_PACKAGE) -> tuple[Fault, ...]:
    """All faults of the file in the order of its lines; empty where it is sound."""
    try:
        read_params(path, package)
    except ParamsError as error:
        return error.faults
    return ()


def flatten(params: BaseModel) -> dict[str, Scalar]:
    """Dotted key -> value, in the file's order; lists become their JSON text."""
    return dict(_leaves(params.model_dump(mode="json"), ()))


def _leaves(block: dict[str, Any], location: Location) -> Iterator[tuple[str, Scalar]]:
    for name, value in block.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*location, name))
        else:
            yield dotted((*location, name)), json.dumps(value) if isinstance(value, list) else value


@cache
def _schema(*parts: type[Strict]) -> type[Params]:
    """`Params` whose model block has the classes of the chosen backbone, neck and head"""
    chosen: dict[str, Any] = {kind: (part, ...) for kind, part in zip(FOLDERS, parts, strict=True)}
    model = create_model("Model", __base__=Model, **chosen)
    return create_model("Params", __base__=Params, model=(model, ...))


def _unknown_parts(document: Document, package: str) -> Iterator[Fault]:
    for kind, name in chosen_parts(document.values):
        valid = part_names(kind, package)
        if name not in valid:
            location = ("model", kind, "name")
            yield Fault(
                document.line(location),
                dotted(location),
                f"no {kind} {name!r}. {suggest(name, valid)}",
            )


def _translate(detail: ErrorDetails, document: Document, schema: type[BaseModel]) -> Fault:
    location = detail["loc"]
    return Fault(document.line(location), dotted(location), _message(detail, schema))


def _message(detail: ErrorDetails, schema: type[BaseModel]) -> str:
    value, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            *block, name = detail["loc"]
            return f"unknown key. {suggest(str(name), _fields(schema, block))}"
        case "missing":
            return (
                f"missing key: add it below {dotted(detail['loc'][:-1])}."
                if detail["loc"][1:]
                else "missing key."
            )
        case "literal_error":
            hint = suggest(str(value), *_choices(context))
            return f"must be one of the valid names. Got {show(value)} instead. {hint}"
        case "value_error" | "assertion_error":
            return f"{detail['msg'].partition(', ')[2]}. Got {show(value)} instead."
        case kind:
            said = detail["msg"].removeprefix("Input should be ")
            demand = DEMANDS[kind].format(**context) if kind in DEMANDS else said
            if isinstance(value, str) and dotted(detail["loc"]) in KEYS:
                demand += f", or {AUTO}"
            return f"must be {demand}. Got {show(value)} instead."


def _choices(context: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The names in pydantic's "'a', 'b', 3 or True", and what else there is, as YAML writes it."""
    found = re.findall(r"'([^']*)'|([^',\s]+)", context["expected"])
    others = [other for _, other in found if other not in ("", "or")]
    return [name for name, other in found if not other], [IN_YAML.get(other, other) for other in others]


def _fields(schema: type[BaseModel], block: list[str | int]) -> list[str]:
    """Names of the fields of the block at `block`."""
    for name in block:
        annotation = schema.model_fields[str(name)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        schema = annotation
    return list(schema.model_fields)
