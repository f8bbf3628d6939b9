"""Where a registered model comes from, the commands that make it again, and whether what they made is it."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from glasshouse.journal.digests import Digests
from glasshouse.journal.git import ask_git
from glasshouse.journal.machine import THREADS, Machine
from glasshouse.journal.pipeline import PARAMS, look_up, read_lock, read_yaml
from glasshouse.journal.state import read_state
from glasshouse.models.pretrained import WATCHED
from glasshouse.params.recommended import AUTO
from glasshouse.promotion.gate import LINE
from glasshouse.tracking.addresses import conceal
from glasshouse.tracking.aliases import CHAMPION, Registry, Version
from glasshouse.tracking.commits import list_keepers, list_refs
from glasshouse.tracking.facts import Facts, read_trainings, take_machines
from glasshouse.tracking.names import read_names
from glasshouse.tracking.outcome import NETWORK
from glasshouse.tracking.store import Store, locate_store

ADDRESS = re.compile(r"(?:models:/)?(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))")


class UnknownModel(ValueError):
    """No registered version has the address that was given."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A version, its facts, the params.yaml, the params of its run and the dvc.lock of its state, the aliases
    that point to it."""

    version: Version
    facts: Facts
    params: dict[str, Any]
    logged: dict[str, str]
    outs: dict[str, str]
    aliases: tuple[str, ...]
    store: Store


def read_lineage(root: Path, address: str | None = None, store: Store | None = None) -> Lineage:
    """Of `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or the project's champion.

    Raises:
        UnknownModel: no such address.
        ValueError: none is given, and params.yaml names no model.
        StoreAway, RegistryFault, FactsMissing: MLflow is away, or lacks files or tags of it.
    """
    store = store or locate_store(root)
    address = address or f"models:/{read_names(root).model_name}@{CHAMPION}"
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise UnknownModel(
            f"a model's address must be models:/NAME@ALIAS or models:/NAME/VERSION. Got {address!r}."
        )
    registry = Registry(store, found["name"])
    aliases = registry.aliases()
    number = found["number"] or aliases.get(found["alias"])
    version = registry.read(number) if number else None
    if version is None:
        told = ", ".join(f"@{name} is version {at}" for name, at in aliases.items()) or "no alias is set"
        raise UnknownModel(f"MLflow at {store.shown} has no {address} ({told}).")
    facts = version.facts  # first: a version of an earlier release has no files of its lineage either
    with TemporaryDirectory() as folder:
        params = read_yaml(registry.fetch(version, PARAMS, Path(folder)))
        logged = registry.read_params(version)
        registry.fetch(version, "dvc.lock", Path(folder))
        outs = {
            path: digest for stage in read_lock(Path(folder)).values() for path, digest in stage.outs.items()
        }
    theirs = tuple(name for name, at in aliases.items() if at == version.number)
    return Lineage(version, facts, params, logged, outs, theirs, store)


def say_lineage(lineage: Lineage, root: Path) -> Iterator[str]:
    """Everything, a line each."""
    version, facts = lineage.version, lineage.facts
    names = ", ".join(f"@{name}" for name in lineage.aliases) or "no alias"
    yield f"{version.shown} ({names})"
    for name, told in _rows(lineage):
        yield f"{name:11}{told}"
    if LINE in version.tags:
        yield f"{'ledger':11}{version.tags[LINE]}"
    yield "params"
    for key, value in _flatten(lineage.params, ""):
        meant = f" ({lineage.logged[key]})" if value == AUTO and key in lineage.logged else ""
        yield f"  {key}: {value}{meant}"
    if not facts.committed:
        where = f"commit {facts.commit[:12]} does not hold" if facts.commit else "no commit holds"
        yield (
            f"warning: it was made from files that {where}: commit them (of pictures and "
            "weights the .dvc file that `dvc add` makes) and run `glasshouse runs sync` where they are; the "
            "commands below lead to the commit alone."
        )
    elif ask_git(root, "rev-parse", "--git-dir") and not list_refs(root, facts.commit):
        shallow = ask_git(root, "rev-parse", "--is-shallow-repository") == "true"
        fetch = "--unshallow`, for this is a shallow clone" if shallow else "--all`, if it was made elsewhere"
        yield (
            f"warning: no branch or tag here leads to commit {facts.commit[:12]}: `git fetch {fetch}. "
            "Where it was amended, rebased or squashed, check out the one in its place, "
            "`dvc checkout`, and run `glasshouse runs sync`."
        )
    yield "reproduce"
    for line in list_commands(lineage, root):
        yield f"  {line}"


