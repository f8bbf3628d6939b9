"""Operators on the way to ONNX: what the converter cannot read of a frozen graph and ONNX can still say, and
what ONNX has no operator for.

Keras has XLA compile a grouped convolution, which it calls broken on a CPU otherwise. The frozen graph has a
call of a function in its place, which neither freezing nor the converter opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from glasshouse.export.onnx_names import find_nested

COMPILED, KEPT_WHOLE = "_XlaMustCompile", "_noinline"  # attributes of TensorFlow's functions and their calls


def open_compiled(graph_def: Any) -> Any:
    """A copy of a GraphDef whose compiled functions are like any others, so that the converter puts their
    bodies in the place of their calls. What they compute stays the same."""
    copy = type(graph_def)()
    copy.CopyFrom(graph_def)
    for function in copy.library.function:
        if COMPILED in function.attr:
            function.attr.pop(COMPILED)
            function.attr.pop(KEPT_WHOLE, None)
    for nodes in (copy.node, *(function.node_def for function in copy.library.function)):
        for node in nodes:
            node.attr.pop(COMPILED, None)
    return copy


def write_erfc(graph: Any, node: Any, name: str, _: list[Any]) -> None:
    """erfc(x) = 1 - erf(x), in the converter's graph: exact GELU is made of erfc, and ONNX has erf only."""
    from tf2onnx import utils

    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))
    one = graph.make_const(utils.make_name(name), np.ones((), dtype))
    erf = graph.make_node("Erf", [node.input[0]], name=utils.make_name(name))
    node.type = "Sub"
    graph.replace_inputs(node, [one.output[0], erf.output[0]])


# TensorFlow's operator -> what writes it and with which further arguments, as the converter takes it.
WRITERS: dict[str, tuple[Callable[..., None], list[Any]]] = {"Erfc": (write_erfc, [])}


def check_operators(model: Any, opset: int) -> None:
    """Raises ValueError naming every operator of a ModelProto that is none of ONNX's, and the first node of
    each: the converter leaves what it does not know as it is."""
    import onnx

    unknown: dict[str, str] = {}
    for node in walk_nodes(model.graph):
        if not onnx.defs.has(node.op_type, opset, node.domain):
            unknown.setdefault(node.op_type, node.name)
    if unknown:
        named = ", ".join(f"{kind} ({unknown[kind]})" for kind in sorted(unknown))
        raise ValueError(
            f"ONNX has no operator for {named}, so the network cannot be written as ONNX. Leave onnx out of "
            "export.formats in params.yaml; without it the network is not registered and cannot be promoted."
        )


def walk_nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a GraphProto, and those of the graphs nested in them."""
    for node in graph.node:
        yield node
        for nested in find_nested(node):
            yield from walk_nodes(nested)
