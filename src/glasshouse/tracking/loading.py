"""`glasshouse.load`: a network from MLflow's registry or from a file, ready for pictures."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from glasshouse.journal.pipeline import PARAMS
from glasshouse.prediction.predictor import Predictor
from glasshouse.prediction.runtime import find_file, open_network
from glasshouse.tracking.aliases import CHAMPION, fetch_network
from glasshouse.tracking.names import read_names
from glasshouse.tracking.registry import DIGEST
from glasshouse.tracking.store import AFTERWARDS, connect, locate_store, spoken

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")
SCHEME = "models:/"


class UnknownModel(ValueError):
    """The registry has no such model, version or alias."""


def load(model: str | os.PathLike[str], *, threads: int = 0, root: Path | None = None) -> Predictor:
    """A network that takes pictures of any size and gives boxes in their own pixels.

        glasshouse.load("exports/model.onnx").predict("picture.jpg")

    Args:
        model: `models:/NAME@ALIAS` or `models:/NAME/VERSION` of MLflow's registry; or an exported file
            (.onnx, .tflite), a SavedModel folder, or a folder such as `exports/`.
        threads: of one call of an ONNX network; 0: as many as onnxruntime thinks best.
        root: the project whose registry is meant, where MLFLOW_TRACKING_URI does not say; default: here.

    Raises:
        FileNotFoundError: no such file.
        UnknownModel: no such model in the registry.
        RegistryFault: its file is gone from MLflow's store, or not what was registered.
        StoreAway: MLflow does not answer.
        UnknownRecipe: the file does not say how pictures are prepared for it.
    """
    if not str(model).startswith(SCHEME):
        run, recipe = open_network(Path(model), threads)
        return Predictor(run, recipe, find_file(Path(model)).as_posix())
    with TemporaryDirectory() as folder:
        version, path = fetch(str(model), Path(folder), root or Path.cwd())
        run, recipe = open_network(path, threads)
        return Predictor(run, recipe, f"{model} (version {version.version})")


def load_champion_or_export(threads: int = 0) -> Predictor:
    """What is meant where no model is named: the project's champion; its exports where none was chosen yet.

    Raises:
        ValueError: outside of a project; and as `load`.
    """
    if not Path(PARAMS).is_file():
        raise ValueError("there is no params.yaml here, so no champion is known: name a network by --model.")
    address = f"{SCHEME}{read_names(Path()).model_name}@{CHAMPION}"
    try:
        return load(address, threads=threads)
    except UnknownModel:
        predictor = load("exports", threads=threads)
        predictor.name += f" (there is no {address} yet)"
        return predictor


def fetch(address: str, folder: Path, root: Path) -> tuple[ModelVersion, Path]:
    """The registered version and its ONNX file, copied into `folder` where it is not on this machine.

    Raises as `load`.
    """
    parts = ADDRESS.fullmatch(address)
    if parts is None:
        raise UnknownModel(f"{address!r} must be models:/NAME@ALIAS or models:/NAME/VERSION.")
    store = locate_store(root)
    if store.is_unborn:
        raise UnknownModel(f"there is no {address}: nothing was ever registered in {store.shown}.")
    client = connect(store, AFTERWARDS)
    with spoken(store):
        version = _find_version(client, address, parts)
    if version is None:
        raise UnknownModel(
            f"there is no {address} in MLflow at {store.shown}. `dvc repro`, `glasshouse runs sync` and "
            "`glasshouse promote` bring one there; --model exports takes the network on disk."
        )
    shown = f"{version.name} version {version.version}"
    return version, fetch_network(store, shown, str(version.source), version.tags.get(DIGEST), folder)


def _find_version(client: object, address: str, parts: re.Match[str]) -> ModelVersion | None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    assert isinstance(client, MlflowClient)
    try:
        if parts["alias"] is not None:
            return client.get_model_version_by_alias(parts["name"], parts["alias"])
        return client.get_model_version(parts["name"], parts["version"])
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
