"""The registered model's versions and the aliases that say which one counts: champion, challenger, previous.

MLflow moves an alias without asking what it pointed to, so two promoters could each overwrite the other's
decision. `Registry.claimed` keeps them apart, on one machine or on several that share a server: whoever wants
to move an alias first sets a claim of its own (a tag of the registered model) and then looks for others. Of
two that claim at once at least one sees the other, and a promoter that sees another steps back and tries
again. A claim whose promoter was killed is taken away: at once by the next one in the same folder, whose lock
says that nobody else can be at work there; by others after CLAIM_SECONDS.
"""

from __future__ import annotations

import json
import random
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glasshouse.tracking.facts import Facts
from glasshouse.tracking.mirror import STATE
from glasshouse.tracking.store import AFTERWARDS, Patience, Store, StoreAway, connect, spoken

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
CLAIM = "promotion.claim."  # + a name of its own: one tag a promoter at work
CLAIM_SECONDS = 120.0  # what is done under a claim takes a few requests
LINEAGE = "lineage"  # folder of a run's artifacts: pictures.json, dvc.lock and the like


class RegistryFault(RuntimeError):
    """The registry does not hold what it should; the message says what and what to do."""


class Contended(RegistryFault):
    """Another promoter is at work."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the registered model; created in seconds since 1970."""

    name: str
    number: str
    run_id: str
    source: str
    created: float
    tags: dict[str, str]

    @property
    def shown(self) -> str:
        """`blooms-detector version 3`."""
        return f"{self.name} version {self.number}"

    @property
    def facts(self) -> Facts:
        """What it says of itself; raises FactsMissing."""
        return Facts.from_tags(self.tags, self.shown)


