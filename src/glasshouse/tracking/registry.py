"""The model of a state as a version of the registered model, once.

What is logged is the ONNX file of the export stage, in MLflow's own `onnx` flavour: measured against the
alternatives it loads fastest and needs neither TensorFlow nor this package where it is served. As a
`python_function` it is loaded by `tracking.serving`, a copy of which it carries, so that it takes encoded
pictures as well as arrays. The signature's one input is an object tensor for that reason: an array, or texts;
`tracking.serving` checks what it is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from glasshouse.prediction.predictor import SCORE
from glasshouse.tracking.carried import LOADER, write_carried
from glasshouse.tracking.mirror import STATE, Mirror, filter_versions, has_run
from glasshouse.tracking.serving import COLUMN

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

DIGEST = "glasshouse.network"  # SHA-256 of the ONNX file, of a version and of the logged model behind it
READY: Final = "READY"  # of a logged model whose files are all there
MLMODEL = "MLmodel"  # the file in which a model says how it is loaded
NEEDED = (
    "onnx",
    "onnxruntime",
    "numpy",
    "pillow",
)  # to load it; stated, because finding out takes MLflow 24 s


def register(
    mirror: Mirror, parent: Run, network: Path, name: str, scores: Mapping[str, float]
) -> tuple[str, bool]:
    """The state's version number under `name`, and whether it was made now.

    A version whose run was deleted does not count: it cannot tell any more where it comes from.
    """
    state = parent.data.tags[STATE]
    known = [entry for entry in find_versions(mirror, name, state) if has_run(mirror.client, entry)]
    if not known:
        digest = hashlib.sha256(network.read_bytes()).hexdigest()
        model_id = _log_network(mirror, parent, network, digest)
        tags = {
            STATE: state,
            DIGEST: digest,
            **{f"score.{key}": f"{value:.6g}" for key, value in scores.items()},
        }
        _create_version(mirror, parent, name, model_id, tags)
        made = find_versions(mirror, name, state)
        first, *later = (entry for entry in made if has_run(mirror.client, entry))
        for younger in later:  # of another machine that registered the same state at the same moment
            _delete_version(mirror, name, younger.version)
        return str(first.version), True
    return str(known[0].version), False


def find_versions(mirror: Mirror, name: str, state: str) -> list[ModelVersion]:
    """All versions of a state, oldest first."""
    found = mirror.client.search_model_versions(filter_versions(name, state))
    return sorted(found, key=lambda entry: int(entry.version))


def read_signature(network: Any) -> ModelSignature:
    """The signature of an ONNX model: pictures or arrays, its outputs with their names; -1 is any size.

    Raises ValueError where the model has more inputs than one.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    if len(network.graph.input) != 1:
        names = ", ".join(entry.name for entry in network.graph.input)
        raise ValueError(f"the ONNX model must have one input. Got {len(network.graph.input)}: {names}.")
    inputs = Schema([TensorSpec(np.dtype(object), (-1,), COLUMN)])
    outputs = Schema([_tensor(entry, entry.name) for entry in network.graph.output])
    return ModelSignature(inputs, outputs, ParamSchema([ParamSpec("score", "double", SCORE)]))


def _tensor(entry: Any, name: str | None) -> Any:
    from mlflow.types import TensorSpec
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = entry.type.tensor_type
    sides = [side.dim_value if side.HasField("dim_value") else -1 for side in tensor.shape.dim]
    return TensorSpec(tensor_dtype_to_np_dtype(tensor.elem_type), tuple(sides), name)


def _log_network(mirror: Mirror, parent: Run, path: Path, digest: str) -> str:
    """Id of the model logged under the parent; one of this network that a call cut off left is used again.

    By the client alone: MLflow's `log_model` would need a global address, experiment and active run.
    """
    from mlflow.entities import LoggedModelOutput

    client, run_id = mirror.client, parent.info.run_id
    outputs = client.get_run(run_id).outputs
    known = {each.model_id for each in outputs.model_outputs} if outputs is not None else set()
    found = client.search_logged_models(
        [mirror.experiment_id], f"source_run_id = '{run_id}'", order_by=[{"field_name": "creation_time"}]
    )
    # Earlier releases did not say of which network a logged model is.
    left = [each for each in found if each.tags.get(DIGEST, digest) == digest]
    if left:  # one that was deleted by hand is not found, though the run still names it
        logged = left[0]
    else:
        logged = client.create_logged_model(
            mirror.experiment_id, name="model", source_run_id=run_id, tags={DIGEST: digest}
        )
    if str(logged.status) != READY:
        with TemporaryDirectory() as folder:
            save_network(path, Path(folder, "model"), run_id, logged.model_id)
            client.log_model_artifacts(logged.model_id, f"{folder}/model")
        client.finalize_logged_model(logged.model_id, READY)
    if logged.model_id not in known:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def save_network(path: Path, folder: Path, run_id: str | None = None, model_id: str | None = None) -> None:
    """Write the ONNX file at `path` as an MLflow model into the new `folder`."""
    import mlflow.onnx
    import onnx
    from mlflow.models import Model
    from mlflow.pyfunc import FLAVOR_NAME, MAIN

    network, model = onnx.load(str(path)), Model(run_id=run_id, model_id=model_id)
    with TemporaryDirectory() as code:
        mlflow.onnx.save_model(
            network,
            str(folder),
            code_paths=[str(write_carried(Path(code)))],
            mlflow_model=model,
            signature=read_signature(network),
            pip_requirements=[f"{package}=={version(package)}" for package in NEEDED],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
        )
    model.flavors[FLAVOR_NAME][MAIN] = LOADER  # for mlflow.onnx it stays as it is
    model.save(str(folder / MLMODEL))


def _create_version(mirror: Mirror, parent: Run, name: str, model_id: str, tags: dict[str, str]) -> None:
    from mlflow.exceptions import MlflowException

    try:
        mirror.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # The place itself, for `models:/ID` would be looked up in whatever store is MLflow's global one.
    source = mirror.client.get_logged_model(model_id).artifact_location
    mirror.client.create_model_version(name, source, parent.info.run_id, tags, model_id=model_id)


def _delete_version(mirror: Mirror, name: str, number: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        mirror.client.delete_model_version(name, number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # the other machine was as quick
            raise
