"""Where and with what a retraining works, and what it demands before it begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glasshouse.journal.pipeline import PARAMS, look_up, read_pipeline, read_yaml
from glasshouse.promotion.ledger import LEDGER
from glasshouse.retraining import acceptance
from glasshouse.retraining.change import REPORT, list_tracked, list_uncommitted
from glasshouse.retraining.report import FIGURES
from glasshouse.retraining.shelf import Remote, find_remote, list_weights, tracks
from glasshouse.tracking.commits import list_unheld
from glasshouse.tracking.store import Store, locate_store

WEIGHTS = "model.backbone.weights"

Say = Callable[[str], None]


class NotCommitted(ValueError):
    """What would be run is in no commit."""


class NotLasting(ValueError):
    """On a machine that is thrown away, results need a place that stays."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and with what a retraining works; `tracked`: the .dvc file of the pictures, None without one;
    `weights`: the .dvc files of weights."""

    root: Path
    store: Store
    remote: Remote | None
    tracked: Path | None
    say: Say
    weights: Sequence[Path] = ()

    @property
    def inputs(self) -> list[str]:
        """Files that a state is made of, and that a retraining may bring up to date itself."""
        names = [Path(".dvcignore"), acceptance.PROFILE, acceptance.SPLITS, self.tracked]
        return [name.as_posix() for name in names if name is not None]

    @property
    def results(self) -> list[str]:
        """Files that a retraining leaves for git; a name is listed also where the file is gone."""
        names = {"dvc.lock", LEDGER.as_posix(), REPORT.as_posix()}
        for folder in (FIGURES, acceptance.WAITING):
            names |= set(list_tracked(self.root, folder.as_posix()))
            names |= {path.relative_to(self.root).as_posix() for path in (self.root / folder).glob("*")}
        return sorted(names)


def open_setting(root: Path, say: Say, store: Store | None = None) -> Setting:
    """What the configuration names; raises DataFault as `tracks` does."""
    params = read_yaml(root / PARAMS)
    dataset, weights = str(look_up(params, "dataset.path")), str(look_up(params, WEIGHTS))
    tracked = tracks(root, dataset) if look_up(params, "dataset.source") == "folder" else None
    store = store or locate_store(root)
    return Setting(root, store, find_remote(root), tracked, say, list_weights(root, weights))


def demand_lasting(setting: Setting) -> None:
    """Raise NotLasting in a GitHub workflow without a registry or remote of its own."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise NotLasting(
            "MLFLOW_TRACKING_URI is not set: this machine is thrown away, and the champion with it. Set the "
            "secret of that name (docs/retraining.md)."
        )
    if setting.remote is None:
        raise NotLasting(
            "DVC has no default remote: this machine is thrown away, and data and models with it. Set one "
            "with `dvc remote add --default` and commit .dvc/config (docs/retraining.md)."
        )


def list_foreign(setting: Setting) -> list[str]:
    """Params, code and weights that are not as in HEAD; pictures are DVC's, or whoever's they are.

    git takes up no .h5 file: weights that params.yaml names may be kept by a .dvc file in HEAD instead.
    """
    params = read_yaml(setting.root / PARAMS)
    dataset, weights = str(look_up(params, "dataset.path")), str(look_up(params, WEIGHTS))
    sources = [path for path in read_pipeline(setting.root, params).sources if path != dataset]
    shelved = [path.as_posix() for path in setting.weights]
    found = list_uncommitted(setting.root, [PARAMS, "dvc.yaml", *sources, *shelved])
    if weights.endswith(".h5"):
        found += list_unheld(setting.root, "HEAD", [weights])
    return [path for path in dict.fromkeys(found) if path not in setting.inputs]