class Registry:
    """One registered model of one store. Every call raises StoreAway where the store breaks off."""

    def __init__(self, store: Store, name: str, patience: Patience = AFTERWARDS) -> None:
        self.store, self.name = store, name
        # Asking a database that is not there would create it.
        self._client = None if is_unborn(store) else connect(store, patience)

    @property
    def client(self) -> MlflowClient:
        """Of a store that is there; raises RegistryFault."""
        if self._client is None:
            raise RegistryFault(f"there is no MLflow database at {self.store.shown}: `glasshouse runs sync`.")
        return self._client

    def aliases(self) -> dict[str, str]:
        """Alias -> version number; empty where no model of this name is registered."""
        model = self._model()
        return {} if model is None else {name: str(number) for name, number in model.aliases.items()}

    def find(self, alias: str) -> Version | None:
        """The version that an alias points to."""
        number = self.aliases().get(alias)
        return None if number is None else self.read(number)

    def find_state(self, state: str) -> Version | None:
        """The version of a pipeline state."""
        if self._client is None:
            return None
        quoted = self.name.replace("'", "''")
        with spoken(self.store):
            found = self._client.search_model_versions(f"name = '{quoted}' and tags.`{STATE}` = '{state}'")
        return min(map(_as_version, found), key=lambda version: int(version.number), default=None)

    def read(self, number: str) -> Version | None:
        """A version by its number, None where there is none (any more)."""
        if self._client is None:
            return None
        from mlflow.exceptions import MlflowException

        with spoken(self.store):
            try:
                return _as_version(self._client.get_model_version(self.name, number))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        return None

    def point(self, alias: str, number: str | None) -> None:
        """Move an alias to a version; None takes it away. What stands so already is left alone."""
        if self.aliases().get(alias) == number:
            return
        with spoken(self.store):
            if number is None:
                self.client.delete_registered_model_alias(self.name, alias)
            else:
                self.client.set_registered_model_alias(self.name, alias, number)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version, where they differ from those that it had when it was read."""
        with spoken(self.store):
            for key, value in tags.items():
                if version.tags.get(key) != value:
                    self.client.set_model_version_tag(self.name, version.number, key, value)

    def untag(self, version: Version, key: str) -> None:
        """Take a tag of a version away."""
        if key in version.tags:
            with spoken(self.store):
                self.client.delete_model_version_tag(self.name, version.number, key)

    def fetch_network(self, version: Version, folder: Path) -> Path:
        """Download its ONNX file; raises RegistryFault where it is gone, or not what was registered."""
        import hashlib

        import mlflow.artifacts

        try:
            with spoken(self.store):
                place = mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{version.source.rstrip('/')}/model.onnx",
                    dst_path=str(folder),
                    tracking_uri=self.store.uri,
                )
        except StoreAway as error:
            raise RegistryFault(f"the ONNX file of {version.shown} cannot be fetched: {error}") from error
        path = Path(place)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != version.facts.network:
            raise RegistryFault(
                f"the ONNX file of {version.shown} has SHA-256 {digest[:12]}, but "
                f"{version.facts.network[:12]} was registered: the store's artifacts were changed."
            )
        return path

    def fetch(self, version: Version, name: str, folder: Path) -> Path:
        """Download a file of its lineage; raises RegistryFault where it is gone."""
        try:
            with spoken(self.store):
                place = self.client.download_artifacts(version.run_id, f"{LINEAGE}/{name}", str(folder))
        except StoreAway as error:
            raise RegistryFault(
                f"{version.shown}: {LINEAGE}/{name} of its run cannot be fetched: {error}"
            ) from error
        return Path(place)

    def fetch_pictures(self, version: Version, folder: Path) -> dict[str, list[str]]:
        """Split -> keys of its pictures."""
        pictures: dict[str, list[str]] = json.loads(self.fetch(version, "pictures.json", folder).read_text())
        return pictures

    @contextmanager
    def claimed(self, place: str, wait_seconds: float = 2 * CLAIM_SECONDS) -> Iterator[None]:
        """Alone among all promoters of this model; raises Contended where another holds on too long.

        Args:
            place: of the caller; no other process claims for the same place (`store.alone` sees to that).
            wait_seconds: how long to try.
        """
        mine, deadline = f"{CLAIM}{uuid.uuid4().hex}", time.monotonic() + wait_seconds
        while True:
            self._claim(mine, place)
            if not self._others(mine, place):
                break
            self._disclaim(mine)
            if time.monotonic() > deadline:
                raise Contended(
                    f"another promoter has been at work on {self.name} for {wait_seconds:.0f} s: run this "
                    "again later."
                )
            time.sleep(random.uniform(0.05, 0.5))
        try:
            yield
        finally:
            self._disclaim(mine)

    def _claim(self, key: str, place: str) -> None:
        with spoken(self.store):
            self.client.set_registered_model_tag(self.name, key, f"{time.time():.3f} {place}")

    def _disclaim(self, key: str) -> None:
        from mlflow.exceptions import MlflowException

        with spoken(self.store):
            try:
                self.client.delete_registered_model_tag(self.name, key)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # taken away as too old
                    raise

    def _others(self, mine: str, place: str) -> list[str]:
        """Claims of other promoters; those of dead ones are taken away."""
        model, others = self._model(), []
        for key, claim in ({} if model is None else model.tags).items():
            if not key.startswith(CLAIM) or key == mine:
                continue
            since, _, theirs = claim.partition(" ")
            if theirs == place or time.time() - float(since) > CLAIM_SECONDS:
                self._disclaim(key)
            else:
                others.append(key)
        return others

    def _model(self) -> Any:
        from mlflow.exceptions import MlflowException

        if self._client is None:
            return None
        with spoken(self.store):
            try:
                return self._client.get_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        return None


def name_place(root: Path) -> str:
    """This folder of this machine, as no other is called."""
    status = root.stat()
    return f"{socket.gethostname()} {root.resolve()} {status.st_dev}:{status.st_ino}"


def is_unborn(store: Store) -> bool:
    """Whether the store is a database file that does not exist yet."""
    kind, _, place = store.uri.partition(":///")
    return kind == "sqlite" and not Path(place.partition("?")[0]).is_file()


def _as_version(entry: Any) -> Version:
    tags, created = dict(entry.tags), entry.creation_timestamp / 1000
    return Version(entry.name, str(entry.version), str(entry.run_id or ""), str(entry.source), created, tags)
