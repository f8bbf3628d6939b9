"""Networks from and to files, at the size and classes of prepared pictures."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from glasshouse.inputs.prepared import Prepared
from glasshouse.models.archive import load_weights_into, read_notes, save_network
from glasshouse.models.catalog import find_part
from glasshouse.models.network import Network, build_network
from glasshouse.params import Model

DIGITS = 6  # of a history's numbers


def start_network(model: Model, prepared: Prepared, seed: int) -> Network:
    """A fresh network with pretrained backbone for these pictures, with the priors that its head learns from
    their boxes."""
    return _build(model, prepared, load_weights=True, priors=_learn_priors(model, prepared, seed))


def open_network(model: Model, prepared: Prepared, path: Path) -> Network:
    """A trained network from its file, with the priors of its head.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds another architecture, or is damaged.
    """
    try:
        priors = read_notes(path)["priors"]
        network = _build(model, prepared, load_weights=False, priors=priors)
        load_weights_into(network.full, path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is damaged ({error}); run the stage that writes it again.") from error
    return network


def write_training(network: Network, history: list[dict[str, Any]], path: Path) -> None:
    """Write the network to `path` (.keras) and its history beside it (.json).

    Both depend on their content alone.
    """
    save_network(network.full, path, {"priors": network.priors})
    rows = [{name: as_json(value) for name, value in row.items()} for row in history]
    text = json.dumps(rows, indent=1, allow_nan=False)
    path.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")


def as_json(value: Any) -> Any:
    """A value for strict JSON: rounded; null for a score that is not defined, as without objects."""
    if not isinstance(value, float):
        return value
    return round(value, DIGITS) if math.isfinite(value) else None


def read_history(path: Path) -> list[dict[str, Any]]:
    """The history that `write_training` wrote beside a network's file."""
    rows: list[dict[str, Any]] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return rows


def named_weights(network: Network) -> list[tuple[str, Any]]:
    """Every weight's path and values."""
    return [(weight.path, np.asarray(weight)) for weight in network.full.weights]


def _learn_priors(model: Model, prepared: Prepared, seed: int) -> Any:
    learn = getattr(find_part("heads", model.head.name), "learn_priors", None)
    if learn is None:
        return None
    boxes, labels = prepared.labels()
    there = labels >= 0
    return learn(model.head, boxes[there], labels[there], prepared.pixels.shape[1:3], seed)


def _build(model: Model, prepared: Prepared, *, load_weights: bool, priors: Any) -> Network:
    height, width = prepared.pixels.shape[1:3]
    return build_network(
        model,
        height_px=height,
        width_px=width,
        classes=len(prepared.categories),
        load_weights=load_weights,
        priors=priors,
    )