def _rows(lineage: Lineage) -> Iterator[tuple[str, str]]:
    version, facts = lineage.version, lineage.facts
    made = datetime.fromtimestamp(version.created, UTC).strftime("%Y-%m-%d %H:%M:%S")
    yield "state", facts.state
    changed = bool(facts.commit) and not facts.committed
    yield "commit", f"{facts.commit or 'none'}{' and changes that it does not hold' if changed else ''}"
    yield "trained", f"{facts.trained} UTC" if facts.trained else "not here: the outputs came from a cache"
    for stage, machine in list_machines(facts).items():
        yield "machine", f"{stage}: {machine}"
    yield "registered", f"{made} UTC by {facts.by}"
    yield "code", f"{facts.code} (SHA-256 of code, weights and source pictures)"
    for path, digest in sorted(lineage.outs.items()):
        yield "data" if path.startswith("data/") else "output", f"{path} {digest}"
    yield "network", f"{NETWORK} SHA-256 {facts.network}"
    counts = ", ".join(f"{name} {facts.counts[name]}" for name in sorted(facts.counts))
    yield "splits", f"{counts or 'unknown'}; test pictures and labels SHA-256 {facts.test}"
    yield "classes", f"{len(facts.classes)}: {', '.join(facts.classes)}"
    scores = {key: value for key, value in version.tags.items() if key.startswith("score.")}
    yield "scores", ", ".join(f"{key.removeprefix('score.')} {value}" for key, value in scores.items())
    yield "quality", "; ".join(f"{stage} {told}" for stage, told in facts.quality.items())
    yield "exports", "; ".join(f"{name} {told}" for name, told in facts.exports.items())


def list_commands(lineage: Lineage, root: Path) -> list[str]:
    """What to type, in an empty folder, to make the same bytes again and to see that they are the same."""
    version, facts = lineage.version, lineage.facts
    folder = re.sub(r"[^\w.-]", "_", f"{version.name}-{version.number}")
    keepers = [
        keeper
        for path in list_data(lineage.params)
        for keeper in (list_keepers(root, facts.commit, path) if facts.commit else [])
    ]
    deeper = ask_git(root, "rev-parse", "--show-prefix")  # of a project inside a larger repository
    return [
        f"git clone {shlex.quote(find_origin(root))} {folder}",
        f"cd {folder}",
        f"git checkout --detach {facts.commit or 'COMMIT'}",
        *([f"cd {shlex.quote(deeper)}"] if deeper else []),
        "make setup && . .venv/bin/activate",
        *(f"dvc pull {shlex.quote(keeper.removesuffix('.dvc'))}" for keeper in dict.fromkeys(keepers)),
        *list_repros(facts),
        f"MLFLOW_TRACKING_URI={shlex.quote(lineage.store.shown)} "
        f"glasshouse lineage {shlex.quote(f'models:/{version.name}/{version.number}')} --verify",
    ]


def list_data(params: dict[str, Any]) -> list[str]:
    """Where a person's own pictures and weights lie."""
    own = look_up(params, "dataset.source") == "folder" and look_up(params, "dataset.url") == "none"
    weights = str(look_up(params, "model.backbone.weights"))
    pictures = [str(look_up(params, "dataset.path"))] if own else []
    return [*pictures, *([weights] if weights.endswith(".h5") else []), WATCHED.as_posix()]


def list_machines(facts: Facts) -> dict[str, Machine]:
    """Training stage -> where it ran, as far as that is known."""
    return {stage: Machine.from_values(values) for stage, values in facts.machines.items()}


def list_repros(facts: Facts) -> list[str]:
    """`dvc repro` with the number of threads that the trainings had; twice, where they had two numbers."""
    threads = {stage: machine.threads for stage, machine in list_machines(facts).items()}
    if not threads:
        return ["dvc repro"]
    *earlier, last = threads.items()
    stages = [
        f"{_ask_threads(number)} dvc repro {shlex.quote(stage)}"
        for stage, number in earlier
        if number != last[1]
    ]
    return [*stages, f"{_ask_threads(last[1])} dvc repro"]


def _ask_threads(number: int) -> str:
    """Quoted: it comes from a tag, in which somebody may have written a command of their own."""
    return f"{THREADS}={shlex.quote(str(number))}"


def find_origin(root: Path) -> str:
    """Where the project is cloned from: git's origin without a password, else the folder itself."""
    origin = ask_git(root, "remote", "get-url", "origin")
    if not origin:
        return ask_git(root, "rev-parse", "--show-toplevel") or str(root.resolve())
    return conceal(origin)


def say_other_machines(facts: Facts, root: Path) -> Iterator[str]:
    """Why bytes may differ with nothing changed: a line for each training that ran elsewhere than here."""
    here = take_machines(read_trainings(root, read_state(root)))
    for stage, there in facts.machines.items():
        if stage in here and here[stage] != there:
            machines = Machine.from_values(there), Machine.from_values(here[stage])
            yield f"{stage} ran on {machines[0]}, here on {machines[1]}: the last bits of weights may differ"


def verify(lineage: Lineage, root: Path) -> list[str]:
    """What in `root` is not as the version's state has it, a line each; empty where every byte is the same.

    Compared are the state (params, code, source pictures), every output on disk with the dvc.lock that was
    kept with the version, and the ONNX file with what was registered.
    """
    differing = []
    if read_state(root).id != lineage.facts.state:
        differing.append(
            "params, code or source pictures are others: check out the commit, without changes to it"
        )
    digests = Digests(root)
    for path, digest in sorted(lineage.outs.items()):
        found = digests.digest(path)
        if found != digest:
            differing.append(f"{path}: {found or 'is not there'}, registered with {digest}")
    digests.save()
    network = root / NETWORK
    if not network.is_file() or hashlib.sha256(network.read_bytes()).hexdigest() != lineage.facts.network:
        differing.append(f"{NETWORK} is not the one that was registered")
    return differing


def _flatten(block: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, value in block.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
