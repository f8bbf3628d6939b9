"""DVC's side: the remote, the pictures and weights that DVC keeps, and where new ones come from."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from glasshouse.journal.pipeline import read_yaml
from glasshouse.models.pretrained import WATCHED
from glasshouse.retraining.imported import LEFT, MARK, set_aside, update
from glasshouse.retraining.programs import ProgramFailed, ask, attempt, say_reason
from glasshouse.tracking.addresses import conceal
from glasshouse.tracking.commits import name_keepers

KNOCK_SECONDS = 5.0
PORTS = {"http": 80, "https": 443, "ssh": 22, "webdav": 80, "webdavs": 443}
UNSAVED = "unsaved files"  # in what DVC says when a checkout would lose a person's files


class RemoteAway(RuntimeError):
    """The DVC remote cannot be reached, or broke off."""


class DataFault(ValueError):
    """The pictures here and those that DVC keeps are at odds; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The default remote of DVC's configuration."""

    name: str
    url: str

    @property
    def shown(self) -> str:
        """Name and address, without a password."""
        return f"{self.name} ({conceal(self.url)})"


def find_remote(root: Path) -> Remote | None:
    """The default remote; None where none is set. Raises ProgramFailed where `root` is no DVC project."""
    name = ask(root, "dvc", "config", "core.remote").strip()
    return Remote(name, ask(root, "dvc", "config", f"remote.{name}.url").strip()) if name else None


def knock(remote: Remote) -> None:
    """Raise RemoteAway where a folder is not there, or a host does not answer.

    DVC itself takes a missing folder for an empty remote, and passes over a host that is down as long as it
    has everything in its cache. Other kinds (s3, gs, azure) answer for themselves when they are asked.
    """
    parts = urlsplit(remote.url)
    if parts.scheme in ("", "file"):
        if not Path(parts.path).is_dir():
            raise RemoteAway(
                f"DVC's remote {remote.shown} is no folder here: mount it, or make it for the first time."
            )
    elif parts.scheme in PORTS and parts.hostname:
        address = parts.hostname, parts.port or PORTS[parts.scheme]
        try:
            socket.create_connection(address, KNOCK_SECONDS).close()
        except OSError as error:
            raise RemoteAway(f"DVC's remote {remote.shown} does not answer ({error}).") from error


def pull(root: Path, remote: Remote, stages: Iterable[str]) -> None:
    """Fetch the run cache and the stages' outputs that dvc.lock names; what nobody pushed yet is left out.

    The stages' outputs here give way (`--force`): a killed stage's half ones are no person's work.
    """
    knock(remote)
    done = attempt(root, "dvc", "pull", "--run-cache", "--force", "--allow-missing", *stages)
    if done.returncode:
        raise RemoteAway(f"`dvc pull` from {remote.shown} failed: {say_reason(done)}.")


def push(root: Path, remote: Remote) -> None:
    """Push data and run cache; raises RemoteAway."""
    knock(remote)
    done = attempt(root, "dvc", "push", "--run-cache")
    if done.returncode:
        raise RemoteAway(f"`dvc push` to {remote.shown} failed: {say_reason(done)}.")


def tracks(root: Path, dataset: str) -> Path | None:
    """The .dvc file of the data set's folder or archive, or of a folder around it; None where DVC keeps
    nothing of it.

    Raises:
        DataFault: DVC keeps something inside of the folder and not the folder, so nobody would ask for the
            rest.
    """
    keepers = name_keepers(dataset)
    for keeper in keepers:
        if (root / keeper).is_file():
            return Path(keeper)
    below = (root / dataset).rglob("*.dvc") if keepers else iter(())  # beyond the project: not ours to judge
    inside = next((path for path in below if path.is_file()), None)
    if inside is not None:
        raise DataFault(
            f"{inside.relative_to(root)} lies in dataset.path ({dataset}), and no {keepers[0]} keeps the "
            "whole: new pictures would not be asked for. Give DVC a folder that is not there yet (`dvc "
            "import-url FROM data/photos`), and let dataset.path name it (docs/retraining.md)."
        )
    return None


def list_weights(root: Path, weights: str) -> list[Path]:
    """The .dvc files of weights: of the file that is named, and of any in the folder that the training
    depends on as a whole."""
    named = [Path(keeper) for keeper in name_keepers(weights) if weights.endswith(".h5")]
    beside = sorted(path.relative_to(root) for path in (root / WATCHED).rglob("*.dvc"))
    return [path for path in dict.fromkeys([*named, *beside]) if (root / path).is_file()]


