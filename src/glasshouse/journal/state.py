"""A pipeline state: everything from outside that decides what the stages write.

That is params.yaml (without the blocks `tracking` and `promotion`, which change no stage's bytes), the stages
of dvc.yaml, and the content of every dependency that no stage makes. Those are, as dvc.yaml lists them, the
code each stage imports and the built-in weights; added to them are the folder of pictures
(`dataset.source: folder`) and a weights file that params.yaml names by its path. For `blooms` the params hold
everything about the data. Code that no stage imports (the mirror, the command line) is no part of a state,
just as DVC runs nothing anew for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from glasshouse.journal.digests import Digests
from glasshouse.journal.pipeline import PARAMS, look_up, read_pipeline, read_yaml

OUTSIDE = ("tracking", "promotion")  # the blocks of params.yaml that are no part of a state

FROZEN = "frozen"  # what `dvc freeze` and `unfreeze` write says when a stage runs, not what it makes


@dataclass(frozen=True)
class State:
    """Params as they stand in the file, the stages of dvc.yaml, path -> digest of what comes from outside."""

    params: dict[str, Any]
    stages: dict[str, Any]
    sources: dict[str, str | None]

    @cached_property
    def id(self) -> str:
        """SHA-256 (hex) of the state: equal ids mean equal bytes out of every stage."""
        parts = {"params": self.params, "stages": self.stages, "sources": self.sources}
        return digest_values(parts)


def digest_values(values: Any) -> str:
    """SHA-256 (hex) of JSON-like values, the same however their keys are ordered."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_state(root: Path) -> State:
    """The present state of the project in `root`; raises ValueError without dvc.yaml or params.yaml."""
    path = root / PARAMS
    if not path.is_file():
        raise ValueError(f"{path} is missing: run in the project's folder.")
    params = read_yaml(path)
    pipeline = read_pipeline(root, params)
    digests = Digests(root)
    paths = sorted({*pipeline.sources, *_named_by_params(params)})
    sources = {path: digests.digest(path) for path in paths}
    digests.save()
    inside = {name: block for name, block in params.items() if name not in OUTSIDE}
    stages = {
        name: {key: value for key, value in block.items() if key != FROZEN}
        for name, block in pipeline.document.items()
    }
    return State(inside, stages, sources)


def _named_by_params(params: Mapping[str, Any]) -> list[str]:
    """Files and folders whose content counts because params.yaml names them."""
    named = []
    if look_up(params, "dataset.source") == "folder":
        named.append(str(look_up(params, "dataset.path")))
    weights = str(look_up(params, "model.backbone.weights"))
    if weights.endswith(".h5"):
        named.append(weights)
    return named
