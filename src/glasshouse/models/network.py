"""Puts backbone, neck and head together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from glasshouse.models.catalog import find_part
from glasshouse.models.contracts import Head, Tensors
from glasshouse.models.lazy import keras
from glasshouse.models.pretrained import load_backbone_weights
from glasshouse.params import Model

PYRAMID = ("c3", "c4", "c5")  # what necks and heads stand on, wherever a backbone has all three


@dataclass(frozen=True)
class Network:
    """The parts of a network, sharing their weights.

    backbone: pixels (B, H, W, 3), 0..255 -> {c3, c4, c5}.  top: {c3, c4, c5} -> raw outputs.  full: pixels ->
        raw outputs.  priors: what the head took from the training boxes; None for nothing.  twin: the same
        network for pictures of another size (height_px=, width_px=), with weights of its own.
    """

    backbone: Any
    top: Any
    full: Any
    head: Head
    priors: Any = None
    twin: Callable[..., Network] | None = None


def build_network(
    model: Model,
    *,
    height_px: int,
    width_px: int,
    classes: int,
    load_weights: bool = True,
    priors: Any = None,
) -> Network:
    """Build backbone, neck and head for one input size.

    Args:
        model: the block `model` of the parameters.
        height_px: input height, a multiple of 32 where a neck or a detector stands on the backbone.
        width_px: input width, as the height.
        classes: number of categories.
        load_weights: whether the backbone gets the pretrained weights that `model` names; False where all
            weights are read from a file afterwards.
        priors: for a head whose module has `learn_priors`: what that returned; None for any other.
    """
    pixels = keras.Input((height_px, width_px, 3), name="pixels", dtype="float32")
    params = model.backbone if load_weights else model.backbone.model_copy(update={"weights": "none"})
    taps = select_levels(find_part("backbones", params.name).build(pixels, params))
    backbone = keras.Model(pixels, taps, name="backbone")
    load_backbone_weights(backbone, params)

    features = {name: keras.Input(tap.shape[1:], name=name, dtype=tap.dtype) for name, tap in taps.items()}
    levels = find_part("necks", model.neck.name).build(features, model.neck)
    known = {} if priors is None else {"priors": priors}
    head: Head = find_part("heads", model.head.name).Head(
        model.head, classes=classes, height_px=height_px, width_px=width_px, **known
    )
    top = keras.Model(features, head.build(levels), name="top")

    full = keras.Model(pixels, top(backbone(pixels)), name="network")
    twin = partial(build_network, model, classes=classes, load_weights=False, priors=priors)
    return Network(backbone, top, full, head, priors, twin)


def select_levels(taps: Tensors) -> Tensors:
    """c3, c4 and c5 of a backbone that has them all; of one with other strides every level that it has."""
    return {name: taps[name] for name in PYRAMID} if taps.keys() >= set(PYRAMID) else taps


def freeze(network: Network, unfreeze_from: str | None, *, batch_norm: str = "train") -> None:
    """Choose which layers of the backbone learn; neck and head always do.

    Frozen batch normalization runs on its stored statistics: Keras does that for a layer with `trainable =
        False`, whatever `training` says.

    Args:
        network: changed in place; compile afterwards.
        unfreeze_from: None freezes the whole backbone, "all" nothing; a layer's name or a block's (the
            beginning of its layers' names up to an underscore) frees it and all layers after it.
        batch_norm: "frozen" keeps every batch normalization of the backbone as it is, "train" lets those of
            free layers learn.

    Raises:
        ValueError: no layer of that name.
    """
    first = find_first_free(network, unfreeze_from)
    for i, layer in enumerate(network.backbone.layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = i >= first and not (is_norm and batch_norm == "frozen")


def find_first_free(network: Network, unfreeze_from: str | None) -> int:
    """Number of the backbone's first layer that `unfreeze_from` frees (see `freeze`).

    Raises:
        ValueError: no layer of that name.
    """
    layers = network.backbone.layers
    if unfreeze_from is None:
        return len(layers)
    if unfreeze_from == "all":
        return 0
    for i, layer in enumerate(layers):
        if layer.name == unfreeze_from or layer.name.startswith(f"{unfreeze_from}_"):
            return i
    blocks = dict.fromkeys(layer.name.rsplit("_", 1)[0] for layer in layers if layer.weights)
    raise ValueError(
        f"fine_tune.unfreeze_from: the backbone has no layer or block {unfreeze_from!r}. "
        f"It has: {', '.join(blocks)}."
    )
