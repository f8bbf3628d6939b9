"""From a request to entries, each with a params.yaml of its own that was checked as a whole."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from glasshouse.comparison.request import Asked, Request, RequestError
from glasshouse.journal.pipeline import look_up
from glasshouse.params import Backbone, Params, ParamsError, part_names
from glasshouse.params.document import parse_document, read_document
from glasshouse.params.faults import Fault, suggest
from glasshouse.params.read import check_document

PARAMS = "params.yaml"
BLOCK, WEIGHTS, SEED, FORMATS = "model.backbone", "model.backbone.weights", "model.seed", "export.formats"
MEASURED_FORMAT = "saved_model"  # latency and file size are those of this export
# What nobody looks at in a dozen entries and takes long: other exports, a thousand runs for a picture.
LEFT_OUT = {FORMATS: [MEASURED_FORMAT], "evaluate.explained_pictures": 0}


@dataclass(frozen=True, eq=False)
class Entry:
    """One training: a backbone with its options and weights, and a seed.

    Args:
        label: what the leaderboard calls the backbone with its options; the same for all its seeds.
        folder: name of its working copy.
        weights: what its backbone starts from.
        seed: `model.seed`.
        text: of its params.yaml.
        params: what that text says.
    """

    label: str
    folder: str
    weights: str
    seed: int
    text: str
    params: Params

    @property
    def name(self) -> str:
        """Label and seed."""
        return f"{self.label} seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run, and what a person should know of it before."""

    request: Request
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def make_plan(root: Path, request: Request) -> Plan:
    """Check everything that is asked for; nothing is run or written.

    A backbone takes the options of params.yaml where it is the one named there. It starts from the weights
    asked for it, else those of `--set model.backbone.weights`, else those of params.yaml; only where it does
    not take the last, it starts from none, and a note says so.

    Raises:
        ParamsError: params.yaml itself cannot be read.
        RequestError: all faults.
    """
    path = root / PARAMS
    document = read_document(path)
    values = document.values
    if not isinstance(look_up(values, BLOCK), Mapping):
        check_document(document, path)  # names this fault and all others
    draft = _Draft(path, values, request)
    names = part_names("backbone")
    faults = [*_check_keys(request, values)]
    faults += [
        f"no backbone {each.name!r}. {suggest(each.name, names)}"
        for each in request.backbones
        if each.name not in names
    ]
    known = [asked for asked in request.backbones if asked.name in names]
    chosen: list[tuple[Asked, Params]] = []
    refused: list[tuple[Asked, tuple[Fault, ...]]] = []
    for asked in known:
        try:
            chosen.append((asked, draft.settle(asked)))
        except ParamsError as error:
            refused.append((asked, error.faults))
    faults += [*_say_refused(refused, len(known)), *_say_twice(chosen)]
    if faults:
        raise RequestError(faults)
    labels = name_backbones([params.model.backbone for _, params in chosen])
    entries = tuple(
        draft.enter(label, params, params.model.seed + number)
        for label, (_, params) in zip(labels, chosen, strict=True)
        for number in range(request.seeds)
    )
    return Plan(request, entries, tuple(draft.notes))


def name_backbones(backbones: Sequence[Backbone]) -> list[str]:
    """A short name for each: options that are not by default, and weights where two differ in them only."""
    plain = [_label(backbone) for backbone in backbones]
    return [
        f"{name} {backbone.weights}" if plain.count(name) > 1 else name
        for name, backbone in zip(plain, backbones, strict=True)
    ]


def change_document(text: str, changes: Mapping[str, Any]) -> str:
    """`text` of a params.yaml with dotted keys set to other values; comments stay."""
    yaml = YAML()
    yaml.width = 10_000
    document = yaml.load(text)
    for key, value in changes.items():
        *blocks, name = key.split(".")
        block = document
        for part in blocks:
            block = block[part]
        block[name] = value
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


