"""The runs of a comparison in the project's own MLflow store, with tags and figures named alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from glasshouse.comparison.plan import Entry
from glasshouse.tracking.mirror import Mirror
from glasshouse.tracking.store import Store, StoreAway, locate_store, spoken
from glasshouse.tracking.sync import sync

PREFIX = "glasshouse.compare"


class Runs:
    """The store as the comparison sees it: where it is away, one line says so, and the comparison goes on."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, place_store(root)
        self._told = set[str]()
        self._open: set[str] = set()

    def open(self, experiment: str) -> bool:
        """Make sure that the experiment is there, with its files in the project and not in a copy."""
        if experiment not in self._open and self._try(lambda: Mirror(self.root, self.store, experiment)):
            self._open.add(experiment)
        return experiment in self._open

    def show(self, entry: Entry, folder: Path, comparison: str) -> str | None:
        """Mirror a copy's journals and files as `glasshouse runs sync` would; id of its run, None without."""
        if not self.open(entry.params.tracking.experiment):
            return None
        reports = []
        self._try(lambda: reports.append(sync(folder, self.store)))
        run_id = reports[0].parent if reports else None
        if run_id is not None:
            self._tag(entry, run_id, comparison)
        return run_id

    def log(self, entry: Entry, run_id: str, figures: Mapping[str, float | None]) -> None:
        """The leaderboard's figures as metrics `compare/...` of the run."""
        known = {f"compare/{name}": value for name, value in figures.items() if value is not None}

        def write() -> None:
            mirror = Mirror(self.root, self.store, entry.params.tracking.experiment)
            with spoken(self.store):
                mirror.log_values(mirror.client.get_run(run_id), known)

        self._try(write)

    def _tag(self, entry: Entry, run_id: str, comparison: str) -> None:
        tags = {
            PREFIX: comparison,
            f"{PREFIX}.backbone": entry.label,
            f"{PREFIX}.weights": entry.weights,
            f"{PREFIX}.seed": str(entry.seed),
        }

        def write() -> None:
            mirror = Mirror(self.root, self.store, entry.params.tracking.experiment)
            with spoken(self.store):
                mirror.set_tags(mirror.client.get_run(run_id), tags)

        self._try(write)

    def _try(self, action: object) -> bool:
        assert callable(action)
        try:
            action()
        except (StoreAway, ValueError) as error:
            if str(error) not in self._told:
                self._told.add(str(error))
                print(
                    f"warning: {error} The comparison goes on; the same command mirrors it later.",
                    file=sys.stderr,
                )
            return False
        return True


def place_store(root: Path) -> Store:
    """The project's store; a relative SQLite address is one of the project's folder, not of a copy's."""
    store = locate_store(root)
    address = store.uri.removeprefix("sqlite:///")
    if urlsplit(store.uri).scheme == "sqlite" and address != store.uri and not os.path.isabs(address):
        return Store(f"sqlite:///{root.resolve() / address}", store.artifacts)
    return store
