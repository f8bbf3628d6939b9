"""The model of a state as a version of the registered model, once.

What is logged is the ONNX file of the export stage, in MLflow's own `onnx` flavour: measured against the
alternatives it loads fastest and needs neither TensorFlow nor this package where it is served, and MLflow
runs it with onnxruntime without code of ours. The input has no name in the signature, so that `predict`
takes the array itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glasshouse.tracking.mirror import STATE, Mirror

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

NEEDED = ("onnx", "onnxruntime", "numpy")  # to load it; stated, because finding out takes MLflow 24 s


def register(
    mirror: Mirror, parent: Run, network: Path, name: str, scores: Mapping[str, float]
) -> tuple[str, bool]:
    """The state's version number under `name`, and whether it was made now."""
    state = parent.data.tags[STATE]
    known = find_versions(mirror, name, state)
    if not known:
        uri = _log_network(mirror, parent, network)
        tags = {STATE: state, **{f"score.{key}": f"{value:.6g}" for key, value in scores.items()}}
        _create_version(mirror, parent, name, uri, tags)
        first, *later = find_versions(mirror, name, state)
        for younger in later:  # of another machine that registered the same state at the same moment
            mirror.client.delete_model_version(name, younger.version)
        return str(first.version), True
    return str(known[0].version), False


def find_versions(mirror: Mirror, name: str, state: str) -> list[ModelVersion]:
    """All versions of a state, oldest first."""
    quoted = name.replace("'", "''")
    found = mirror.client.search_model_versions(f"name = '{quoted}' and tags.`{STATE}` = '{state}'")
    return sorted(found, key=lambda entry: int(entry.version))


def read_signature(network: Any) -> ModelSignature:
    """The signature of an ONNX model: its one input without a name, its outputs with theirs; -1 is any size.

    Raises ValueError where the model has more inputs than one.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

    if len(network.graph.input) != 1:
        names = ", ".join(entry.name for entry in network.graph.input)
        raise ValueError(f"the ONNX model must have one input. Got {len(network.graph.input)}: {names}.")
    inputs = Schema([_tensor(network.graph.input[0], None)])
    return ModelSignature(inputs, Schema([_tensor(entry, entry.name) for entry in network.graph.output]))


def _tensor(entry: Any, name: str | None) -> Any:
    from mlflow.types import TensorSpec
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = entry.type.tensor_type
    sides = [side.dim_value if side.HasField("dim_value") else -1 for side in tensor.shape.dim]
    return TensorSpec(tensor_dtype_to_np_dtype(tensor.elem_type), tuple(sides), name)


def _log_network(mirror: Mirror, parent: Run, path: Path) -> str:
    """The address of the model logged under the parent; one that a cut-off call left there is used again."""
    run = mirror.client.get_run(parent.info.run_id)
    if run.outputs is not None and run.outputs.model_outputs:
        return f"models:/{run.outputs.model_outputs[-1].model_id}"
    import mlflow
    import mlflow.onnx
    import onnx
    from mlflow.models import Model

    mlflow.set_tracking_uri(mirror.store.uri)
    mlflow.set_experiment(experiment_id=mirror.experiment_id)  # else the files go to the default one's folder
    network = onnx.load(str(path))
    needed = [f"{package}=={version(package)}" for package in NEEDED]
    signature = read_signature(network)
    logged = Model.log(
        artifact_path=None,
        name="model",
        flavor=mlflow.onnx,
        run_id=parent.info.run_id,
        onnx_model=network,
        signature=signature,
        pip_requirements=needed,
        save_as_external_data=False,
        onnx_execution_providers=["CPUExecutionProvider"],
    )
    return str(logged.model_uri)


def _create_version(mirror: Mirror, parent: Run, name: str, uri: str, tags: dict[str, str]) -> None:
    from mlflow.exceptions import MlflowException

    try:
        mirror.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = uri.removeprefix("models:/")
    mirror.client.create_model_version(name, uri, parent.info.run_id, tags, model_id=model_id)
