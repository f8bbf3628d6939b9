"""`.keras` files whose bytes depend on the network's content alone."""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glasshouse.models.lazy import keras
from glasshouse.tables.folders import name_in_errors

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold


def save_network(model: Any, path: Path | str, notes: dict[str, Any] | None = None) -> None:
    """Writes architecture and weights, without optimizer or compile state, to a file that
    `keras.models.load_model` reads.

    Keras's own writer puts in the date, zip times, memory addresses as object ids, and layer names that count
    every layer made in the process before. Here the date is fixed, ids are counted by appearance, and
    automatic names are counted anew, so that equal networks give equal bytes in every process. The file
    appears in one step: a killed process leaves the old one.

    Args:
        model: a functional or sequential Keras model.
        path: ends in `.keras`; its folder is made where missing.
        notes: what else to keep with the network, plain JSON values; `read_notes` gives it back.

    Raises:
        ValueError: the name does not end in `.keras`.
        TypeError: the model is a subclassed one, which has no graph to write down.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"A network's file name must end in .keras. Got {path.name!r} instead.")
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise TypeError(
            f"Only functional and sequential Keras models can be written. Got {type(model).__name__} instead."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.draft.keras")
    try:
        # A twin over the same layers: it was never compiled, so neither optimizer nor losses get into the
        # file.
        with name_in_errors(path):
            with canonical_names(twin := keras.Model(model.input, model.output, name=model.name)):
                twin.save(draft)
            rewrite_archive(draft, notes or {})
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def load_weights_into(model: Any, path: Path | str) -> None:
    """Sets all weights of a model from a `.keras` file of the same architecture.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file's layers or shapes are not the model's.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no network file {path}. The stage that writes it has not run.")
    with tempfile.TemporaryDirectory() as folder:
        # Keras jumps to and fro in the file, and inside a zip each jump back reads it again from its start.
        with zipfile.ZipFile(path) as archive:
            weights = Path(archive.extract("model.weights.h5", folder))
        # `weights` and not `variables`: the file has no random states, such as a dropout's.
        stored, wanted = count_arrays(weights), len(model.weights)
        if stored != wanted:
            raise ValueError(
                f"{path} holds {stored} arrays, the network to be filled has {wanted}: another architecture."
            )
        try:
            with warnings.catch_warnings():
                # Keras warns where the file lacks a part, and leaves that part as it was.
                warnings.filterwarnings("error", message="Skipping nested container")
                model.load_weights(str(weights))
        except (ValueError, KeyError, UserWarning) as error:
            raise ValueError(
                f"{path} holds another architecture than the network to be filled: {error}"
            ) from error


def count_arrays(path: Path) -> int:
    """How many arrays an HDF5 file holds.

    Keras itself passes over those that a network has no place for.
    """
    import h5py

    count = 0

    def visit(_: str, item: Any) -> None:
        nonlocal count
        count += isinstance(item, h5py.Dataset)

    with h5py.File(path) as weights:
        weights.visititems(visit)
    return count


@contextmanager
def canonical_names(model: Any) -> Iterator[None]:
    """Within the block, automatic names in the model (conv2d_57) are counted from its own first layer; then
    all is as before.

    A name is taken for automatic where it is the class in snake case, with or without a number; others stay.
    """
    parts = list_parts(model)
    stems = [find_automatic_stem(part) for part in parts]
    taken = {part.name for part, stem in zip(parts, stems, strict=True) if stem is None}
    old = [part.name for part in parts]
    counts: Counter[str] = Counter()
    try:
        for part, stem in zip(parts, stems, strict=True):
            if stem is not None:
                part.name = count_name(stem, counts, taken)
        yield
    finally:
        for part, name in zip(parts, old, strict=True):
            part.name = name


def list_parts(model: Any) -> list[Any]:
    """The model and every operation and layer in it, nested ones too, each once, in the order of the
    graph."""
    parts: dict[int, Any] = {}

    def visit(part: Any) -> None:
        if id(part) not in parts:
            parts[id(part)] = part
            for child in (*getattr(part, "operations", ()), *getattr(part, "_layers", ())):
                visit(child)

    visit(model)
    return list(parts.values())


def find_automatic_stem(part: Any) -> str | None:
    """`conv2d` for a Conv2D that Keras named itself, None for a name that somebody gave."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", type(part).__name__)
    stem = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
    return stem if re.fullmatch(rf"{re.escape(stem)}(_\d+)?", part.name) else None


def count_name(stem: str, counts: Counter[str], taken: set[str]) -> str:
    """The next free of stem, stem_1, stem_2, ..."""
    while True:
        name = f"{stem}_{counts[stem]}" if counts[stem] else stem
        counts[stem] += 1
        if name not in taken:
            return name


def read_notes(path: Path | str) -> dict[str, Any]:
    """What `save_network` was given to keep with the network.

    Raises:
        FileNotFoundError: there is no such file.
        zipfile.BadZipFile: it is damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no network file {path}. The stage that writes it has not run.")
    with zipfile.ZipFile(path) as archive:
        notes: dict[str, Any] = json.loads(archive.read("metadata.json"))["notes"]
    return notes


def rewrite_archive(path: Path, notes: dict[str, Any]) -> None:
    """Rewrites a `.keras` file in place with a fixed date, fixed zip times, object ids counted by appearance,
    and `notes` among its metadata."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in sorted(archive.namelist())}
    config = number_objects(json.loads(members["config.json"]), {})
    metadata = json.loads(members["metadata.json"]) | {
        "date_saved": "{:04}-{:02}-{:02}@{:02}:{:02}:{:02}".format(*_EPOCH),
        "notes": notes,
    }
    members["config.json"] = json.dumps(config, sort_keys=True).encode()
    members["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system, entry.external_attr = (
                3,
                0o644 << 16,
            )  # Unix, also where the writer runs elsewhere
            archive.writestr(entry, content)


def number_objects(node: Any, ids: dict[int, int]) -> Any:
    """The config with `shared_object_id`, a memory address, counted from 1 by appearance.

    Precision policies lose it: whether two layers share theirs depends on the process and means nothing.
    """
    if isinstance(node, list):
        return [number_objects(child, ids) for child in node]
    if not isinstance(node, dict):
        return node
    shared = node.get("shared_object_id")
    rest = {key: number_objects(child, ids) for key, child in node.items() if key != "shared_object_id"}
    if shared is None or str(node.get("class_name", "")).endswith("DTypePolicy"):
        return rest
    return rest | {"shared_object_id": ids.setdefault(shared, len(ids) + 1)}
