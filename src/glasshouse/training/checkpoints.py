"""One checkpoint an epoch, from which a killed training goes on to the very bytes of an undisturbed one."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from glasshouse.tables.folders import name_in_errors

# What NumPy and zipfile raise of a file that is cut short, or whose bits have changed (one of
# them says that a password is wanted, which is a RuntimeError).
DAMAGES = (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class Checkpoint:
    """The state of one training at the end of its last whole epoch, in one file that is replaced at once.

    Holds every variable of the learner (also moving statistics and random seeds) and of its optimizer (also
    its step and moving averages), the history, and a key that names parameters, data and code: a checkpoint
    with another key is never resumed.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Keep the checkpoint at `path`, for the training that `key` names."""
        self.path, self.key = path, key

    def save(self, learner: Any, history: list[dict[str, Any]]) -> None:
        """Write the state after `len(history)` epochs; a kill in the middle leaves the one before."""
        note = json.dumps({"key": self.key, "history": history})
        arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(_variables(learner))}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        with name_in_errors(self.path), draft.open("wb") as file:
            np.savez(file, note=np.frombuffer(note.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

    def load(self, learner: Any) -> list[dict[str, Any]]:
        """Restore the state into a built learner with a built optimizer.

        Returns:
            The history so far; empty, and nothing changed, where there is no checkpoint, it is damaged, or it
            is of another training.
        """
        try:
            # Arrays are read from the file one by one, so all of them before the first variable changes.
            data = dict(np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False))
            note = json.loads(data.pop("note").tobytes())
        except (FileNotFoundError, *DAMAGES):
            return []
        variables = _variables(learner)
        if note["key"] != self.key or len(data) != len(variables):
            return []
        for i, variable in enumerate(variables):
            variable.assign(data[f"v{i}"])
        history: list[dict[str, Any]] = note["history"]
        return history

    def clear(self) -> None:
        """Remove the file, once the stage's output is written."""
        self.path.unlink(missing_ok=True)


def _variables(learner: Any) -> list[Any]:
    return [*learner.variables, *learner.optimizer.variables]
