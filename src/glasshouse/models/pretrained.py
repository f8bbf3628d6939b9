"""Pretrained weights of a backbone: shipped with the project, ImageNet's, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from glasshouse.params import builtin_weights_path

READS = ("src/glasshouse/models/weights",)


def load_backbone_weights(backbone: Any, params: Any) -> None:
    """Fill a freshly built backbone as `model.backbone.weights` says.

    A path names a file of Keras 3 (`.weights.h5`, written by `save_weights` of the same backbone) or of
    keras.applications (`.h5`, layers by name).

    Args:
        backbone: a Keras model.
        params: the backbone's Params; `imagenet` was already handled by the builder of a keras.applications
            network.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: the file is of another network.
    """
    if params.weights in ("none", "imagenet"):
        return
    path = builtin_weights_path(params.name) if params.weights == "builtin" else Path(params.weights)
    if not path.is_file():
        raise FileNotFoundError(
            f"model.backbone.weights: {params.weights!r} for {params.name!r} needs the file {path}, "
            "which does not exist."
        )
    if path.name.endswith(".weights.h5"):
        backbone.load_weights(path)
        return
    _check_layers(backbone, path)
    backbone.load_weights(path, by_name=True)


def _check_layers(backbone: Any, path: Path) -> None:
    """Loading by name passes over what it does not find.

    A network that is half random must not go unnoticed.
    """
    import h5py

    with h5py.File(path) as file:
        group = file.get("model_weights", file)
        held = {name for name, layer in group.items() if len(layer)}
    missing = [layer.name for layer in backbone.layers if layer.weights and layer.name not in held]
    if missing:
        raise ValueError(
            f"model.backbone.weights: {path} holds no weights for {len(missing)} layers of the backbone, "
            f"first {', '.join(missing[:5])}."
        )