def fetch_weights(root: Path, tracked: Sequence[Path], remote: Remote | None) -> str:
    """Bring weights as their .dvc files in git say them; says so.

    Raises:
        RemoteAway: they are missing here, and on the remote too.
        DataFault: a person's weights would be lost.
    """
    names = [path.as_posix() for path in tracked]
    done = attempt(root, "dvc", "checkout" if remote is None else "pull", *names)
    if UNSAVED in done.stderr:
        raise DataFault(
            f"weights here are not as {', '.join(names)} say, and DVC does not have them. Keep them: `dvc "
            "add` the .h5 file, and commit its .dvc file. Or drop them: `dvc checkout --force`. Then run "
            "this again."
        )
    _demand_had("weights", names, remote, done)
    return f"the weights are as {', '.join(names)} say{'s' if len(names) == 1 else ''}"


def fetch_pictures(root: Path, tracked: Path, remote: Remote | None) -> str:
    """Bring the pictures of a .dvc file up to date; says what was done.

    Args:
        tracked: the .dvc file, relative to the root. One that `dvc import` or `dvc import-url` made is
            updated from where it came; another one's pictures are pulled from the remote.

    Raises:
        ProgramFailed: the place that an import came from cannot be reached.
        RemoteAway: pictures are missing here, and on the remote too.
        DataFault: a person's pictures would be lost.
    """
    document = read_yaml(root / tracked)
    imported = bool(document.get("frozen") and document.get("deps"))
    bring = "dvc", "checkout" if remote is None else "pull", tracked.as_posix()
    done = attempt(root, *bring)
    if UNSAVED in done.stderr and imported and set_aside(root, tracked):
        done = attempt(root, *bring)
    if UNSAVED in done.stderr:
        added = _find_added(root, tracked, imported)
        return f"{len(added)} pictures were added to {tracked.with_suffix('').as_posix()} here"
    if imported:
        try:
            left = update(root, tracked)
        except ProgramFailed:
            if not attempt(root, *bring).returncode:  # DVC empties the folder before it finds nobody there
                (root / MARK).unlink()
            raise
        news = "it is the same" if read_yaml(root / tracked) == document else "there is something new"
        kept = f"; {left} files that lay here and not there are in {LEFT}" if left else ""
        return f"{tracked.as_posix()}: asked where it was imported from: {news}{kept}"
    _demand_had("pictures", [tracked.as_posix()], remote, done)
    return f"the pictures are as {tracked.as_posix()} says"


def _demand_had(
    what: str, names: Sequence[str], remote: Remote | None, done: subprocess.CompletedProcess[str]
) -> None:
    if done.returncode:
        where = "there is no default remote" if remote is None else f"from {remote.shown}"
        raise RemoteAway(f"the {what} of {', '.join(names)} cannot be had ({where}): {say_reason(done)}.")


def _find_added(root: Path, tracked: Path, imported: bool) -> list[str]:
    """Pictures added without a word to DVC: `dvc repro` takes them in, where that loses nothing."""
    place = tracked.with_suffix("").as_posix()
    status = json.loads(ask(root, "dvc", "data", "status", "--granular", "--json", place))
    changes = {
        kind: [path for path in map(_read_change, changed) if not path.endswith("/")]
        for kind, changed in status.get("uncommitted", {}).items()
    }
    others = [path for kind, paths in changes.items() if kind != "added" for path in paths]
    if imported:
        raise DataFault(
            f"{place} is imported, and holds files that were put there by hand: put them where it is "
            f"imported from, drop them here (`dvc checkout --force {tracked.as_posix()}`), run this again."
        )
    if others or not changes.get("added"):
        such = ", ".join(others[:3]) or "the whole"
        raise DataFault(
            f"{place} holds files that DVC does not have, and others differ from what {tracked.as_posix()} "
            f"says (such as {such}). Keep what lies there: `dvc add {place}`. Or drop it: `dvc checkout "
            f"--force {tracked.as_posix()}`. Then run this again."
        )
    return changes["added"]


def _read_change(change: str | dict[str, str]) -> str:
    """The path of a change; of a renaming the old one."""
    return change if isinstance(change, str) else change["old"]
