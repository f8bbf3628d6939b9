"""ONNX: any batch size, operators of the standard domain only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from glasshouse.export.onnx_names import name_by_structure
from glasshouse.export.onnx_operators import WRITERS, check_operators, open_compiled
from glasshouse.export.signature import INPUT, Frozen, Pixels, Predict, Predictions
from glasshouse.training.quiet import quiet

FILE = "model.onnx"
OPSET = 18  # the newest that the converter writes


def write(frozen: Frozen, folder: Path) -> Path:
    """Writes `folder/model.onnx` from a graph frozen for any batch size, and returns its path.

    Raises:
        ValueError: the network computes what ONNX has no operator for, or the file would ask for more than
            `pixels` (constants that became inputs).
    """
    import onnx

    model = convert(frozen)
    onnx.checker.check_model(model)
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def convert(frozen: Frozen) -> Any:
    """The ONNX model of a frozen graph, with names and order that depend on its structure alone."""
    with quiet():
        import tf2onnx

        outputs = {tensor.name: name for name, tensor in frozen.outputs.items()}
        model, _ = tf2onnx.convert.from_graph_def(
            open_compiled(frozen.graph_def),
            name="glasshouse",
            input_names=[frozen.input.name],
            output_names=list(outputs),
            opset=OPSET,
            custom_op_handlers=WRITERS,
        )
    check_operators(model, OPSET)
    asked = [each.name for each in model.graph.input]
    if asked != [frozen.input.name]:
        raise ValueError(
            f"The ONNX file must have exactly one input, {INPUT!r}. The converter made {asked} of it."
        )
    name_by_structure(model, {frozen.input.name: INPUT, **outputs})
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def load(path: Path) -> Predict:
    """The network as a function of arrays, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def predict(pixels: Pixels) -> Predictions:
        return dict(zip(names, session.run(names, {INPUT: np.asarray(pixels, np.float32)}), strict=True))

    return predict
