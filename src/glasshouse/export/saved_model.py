"""TensorFlow SavedModel: any batch size, the signature `serving_default`.

It holds the frozen graph and nothing else. TensorFlow's own writer adds a fingerprint with a random id,
checkpoint shards and functions named by counters, so that no two of its folders are equal; this one's bytes
depend on the network alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from glasshouse.export.signature import INPUT, Frozen, Pixels, Predict, Predictions

FILE = "saved_model"


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
    """The saved network as a function of arrays."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    run = loaded.signatures["serving_default"]

    def predict(pixels: Pixels, keep_alive: object = loaded) -> Predictions:
        return {name: value.numpy() for name, value in run(**{INPUT: tf.constant(pixels)}).items()}

    return predict
