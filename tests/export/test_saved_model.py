"""A SavedModel is a program: what comes from somebody else must not do more than calculate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.export import saved_model
from glasshouse.export.stamp import SAVED_MODEL_FILE
from glasshouse.inputs.recipe import Recipe
from glasshouse.prediction.runtime import open_network

RECIPE = Recipe("classify", ("red", "green"), 32, 32, "stretch", 0)
Work = Callable[[Any, Path], Any]  # (TensorFlow, a path) -> a tensor


def save(folder: Path, work: Work, path: Path) -> Path:
    """A stamped network that does some work before it answers."""
    import tensorflow as tf

    class Network(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3], tf.float32, name="pixels")])
        def answer(self, pixels: Any) -> Any:
            with tf.control_dependencies([work(tf, path)]):
                return {"probabilities": tf.tile([[0.5, 0.5]], [tf.shape(pixels)[0], 1])}

    network = Network()
    tf.saved_model.save(network, str(folder), signatures={"serving_default": network.answer})
    (folder / SAVED_MODEL_FILE).parent.mkdir(exist_ok=True)
    (folder / SAVED_MODEL_FILE).write_text(RECIPE.spell())
    return folder


EVIL: dict[str, Work] = {
    "WriteFile": lambda tf, path: tf.io.write_file(str(path), "evil"),
    "ReadFile": lambda tf, path: tf.io.read_file(str(path)),
    "MatchingFiles": lambda tf, path: tf.io.matching_files(str(path)),
    "PrintV2": lambda tf, path: tf.print("evil", output_stream=f"file://{path}"),
    "EagerPyFunc": lambda tf, path: tf.py_function(path.touch, [], []),
    "PyFuncStateless": lambda tf, path: tf.numpy_function(path.touch, [], tf.float32, stateful=False),
    "ImmutableConst": lambda tf, path: tf.raw_ops.ImmutableConst(
        dtype=tf.uint8, shape=[1], memory_region_name=str(path)
    ),
    "DebugIdentity": lambda tf, path: tf.raw_ops.DebugIdentity(input=1.0, debug_urls=[f"file://{path}"]),
}


@pytest.mark.parametrize("operation", EVIL)
def test_a_graph_that_reaches_out_is_refused_before_it_is_loaded(tmp_path: Path, operation: str) -> None:
    model = save(tmp_path / "model", EVIL[operation], tmp_path / "reached")
    with pytest.raises(ValueError, match=rf"model cannot be run by TensorFlow: refused .* {operation}[, ]"):
        open_network(model)
    assert not (tmp_path / "reached").exists()


def test_a_function_of_the_graph_cannot_hide_an_operation_behind_its_name(tmp_path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    graph = saved.meta_graphs.add().graph_def
    graph.node.add(name="write", op="WriteFile")
    graph.node.add(name="own", op="calculate")
    graph.library.function.add().signature.name = "calculate"
    graph.library.function.add().signature.name = "WriteFile"
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(ValueError, match="its graph holds WriteFile, and"):
        saved_model.demand_arithmetic(tmp_path)


@pytest.mark.parametrize("groups", [1, 2])
def test_what_glasshouse_exports_is_run(tmp_path: Path, groups: int) -> None:
    """Convolutions in groups are calls of a function that TensorFlow takes for one with a state."""
    import keras

    from glasshouse.export.signature import freeze

    pixels = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, groups=groups)(keras.layers.Conv2D(4, 1)(pixels))
    frozen = freeze(keras.Model(pixels, {"probabilities": keras.layers.GlobalAveragePooling2D()(x)}), None)
    predict = saved_model.load(saved_model.write(frozen, tmp_path))
    assert predict(np.zeros((2, 8, 8, 3), np.float32))["probabilities"].shape == (2, 4)
