"""What every backbone costs with its own top: counted once, and kept until the code or Keras changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from glasshouse.models.catalog import find_part
from glasshouse.models.costs import Costs, count_unbuilt

KEPT = Path(".glasshouse/costs.json")
MODELS = Path(__file__).parent


@dataclass(frozen=True)
class Counted:
    """A backbone: its name, (height, width, channels) of its own pictures, and what it costs."""

    name: str
    input_size_px: tuple[int, int, int]
    costs: Costs

    def describe(self, batch_size: int) -> dict[str, Any]:
        """Plain values for JSON; `flops` are multiply-adds of one picture, all bytes are float32's."""
        costs = self.costs
        return {
            "name": self.name,
            "input_size": list(self.input_size_px),
            "params_total": costs.params_total,
            "params_trainable": costs.params_trainable,
            "weights_bytes": costs.weights_bytes,
            "flops": costs.flops,
            "forward_bytes": costs.forward_bytes,
            "training_bytes": costs.training_bytes(batch_size),
            "batch_size": batch_size,
        }


def count_backbone(name: str) -> Counted:
    """Count the backbone `name` with its own top, options at their defaults.

    Raises:
        Exception: whatever keeps its file from building the network.
    """
    part = find_part("backbones", name)
    params = part.Params(name=name, weights="none")
    costs = count_unbuilt(lambda: part.build_classifier(params))
    return Counted(name, tuple(part.INPUT_SIZE_PX), costs)


def read_counted(path: Path) -> dict[str, Counted]:
    """What was kept and still holds; empty where nothing was, or where code or Keras changed since.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["digest"] != digest_code():
            return {}
        return {name: _restore(name, values) for name, values in kept["backbones"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it.") from error


def write_counted(path: Path, counted: Iterable[Counted]) -> None:
    """Keep what was counted; the file appears in one step."""
    backbones = {each.name: asdict(each) for each in counted}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(
        json.dumps({"digest": digest_code(), "backbones": backbones}, indent=1), encoding="utf-8"
    )
    os.replace(draft, path)


def digest_code(folder: Path = MODELS) -> str:
    """SHA-256 of the networks' sources and Keras's version."""
    digest = hashlib.sha256(version("keras").encode())
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _restore(name: str, values: Mapping[str, Any]) -> Counted:
    height, width, channels = values["input_size_px"]
    return Counted(name, (height, width, channels), Costs(**values["costs"]))
