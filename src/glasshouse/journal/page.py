"""A state's own page in the journal: what its run in MLflow needs, should its files be gone by then."""

from __future__ import annotations

import os
import time
from pathlib import Path

from glasshouse.journal.journal import ABOUT, state_folder, write_about
from glasshouse.journal.pipeline import PARAMS
from glasshouse.journal.state import State
from glasshouse.params import flatten, read_params

EXPERIMENTS = Path(".dvc", "tmp", "exps")  # below it DVC makes its copies of a project


def find_home(root: Path) -> Path:
    """The project whose journal tells of what runs in `root`.

    That is `root` itself; but the copy that `dvc exp run --temp` or `--queue` works in is removed with all
    that is in it, so what ran there is told where it was asked for.
    """
    project = Path(os.environ.get("DVC_ROOT", root))  # in such a copy DVC names the project
    return project if root.resolve().is_relative_to((project / EXPERIMENTS).resolve()) else root


def write_page(root: Path, state: State) -> Path:
    """Write the page where it is missing; returns the state's folder. Raises ParamsError."""
    folder = state_folder(find_home(root), state.id)
    if (folder / ABOUT).is_file():
        return folder
    params = read_params(root / PARAMS)
    parts = (params.model.backbone, params.model.neck, params.model.head)
    name = f"{' '.join(part.name for part in parts)} {state.id[:8]}"
    about = {"state": state.id, "name": name, "time": round(time.time(), 6), "params": flatten(params)}
    write_about(folder, {**about, "sources": state.sources})
    return folder
