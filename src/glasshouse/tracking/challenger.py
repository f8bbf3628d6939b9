"""The finished state's version says what it is, and is the challenger: the one that asks to be champion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from glasshouse.journal.pipeline import PARAMS
from glasshouse.journal.state import read_state
from glasshouse.tracking.aliases import CHALLENGER, LINEAGE, Registry, Version
from glasshouse.tracking.commits import is_lasting
from glasshouse.tracking.facts import PREFIX, Pictures, read_facts, read_pictures
from glasshouse.tracking.mirror import STATE, Mirror
from glasshouse.tracking.outcome import Outcome
from glasshouse.tracking.registry import DIGEST

if TYPE_CHECKING:
    from mlflow.entities import Run

KEPT = (PARAMS, "dvc.yaml", "dvc.lock")
SEAL = "glasshouse.lineage"  # of the run: what was uploaded last
OUTPUTS = f"{PREFIX}digests"  # of the version: output -> its digest in dvc.lock
OF_COMMIT = (f"{PREFIX}commit", f"{PREFIX}committed")


def find_other(mirror: Mirror, parent: Run, outcome: Outcome, name: str) -> Version | None:
    """The version that came from the state's run, where it has other bytes than lie here."""
    version = Registry(mirror.store, name).find_state(parent.data.tags[STATE])
    if version is None or version.run_id != parent.info.run_id:
        return None
    path = outcome.network
    network = None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    return version if _is_other(version, network, outcome.data_digests) else None


def _is_other(version: Version, network: str | None, digests: Mapping[str, str]) -> bool:
    """Whether the SHA-256 of the ONNX file, or the digest of an output, is not what the version tells of."""
    told = json.loads(version.tags.get(OUTPUTS, "{}"))
    changed = any(told.get(path, digest) != digest for path, digest in digests.items())
    return changed or (network is not None and version.tags.get(DIGEST, network) != network)


def say_other(version: Version) -> str:
    """What it means that a state was registered with other bytes, and what to do."""
    return (
        f"scores, pages and model of here: {version.shown} is this state, but with other bytes, such as "
        "another processor, number of threads or release of TensorFlow makes them, or an edit by hand "
        f"(`glasshouse lineage models:/{version.name}/{version.number} --verify` tells which). What was "
        f"registered stands. To have what lies here in its place, delete run {version.run_id} in MLflow, and "
        "sync again"
    )


def show_challenger(mirror: Mirror, parent: Run, outcome: Outcome, name: str, number: str) -> None:
    """Give the version its facts, its run the files of its lineage, and move @challenger to it.

    Facts once told stand; only a commit that holds the files as they were run replaces one that does not, or
    that is in no branch any more.
    Where the version has other bytes than lie here, nothing else of here is told of it.
    The newest *synced* state is the challenger, not the highest number: data that went bad and was put back
    leads to an old version again.
    """
    pictures = read_pictures(mirror.root)
    facts = read_facts(mirror.root, read_state(mirror.root), outcome, pictures)
    registry = Registry(mirror.store, name)
    version = registry.read(number)
    if version is None:
        raise ValueError(f"{name} version {number} was deleted while it was registered: sync again.")
    tags, known = facts.as_tags(), set(version.tags)
    if not _is_other(version, facts.network, facts.digests):
        _keep_files(mirror, parent, pictures)
    else:
        known |= tags.keys()
    told = (version.tags.get(key) for key in OF_COMMIT)
    if known >= tags.keys() and not (facts.committed and _is_better(mirror.root, facts.commit, *told)):
        tags = {}
    else:
        tags = {key: value for key, value in tags.items() if key not in known or key in OF_COMMIT}
    registry.tag(version, tags)
    registry.point(CHALLENGER, number)


def _is_better(root: Path, commit: str, told: str | None, held: str | None) -> bool:
    """Whether a commit that holds the state is to be told in place of `told`, which held it or did not."""
    return held == "false" or bool(told and told != commit and not is_lasting(root, told))


def _keep_files(mirror: Mirror, parent: Run, pictures: Pictures) -> None:
    """Upload what reproduces and compares the state, where it differs from what was uploaded last."""
    listing = json.dumps(pictures.keys)
    parts = [listing.encode(), *((mirror.root / name).read_bytes() for name in KEPT)]
    seal = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    if parent.data.tags.get(SEAL) == seal:
        return
    with TemporaryDirectory() as folder:
        path = Path(folder, "pictures.json")
        path.write_text(listing, encoding="utf-8")
        for place in (path, *(mirror.root / name for name in KEPT)):
            mirror.client.log_artifact(parent.info.run_id, str(place), LINEAGE)
    mirror.set_tags(parent, {SEAL: seal})