class _Draft:
    """params.yaml with what all entries change in it."""

    def __init__(self, path: Path, values: dict[str, Any], request: Request) -> None:
        self.path, self.changes, self.notes = path, request.changes, list[str]()
        self.block: dict[str, Any] = dict(values["model"]["backbone"])
        shared = {**LEFT_OUT, **request.changes}
        known = {key: value for key, value in shared.items() if _has(values, key) and not _holds_own(key)}
        self.text = change_document(path.read_text(encoding="utf-8"), known)

    def settle(self, asked: Asked) -> Params:
        """All parameters with this backbone; raises ParamsError."""
        own = self.block if asked.name == self.block.get("name") else {}
        weights = self.changes.get(WEIGHTS, self.block.get("weights"))
        block = {**own, "name": asked.name, "weights": weights, **asked.options}
        try:
            return self._check(self._text({BLOCK: block}))
        except ParamsError as error:
            chose = "weights" in asked.options or WEIGHTS in self.changes
            if chose or not any(fault.key == WEIGHTS for fault in error.faults):
                raise
        params = self._check(self._text({BLOCK: {**block, "weights": "none"}}))
        self.notes.append(
            f"{asked} starts from random weights: it has none of params.yaml's kind ({weights}). "
            f"Another start: --backbones {asked}:weights=..."
        )
        return params

    def enter(self, label: str, params: Params, seed: int) -> Entry:
        """The backbone with one seed."""
        block = params.model.backbone.model_dump(mode="json")
        text = self._text({BLOCK: block, SEED: seed} if seed else {BLOCK: block})
        return Entry(label, _folder(block, seed), str(block["weights"]), seed, text, self._check(text))

    def _text(self, changes: Mapping[str, Any]) -> str:
        return change_document(self.text, changes)

    def _check(self, text: str) -> Params:
        return check_document(parse_document(text, self.path), self.path)


def _check_keys(request: Request, values: dict[str, Any]) -> Iterator[str]:
    """Faults of `--set` that are plain before any backbone is looked at."""
    for key, value in request.changes.items():
        if key == f"{BLOCK}.name" or (key.startswith(f"{BLOCK}.") and key != WEIGHTS) or key == BLOCK:
            yield f"--set {key}: a backbone and its options are named as --backbones name:option=value."
        elif _holds_own(key):
            yield f"--set {key}: the comparison sets some of its keys itself: set the others one by one."
        elif not _has(values, key):
            yield f"--set {key}: params.yaml has no such key. {suggest(key, _keys_near(values, key))}"
        elif key == FORMATS and MEASURED_FORMAT not in (value if isinstance(value, list) else [value]):
            yield f"--set {key}: must hold {MEASURED_FORMAT}, on which latency and file size are measured."


def _holds_own(key: str) -> bool:
    """Whether it is a block with keys that the comparison sets."""
    return any(own.startswith(f"{key}.") for own in (BLOCK, FORMATS))


def _has(values: Any, key: str) -> bool:
    for name in key.split("."):
        if not isinstance(values, Mapping) or name not in values:
            return key == SEED
        values = values[name]
    return True


def _keys_near(values: Mapping[str, Any], key: str) -> list[str]:
    """The keys of the innermost block around `key` that there is, dotted."""
    above = ""
    for name in key.split("."):
        if not isinstance(values.get(name), Mapping):
            break
        values, above = values[name], f"{above}{name}."
    return [f"{above}{name}" for name in values]


def _say_refused(refused: list[tuple[Asked, tuple[Fault, ...]]], count: int) -> Iterator[str]:
    """Faults of params.yaml and `--set` once, those of a backbone with its name."""
    told = [{f"{fault.key}: {fault.message}" for fault in faults} for _, faults in refused]
    common = set.intersection(*told) if told and len(told) == count else set()
    common = {text for text in common if count > 1 and not text.startswith(BLOCK)}
    yield from sorted(common)
    for asked, faults in refused:
        for fault in faults:
            if (text := f"{fault.key}: {fault.message}") not in common:
                yield f"{asked}: {text}"


def _say_twice(chosen: Sequence[tuple[Asked, Params]]) -> Iterator[str]:
    blocks = [params.model.backbone for _, params in chosen]
    for place, (asked, _) in enumerate(chosen):
        if (first := blocks.index(blocks[place])) < place:
            yield (
                f"{asked} stands twice (first as {chosen[first][0]}): name it once; --seeds N trains each "
                "several times."
            )


def _label(backbone: Backbone) -> str:
    fields = type(backbone).model_fields
    options = [
        f"{key}={value}"
        for key, value in backbone.model_dump(mode="json").items()
        if key not in ("name", "weights") and value != fields[key].default
    ]
    return " ".join([backbone.name, *options])


def _folder(block: Mapping[str, Any], seed: int) -> str:
    """A name that no other backbone, option, weights or seed has."""
    words = [str(block["name"]), *(f"{key}={value}" for key, value in block.items() if key != "name")]
    whole = ",".join([*words, f"seed={seed}"])
    plain = re.sub(r"[^\w.,=-]", "-", whole)[:150]
    return plain if plain == whole else f"{plain}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
