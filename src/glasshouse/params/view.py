"""What one stage may read of params.yaml: its declared keys and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from glasshouse.params.faults import suggest
from glasshouse.params.parts import PARTS_PACKAGE
from glasshouse.params.read import read_params

_DECODING = (
    "evaluate.score_threshold",
    "evaluate.nms",
    "evaluate.nms_iou",
    "evaluate.max_detections",
    "evaluate.batch_size",
)

# The `params` of the stage in dvc.yaml: a change of any other key leaves the stage alone.
STAGE_KEYS: dict[str, tuple[str, ...]] = {
    "download": ("seed", "dataset", "split.near_copy_bits", "quality.mode", "quality.download"),
    "split": ("seed", "split", "quality.mode", "quality.split"),
    "preprocess": ("preprocess", "quality.mode", "quality.preprocess"),
    "train_head": (
        "seed",
        "model",
        "train_head",
        "augment",
        "preprocess.pad_value",
        "quality.mode",
        "quality.train_head",
    ),
    "fine_tune": (
        "seed",
        "model",
        "fine_tune",
        "augment",
        "preprocess.pad_value",
        *_DECODING,
        "quality.mode",
        "quality.fine_tune",
    ),
    "evaluate": ("seed", "model", "evaluate", "quality.mode", "quality.evaluate"),
    "export": ("seed", "preprocess", "model", *_DECODING, "export", "quality.mode", "quality.export"),
}


class View:
    """The keys that `stage` declares, as attributes; any other raises AttributeError."""

    __slots__ = ("_keys", "_prefix", "_stage", "_values")

    def __init__(self, stage: str, values: Any, keys: tuple[str, ...], prefix: str = "") -> None:
        self._stage, self._values, self._keys, self._prefix = (
            stage,
            values,
            keys,
            prefix,
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying and pickling ask for such names before anything is set
            raise AttributeError(name)
        key = f"{self._prefix}{name}"
        if key in self._keys:
            return getattr(self._values, name)
        if any(declared.startswith(f"{key}.") for declared in self._keys):
            return View(self._stage, getattr(self._values, name), self._keys, f"{key}.")
        self._refuse(key)

    def __dir__(self) -> list[str]:
        inside = (key.removeprefix(self._prefix) for key in self._keys if key.startswith(self._prefix))
        return sorted({key.partition(".")[0] for key in inside})

    def __repr__(self) -> str:
        return f"View({self._stage}: {', '.join(self._keys)})"

    def _refuse(self, key: str) -> NoReturn:
        raise AttributeError(
            f"stage {self._stage} does not declare {key} (its keys: {', '.join(self._keys)}). "
            "Add it to STAGE_KEYS in glasshouse/params/view.py and run tools/write_deps.py."
        )


def read_view(stage: str, path: Path = Path("params.yaml"), package: str = PARTS_PACKAGE) -> View:
    """Check the whole file, then give `stage` its keys; raises ParamsError, ValueError for no such stage."""
    if stage not in STAGE_KEYS:
        raise ValueError(f"no stage {stage!r}. {suggest(stage, STAGE_KEYS)}")
    return View(stage, read_params(path, package), STAGE_KEYS[stage])
