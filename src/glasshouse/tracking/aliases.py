"""The registered model's versions and the aliases that say which one counts: champion, challenger, previous.

Promoters are kept apart by claims (`tracking.claims`).
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from glasshouse.tracking.addresses import conceal
from glasshouse.tracking.claims import WAIT_SECONDS, Claim, Contended, claimed
from glasshouse.tracking.facts import Facts
from glasshouse.tracking.mirror import filter_versions, has_run
from glasshouse.tracking.store import AFTERWARDS, Patience, Store, StoreAway, connect, spoken

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
NETWORK_FILE = "model.onnx"  # in the folder of a registered model
LINEAGE = "lineage"  # folder of a run's artifacts: pictures.json, dvc.lock and the like


class RegistryFault(RuntimeError):
    """The registry does not hold what it should; the message says what and what to do."""


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
        self._client = None if store.is_unborn else connect(store, patience)
        self._claim: Claim | None = None

    @property
    def client(self) -> MlflowClient:
        """Of a store that is there; raises RegistryFault."""
        if self._client is None:
            raise RegistryFault(f"there is no MLflow database at {self.store.shown}: `glasshouse runs sync`.")
        return self._client

    def aliases(self) -> dict[str, str]:
        """Alias -> version number; empty where no model of this name is registered."""
        return self._read()[0]

    def find(self, alias: str) -> Version | None:
        """The version that an alias points to."""
        number = self.aliases().get(alias)
        return None if number is None else self.read(number)

    def find_state(self, state: str) -> Version | None:
        """The version of a pipeline state; one whose run was deleted counts as little as for `register`."""
        if self._client is None:
            return None
        with spoken(self.store):
            known = self._client.search_model_versions(filter_versions(self.name, state))
            found = [entry for entry in known if has_run(self._client, entry)]
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
        self._keep_claim()
        if self.aliases().get(alias) != number:
            self._set_alias(alias, number)

    def move(self, alias: str, number: str | None, champion: str | None) -> None:
        """`point`, after a last look: on the claim that is held, and on which version is @champion.

        Raises:
            Contended: the claim is not held any more, or @champion is another version than `champion`.
        """
        self._keep_claim()
        aliases, tags = self._read()
        if self._claim is not None:
            self._claim.demand(tags)
        if aliases.get(CHAMPION) != champion:
            raise Contended(
                f"@{CHAMPION} of {self.name} is version {aliases.get(CHAMPION) or '(none)'} now, not "
                f"{champion or '(none)'} as when this was decided: it was left alone. Run it again."
            )
        if aliases.get(alias) != number:
            self._set_alias(alias, number)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version, where they differ from those that it had when it was read."""
        with spoken(self.store):
            for key, value in tags.items():
                self._keep_claim()
                if version.tags.get(key) != value:
                    self.client.set_model_version_tag(self.name, version.number, key, value)

    def untag(self, version: Version, key: str) -> None:
        """Take a tag of a version away."""
        if key in version.tags:
            self._keep_claim()
            with spoken(self.store):
                self.client.delete_model_version_tag(self.name, version.number, key)

    def fetch_network(self, version: Version, folder: Path) -> Path:
        """Download its ONNX file; raises RegistryFault as the function does."""
        return fetch_network(self.store, version.shown, version.source, version.facts.network, folder)

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

    def read_params(self, version: Version) -> dict[str, str]:
        """The params of its run, dotted, with numbers where params.yaml says `auto`."""
        with spoken(self.store):
            return dict(self.client.get_run(version.run_id).data.params)

    def fetch_pictures(self, version: Version, folder: Path) -> dict[str, list[str]]:
        """Split -> keys of its pictures."""
        pictures: dict[str, list[str]] = json.loads(self.fetch(version, "pictures.json", folder).read_text())
        return pictures

    @contextmanager
    def claimed(self, place: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
        """Alone among all promoters of this model; raises Contended where another holds on too long.

        Args:
            place: of the caller; no other process claims for the same place (`store.alone` sees to that).
            wait_seconds: how long to try.
        """
        with claimed(self, place, wait_seconds) as self._claim:
            try:
                yield
            finally:
                self._claim = None

    def read_tags(self) -> dict[str, str]:
        """Tags of the registered model, without those of its versions; empty where there is none."""
        return self._read()[1]

    def set_tag(self, key: str, value: str) -> None:
        """Set a tag of the registered model."""
        with spoken(self.store):
            self.client.set_registered_model_tag(self.name, key, value)

    def drop_tag(self, key: str) -> None:
        """Take a tag of the registered model away, if it is there."""
        from mlflow.exceptions import MlflowException

        with spoken(self.store):
            try:
                self.client.delete_registered_model_tag(self.name, key)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # taken away as dead
                    raise

    def _set_alias(self, alias: str, number: str | None) -> None:
        with spoken(self.store), self._claim.moving() if self._claim is not None else nullcontext():
            if number is None:
                self.client.delete_registered_model_alias(self.name, alias)
            else:
                self.client.set_registered_model_alias(self.name, alias, number)

    def _keep_claim(self) -> None:
        if self._claim is not None:
            self._claim.keep()

    def _read(self) -> tuple[dict[str, str], dict[str, str]]:
        """Aliases (name -> version number) and tags of the registered model."""
        model = self._model()
        if model is None:
            return {}, {}
        return {name: str(number) for name, number in model.aliases.items()}, dict(model.tags)

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


def fetch_network(store: Store, shown: str, source: str, digest: str | None, folder: Path) -> Path:
    """Download the ONNX file of a version, or find it where it lies on this machine.

    Args:
        shown: the version, for people; source: the address of its files.
        digest: SHA-256 that was registered, None where that is not known.

    Raises:
        RegistryFault: the file is gone, or not what was registered.
    """
    import mlflow.artifacts

    address = f"{source.rstrip('/')}/{NETWORK_FILE}"
    try:
        with spoken(store):
            place = mlflow.artifacts.download_artifacts(
                artifact_uri=address, dst_path=str(folder), tracking_uri=store.uri
            )
    except StoreAway as error:
        raise RegistryFault(
            f"the ONNX file of {shown} cannot be fetched from {conceal(address)}: {error}"
            f"{_say_where(store, source)}"
        ) from error
    path = Path(place)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest is not None and found != digest:
        raise RegistryFault(
            f"the ONNX file of {shown} has SHA-256 {found[:12]}, but {digest[:12]} was registered: the "
            "store's artifacts were changed."
        )
    return path


def _say_where(store: Store, source: str) -> str:
    """What a server that serves no files leaves to its users: a folder that all of them must share."""
    if not store.is_server or urlsplit(source).scheme not in ("", "file"):
        return ""
    return (
        " The server leaves files to that folder of each machine: share it with the one that registered the "
        "version, or let the server serve them (`mlflow server --artifacts-destination`)."
    )


def name_place(root: Path) -> str:
    """This folder of this machine, as no other is called."""
    status = root.stat()
    return f"{socket.gethostname()} {root.resolve()} {status.st_dev}:{status.st_ino}"


def _as_version(entry: Any) -> Version:
    tags, created = dict(entry.tags), entry.creation_timestamp / 1000
    return Version(entry.name, str(entry.version), str(entry.run_id or ""), str(entry.source), created, tags)
