"""TensorFlow SavedModel: any batch size, the signature `serving_default`.

It holds the frozen graph and nothing else. TensorFlow's own writer adds a fingerprint with a random id,
checkpoint shards and functions named by counters, so that no two of its folders are equal; this one's bytes
depend on the network alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from glasshouse.export.signature import INPUT, Frozen, Pixels, Predict, Predictions

FILE = "saved_model"
# Operations with a state by TensorFlow's definition that harm nobody: checks, and calls of functions, which
# are looked at as well.
CONFINED = {"PartitionedCall", "StatefulPartitionedCall", "While", "If", "Case", "Assert"}
TEXTS = ("string", "list(string)")  # kinds of attributes
HARMLESS = {"equation", "bad_indices_policy"}  # texts that say how Einsum, GatherNd and ScatterNd calculate


def write(frozen: Frozen, folder: Path) -> Path:
    """Writes `folder/saved_model/` (replacing it) and returns its path."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta = saved.meta_graphs.add(graph_def=frozen.graph_def)
    meta.meta_info_def.tags.append("serve")
    meta.meta_info_def.tensorflow_version = tf.__version__
    signature = meta.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for entries, tensors in ((signature.inputs, {INPUT: frozen.input}), (signature.outputs, frozen.outputs)):
        for name, tensor in tensors.items():
            entries[name].name = tensor.name
            entries[name].dtype = tensor.dtype.as_datatype_enum
            entries[name].tensor_shape.CopyFrom(tensor.shape.as_proto())
    path = folder / FILE
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(saved.SerializeToString(deterministic=True))
    return path


def load(path: Path) -> Predict:
    """The saved network as a function of arrays.

    Raises:
        ValueError: its graph holds other operations than arithmetic, which TensorFlow would run.
    """
    import tensorflow as tf

    demand_arithmetic(path)
    loaded = tf.saved_model.load(str(path))
    run = loaded.signatures["serving_default"]

    def predict(pixels: Pixels, keep_alive: object = loaded) -> Predictions:
        return {name: value.numpy() for name, value in run(**{INPUT: tf.constant(pixels)}).items()}

    return predict


def demand_arithmetic(path: Path) -> None:
    """Demand that a saved graph does nothing but arithmetic.

    A SavedModel is a program: those of strangers may read and write any file as soon as they are loaded or
    run. What does so has a state outside of the graph (WriteFile, Print, PyFunc), or is told by a text which
    file, address or function is meant (ReadFile, ImmutableConst, DebugIdentity, PyFuncStateless).

    Raises:
        ValueError: with the names of other operations.
    """
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.framework import op_def_registry

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    graphs = [meta.graph_def for meta in saved.meta_graphs]
    functions = {function.signature.name for graph in graphs for function in graph.library.function}
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for graph in graphs for each in graph.library.function for node in each.node_def]
    operations = {node.op: op_def_registry.get(node.op) for node in nodes}  # None for the graph's functions
    refused = sorted(
        name
        for name, definition in operations.items()
        if not (_is_arithmetic(definition) if definition else name in functions)
    )
    if refused:
        raise ValueError(
            f"refused for safety: its graph holds {', '.join(refused)}, and arithmetic alone is needed to "
            "predict. Glasshouse exports no such graph"
        )


def _is_arithmetic(definition: Any) -> bool:
    """By TensorFlow's definition of an operation."""
    from tensorflow.core.framework.types_pb2 import DT_STRING

    if definition.name in CONFINED:
        return True
    if definition.is_stateful:
        return False
    free = {
        each.name for each in definition.attr if each.type in TEXTS and not each.HasField("allowed_values")
    }
    return free <= HARMLESS and all(each.type != DT_STRING for each in definition.input_arg)
