"""Pretrained weights of a backbone: shipped with the project, ImageNet's, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from glasshouse.params import builtin_weights_path

READS = ("src/glasshouse/models/weights/${model.backbone.name}.weights.h5",)


def load_backbone_weights(backbone: Any, params: Any) -> None:
    """Fill a freshly built backbone as `model.backbone.weights` says.

    Args:
        backbone: a Keras model.
        params: the backbone's Params; `imagenet` was already handled by the builder of a keras.applications network.

    Raises:
        FileNotFoundError: no such weights.
    """
    if params.weights in ("none", "imagenet"):
        return
    path = builtin_weights_path(params.name) if params.weights == "builtin" else Path(params.weights)
    if not path.is_file():
        raise FileNotFoundError(f"model.backbone.weights: {params.weights!r} for {params.name!r} needs the file {path}, which does not exist.")
    backbone.load_weights(path)
