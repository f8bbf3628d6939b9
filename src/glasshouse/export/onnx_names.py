"""Gives an ONNX model names and an order of nodes that follow from its structure.

The converter walks Python sets, so names, order and the choice among equal constants change with the
process's hash seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def name_by_structure(model: Any, names: Mapping[str, str]) -> None:
    """Rewrites a ModelProto in place: equal structure and content give equal bytes.

    Args:
        model: an onnx.ModelProto.
        names: of the graph's inputs and outputs, as they are -> as they shall be.
    """
    rewrite_graph(model.graph, dict(names), "")
    model.doc_string = model.graph.doc_string = ""
    versions = sorted((each.domain, each.version) for each in model.opset_import)
    del model.opset_import[:]
    for domain, version in versions:
        model.opset_import.add(domain=domain, version=version)


def rewrite_graph(graph: Any, names: dict[str, str], prefix: str) -> None:
    """Renames and reorders one GraphProto and those nested in it; `names` has the values known from
    outside."""
    nodes = [_copy(node) for node in order_nodes(graph)]
    constants = merge_constants(graph, nodes, names, prefix)
    for number, node in enumerate(nodes):
        node.name = f"{prefix}{node.op_type}_{number}"
        for position, output in enumerate(node.output):
            if output:
                names.setdefault(output, f"{node.name}:{position}")
        node.input[:] = [names[each] if each else "" for each in node.input]
        node.output[:] = [names[each] if each else "" for each in node.output]
        for nested in find_nested(node):
            rewrite_nested(nested, dict(names), f"{node.name}/")
        node.ClearField("doc_string")
        if not node.domain:
            node.ClearField("domain")  # unset and empty mean the same and are not the same bytes
        attributes = sorted((_copy(each) for each in node.attribute), key=lambda each: str(each.name))
        _replace(node.attribute, attributes)
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
        name_unknown_sides(value)
    _replace(graph.node, nodes)
    _replace(graph.initializer, constants)
    _replace(graph.value_info, [])


def name_unknown_sides(value: Any) -> None:
    """Sides of unknown length are called by a counter of the whole process: here by value and place."""
    for place, side in enumerate(value.type.tensor_type.shape.dim):
        if side.dim_param.startswith("unk__"):
            side.dim_param = f"{value.name}.{place}"


def rewrite_nested(graph: Any, names: dict[str, str], prefix: str) -> None:
    """`rewrite_graph` for the body of a loop or branch."""
    graph.name = prefix.rstrip("/")
    names.update({value.name: f"{prefix}input_{number}" for number, value in enumerate(graph.input)})
    rewrite_graph(graph, names, prefix)


def merge_constants(graph: Any, nodes: list[Any], names: dict[str, str], prefix: str) -> list[Any]:
    """The graph's initializers in the order of their first use, one for each content; enters their names."""
    initializers = {each.name: each for each in graph.initializer}
    merged: dict[bytes, Any] = {}
    for name in [
        *(each for node in nodes for each in list_inputs(node)),
        *(each.name for each in graph.output),
    ]:
        if name in initializers:
            constant = _copy(initializers[name])
            constant.name = ""
            constant = merged.setdefault(constant.SerializeToString(deterministic=True), constant)
            constant.name = constant.name or f"{prefix}constant_{len(merged) - 1}"
            names.setdefault(name, constant.name)
    return list(merged.values())


def order_nodes(graph: Any) -> list[Any]:
    """The nodes on which the outputs depend, sources first, by a depth-first walk from the outputs."""
    makers = {output: node for node in graph.node for output in node.output if output}
    ordered: list[Any] = []
    seen: set[int] = set()
    walks: list[tuple[Any, Iterator[str]]] = [(None, iter([each.name for each in graph.output]))]
    while walks:
        node, inputs = walks[-1]
        maker = next(
            (maker for name in inputs if (maker := makers.get(name)) is not None and id(maker) not in seen),
            None,
        )
        if maker is not None:
            seen.add(id(maker))
            walks.append((maker, iter(list_inputs(maker))))
        else:
            walks.pop()
            ordered.append(node)
    return ordered[:-1]  # the last is the root, which is no node


def list_inputs(node: Any) -> list[str]:
    """Names that a node reads, those that its nested graphs take from outside included, in the order of the
    structure."""
    return [each for each in node.input if each] + [
        each for graph in find_nested(node) for each in list_outer_names(graph)
    ]


def list_outer_names(graph: Any) -> list[str]:
    """Names that a nested graph reads and does not make."""
    own = {each.name for each in (*graph.input, *graph.initializer)}
    own.update(output for node in graph.node for output in node.output)
    read = [name for node in order_nodes(graph) for name in list_inputs(node)] + [
        each.name for each in graph.output
    ]
    return [name for name in dict.fromkeys(read) if name not in own]


def find_nested(node: Any) -> list[Any]:
    """The graphs among a node's attributes, by attribute name."""
    return [each.g for each in sorted(node.attribute, key=lambda each: str(each.name)) if each.HasField("g")]


def _copy(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


def _replace(field: Any, messages: list[Any]) -> None:
    del field[:]
    field.extend(messages)
