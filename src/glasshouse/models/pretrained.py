"""Pretrained weights of a backbone: shipped with the project, ImageNet's, or a file."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

from glasshouse.params import builtin_weights_path

READS = ("src/glasshouse/models/weights",)
WATCHED = Path("data/weights")  # a dependency of the stage that loads weights

Shapes = dict[str, list[tuple[int, ...]]]  # layer's name -> shapes of its weights


def load_backbone_weights(backbone: Any, params: Any) -> None:
    """Fill a freshly built backbone as `model.backbone.weights` says.

    A path names a file of Keras 3 (`.weights.h5`, written by `save_weights` of the same backbone) or of
    keras.applications (`.h5`, layers by name; layers that the backbone has not are passed over).

    Args:
        backbone: a Keras model.
        params: the backbone's Params; `imagenet` was already handled by the builder of a keras.applications
            network.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: the file is of another network, or holds no weights.
    """
    if params.weights in ("none", "imagenet"):
        return
    path = builtin_weights_path(params.name) if params.weights == "builtin" else Path(params.weights)
    if not path.is_file():
        raise FileNotFoundError(
            f"model.backbone.weights: {params.weights!r} for {params.name!r} needs the file {path}, "
            "which does not exist."
        )
    # A link in the folder will do: DVC looks at what it leads to.
    if params.weights != "builtin" and not Path(os.path.abspath(path)).is_relative_to(WATCHED.absolute()):
        print(
            f"warning: model.backbone.weights: {path} lies outside of {WATCHED}, so nothing runs anew when "
            "its content changes. Keep it there.",
            file=sys.stderr,
        )
    whole = path.name.endswith(".weights.h5")
    _check_layers(_list_shapes(backbone), _read_shapes(path, whole), path, whole)
    backbone.load_weights(path, **({} if whole else {"by_name": True}))


def _check_layers(wanted: Shapes, held: Shapes, path: Path, whole: bool) -> None:
    """Keras passes over what only one side has: a network that is half random must not go unnoticed.

    The file of a whole network is loaded by position, and automatic names count the layers of a process:
    there shapes decide and names only explain.
    """
    differing = [name for name in wanted if sorted(wanted[name]) != sorted(held.get(name, []))]
    if whole and sorted(chain(*wanted.values())) == sorted(chain(*held.values())):
        return
    if whole:
        differing += [name for name in held if name not in wanted]
    if differing:
        first, *others = differing[:5]
        raise ValueError(
            f"model.backbone.weights: {path} is of another network than the backbone; {len(differing)} "
            f"layers differ, first {first}: the file has {_show_shapes(held, first)}, the backbone "
            f"{_show_shapes(wanted, first)}{'; then ' if others else ''}{', '.join(others)}."
        )


def _show_shapes(shapes: Shapes, layer: str) -> str:
    return " and ".join(map(str, shapes[layer])) if layer in shapes else "no such layer"


def _list_shapes(backbone: Any) -> Shapes:
    """Of weights alone: the random states of dropout layers are variables too, and in no published file."""
    shapes: Shapes = defaultdict(list)
    for variable in backbone.weights:
        shapes[variable.path.rpartition("/")[0]].append(tuple(variable.shape))
    return shapes


def _read_shapes(path: Path, whole: bool) -> Shapes:
    """What a file holds, by layer; Keras 3 notes the layer's name at the group of its arrays."""
    import h5py

    shapes: Shapes = defaultdict(list)

    def visit(place: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "seed_generator" not in place:
            name = item.parent.attrs.get("name", place) if whole else place.partition("/")[0]
            shapes[str(name)].append(item.shape)

    try:
        with h5py.File(path) as file:
            (file if whole else file.get("model_weights", file)).visititems(visit)
    except OSError as error:
        raise ValueError(f"model.backbone.weights: {path} is no HDF5 file: {error}") from error
    return shapes
