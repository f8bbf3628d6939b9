"""What every exported file promises: one input `pixels`, named outputs; and the frozen graph from which every
format is written.

The graph is frozen (variables become constants, training ops are gone) and given names that do not depend on
the process. Writing all formats from it keeps them equal, keeps file bytes reproducible, and avoids the traps
of the formats' own Keras front ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.models.archive import canonical_names

INPUT = "pixels"
OUTPUTS = {"detect": ("boxes", "labels", "scores", "valid"), "classify": ("probabilities",)}

Pixels = NDArray[np.float32]
Predictions = dict[str, NDArray[Any]]
Predict = Callable[[Pixels], Predictions]


@dataclass(frozen=True)
class Frozen:
    """A frozen TensorFlow graph.

    Attributes:
        graph_def: the GraphDef, nested functions included.
        input: the placeholder's name, dtype and shape (a symbolic tensor).
        outputs: output name -> symbolic tensor, in the alphabetical order of the names.
    """

    graph_def: Any
    input: Any
    outputs: dict[str, Any]


def check_signature(model: Any) -> str:
    """The task, `detect` or `classify`, of a Keras model that keeps the contract.

    Raises:
        ValueError: not exactly one input `pixels` of (B, height, width, 3) float32 with fixed height and
            width, or other outputs.
    """
    inputs = model.inputs
    if len(inputs) != 1 or inputs[0].name.split(":")[0] != INPUT:
        found = [each.name for each in inputs]
        raise ValueError(f"An exported network must have exactly one input, {INPUT!r}. Got {found} instead.")
    shape, dtype = tuple(inputs[0].shape), str(inputs[0].dtype)
    if len(shape) != 4 or shape[0] is not None or None in shape[1:3] or shape[3] != 3 or dtype != "float32":
        raise ValueError(
            f"The input {INPUT!r} must be float32 of (None, height, width, 3) with fixed height and width. "
            f"Got {dtype} of {shape} instead."
        )
    outputs = model.output
    given = tuple(sorted(outputs)) if isinstance(outputs, Mapping) else type(outputs).__name__
    for task, wanted in OUTPUTS.items():
        if given == wanted:
            return task
    raise ValueError(
        f"An exported network must give one of {[*OUTPUTS.values()]} by name. Got {given} instead."
    )


def freeze(model: Any, batch: int | None) -> Frozen:
    """The inference graph of a Keras model that keeps the contract (TensorFlow backend), for one batch size
    or, with None, for any."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    check_signature(model)

    def predict(pixels: Any) -> Any:
        return model(pixels, training=False)

    spec = tf.TensorSpec((batch, *model.inputs[0].shape[1:]), tf.float32, name=INPUT)
    with canonical_names(model):
        traced = tf.function(predict, autograph=False).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    if len(frozen.inputs) != 1:
        asked = [each.name for each in frozen.inputs]
        raise ValueError(f"The frozen graph must have exactly one input. Got {asked} instead.")
    graph_def = frozen.graph.as_graph_def()
    name_functions(graph_def)
    return Frozen(
        graph_def, frozen.inputs[0], dict(zip(sorted(traced.structured_outputs), frozen.outputs, strict=True))
    )


def name_functions(graph_def: Any) -> None:
    """Takes process-wide counters out of a GraphDef: names of nested functions and their arguments, and of
    Python gradient functions."""
    functions = sorted(graph_def.library.function, key=lambda each: _strip_counter(each.signature.name))
    names = {
        each.signature.name: f"{_strip_counter(each.signature.name)}_{number}"
        for number, each in enumerate(functions)
    }
    refer_to_functions(graph_def.node, names)
    for function in functions:
        function.signature.name = names[function.signature.name]
        refer_to_functions(function.node_def, names)
        name_arguments(function)
    ordered = [type(each).FromString(each.SerializeToString()) for each in functions]
    del graph_def.library.function[:]
    graph_def.library.function.extend(ordered)


def _strip_counter(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


def refer_to_functions(nodes: Iterable[Any], names: Mapping[str, str]) -> None:
    """Renames the functions that nodes call. Gradients are of no use in a frozen graph, and their names are
    counters."""
    for node in nodes:
        node.attr.pop("_gradient_op_type", None)
        for value in node.attr.values():
            if value.WhichOneof("value") == "func":
                value.func.name = names[value.func.name]


def name_arguments(function: Any) -> None:
    """Numbers a FunctionDef's arguments, whose own names hold the names of functions."""
    names = {
        argument.name: f"argument_{number}" for number, argument in enumerate(function.signature.input_arg)
    }
    for argument in function.signature.input_arg:
        argument.name = names[argument.name]
    for node in function.node_def:
        node.input[:] = [names.get(each, each) for each in node.input]
    for key, value in list(function.ret.items()):
        function.ret[key] = names.get(value, value)


def predict_with(model: Any) -> Predict:
    """The Keras model itself as a function of arrays: the reference that every format is held against."""
    import tensorflow as tf

    check_signature(model)
    spec = tf.TensorSpec(tuple(model.inputs[0].shape), tf.float32, name=INPUT)
    run = tf.function(lambda pixels: model(pixels, training=False), input_signature=[spec], autograph=False)

    def predict(pixels: Pixels) -> Predictions:
        return {name: value.numpy() for name, value in run(tf.constant(pixels)).items()}

    return predict
