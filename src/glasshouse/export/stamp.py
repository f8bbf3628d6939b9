"""Writes into each exported file how pictures are prepared for it, in the place that its format has for such
things; so a file that is copied somewhere alone still knows.

ONNX: `metadata_props`. LiteRT: an entry of `metadata`. SavedModel: a file in `assets.extra/`, which
TensorFlow leaves to its users.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from glasshouse.export.graft import drop_unused_buffers, pack, unpack
from glasshouse.inputs.recipe import KEY, Recipe

SAVED_MODEL_FILE = Path("assets.extra", f"{KEY}.json")


def stamp(paths: Iterable[Path], recipe: Recipe) -> None:
    """Write the recipe into exported files; the bytes depend on their content and the recipe alone."""
    for path in paths:
        if path.is_dir():
            place = path / SAVED_MODEL_FILE
            place.parent.mkdir(exist_ok=True)
            place.write_text(recipe.spell(), encoding="utf-8")
        elif path.suffix == ".onnx":
            _stamp_onnx(path, recipe)
        else:
            _stamp_litert(path, recipe)


def read_stamp(path: Path) -> str | None:
    """The text of the recipe in a LiteRT file or SavedModel folder; None where there is none.

    An ONNX file's is read by its session (`prediction.runtime`).
    """
    if path.is_dir():
        place = path / SAVED_MODEL_FILE
        return place.read_text(encoding="utf-8") if place.is_file() else None
    from ai_edge_litert.schema_py_generated import Model

    model = Model.GetRootAs(path.read_bytes())
    for number in range(model.MetadataLength()):
        entry = model.Metadata(number)
        if entry.Name() == KEY.encode():
            return bytes(model.Buffers(entry.Buffer()).DataAsNumpy()).decode()
    return None


def _stamp_onnx(path: Path, recipe: Recipe) -> None:
    import onnx

    model: Any = onnx.load(str(path))
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key != KEY]
    del model.metadata_props[:]
    for key, value in sorted([*kept, (KEY, recipe.spell())]):
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _stamp_litert(path: Path, recipe: Recipe) -> None:
    from ai_edge_litert.schema_py_generated import BufferT, MetadataT

    model = unpack(path.read_bytes())
    buffer, entry = BufferT(), MetadataT()
    buffer.data = list(recipe.spell().encode())
    entry.name, entry.buffer = KEY, len(model.buffers)
    model.buffers.append(buffer)
    old = [each for each in model.metadata or [] if each.name not in (KEY, KEY.encode())]
    model.metadata = [*old, entry]
    drop_unused_buffers(model)
    path.write_bytes(pack(model))
