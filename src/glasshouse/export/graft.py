"""Cuts a LiteRT model into its convolutional trunk and the rest, and joins them again.

Quantising decode and suppression to 8 bits would ruin the boxes, and TensorFlow's calibrator dies on the loop
of the suppression. So the trunk alone is quantised, and then put in the place of the float one. Works on the
object form of the FlatBuffer schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"})


def unpack(content: bytes) -> Any:
    """The object form (ModelT) of a .tflite file's bytes."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromPackedBuf(content, 0)


def pack(model: Any) -> bytes:
    """The bytes of a .tflite file from its object form."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def name_operators(model: Any) -> list[str]:
    """The kind of every operator of the main graph, in order: CONV_2D, ADD, ..."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    names = {code: name for name, code in vars(BuiltinOperator).items() if not name.startswith("_")}
    codes = [names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]


def split_operators(model: Any) -> tuple[list[Any], list[Any]]:
    """Operators of the main graph: (trunk: those from which a convolution is still to come, rest: what
    follows), each in order."""
    trunk: list[Any] = []
    rest: list[Any] = []
    feeds_convolution: set[int] = set()
    operators = model.subgraphs[0].operators
    for operator, kind in reversed(list(zip(operators, name_operators(model), strict=True))):
        is_trunk = not feeds_convolution.isdisjoint(map(int, operator.outputs))
        (trunk if is_trunk else rest).append(operator)
        if is_trunk or kind in CONVOLUTIONS:
            feeds_convolution.update(int(tensor) for tensor in operator.inputs if tensor >= 0)
    return trunk[::-1], rest[::-1]


def cut_trunk(content: bytes) -> bytes:
    """The trunk as a model of its own; its outputs are what the rest reads of it, in rising tensor number.

    Raises ValueError where no convolution follows another operator, so that there is nothing to quantise.
    """
    model = unpack(content)
    trunk, rest = split_operators(model)
    if not trunk:
        raise ValueError(
            "The network has no convolution that follows another operator, so there is no trunk to quantise."
        )
    graph = model.subgraphs[0]
    graph.operators, graph.outputs = trunk, find_border(trunk, rest)
    model.subgraphs, model.signatureDefs, model.metadata, model.metadataBuffer = [graph], [], [], []
    drop_unused(model)
    return pack(model)


def find_border(trunk: list[Any], rest: list[Any]) -> list[int]:
    """Tensors that the trunk writes and the rest reads, rising."""
    return sorted(
        collect(operator.outputs for operator in trunk) & collect(operator.inputs for operator in rest)
    )


def collect(groups: Iterable[Any]) -> set[int]:
    """All tensor numbers of some operators' inputs or outputs; -1 stands for an absent optional one and is
    left out."""
    return {int(tensor) for group in groups for tensor in group if tensor >= 0}


def replace_trunk(content: bytes, trunk_content: bytes) -> bytes:
    """The model with another trunk (with the inputs and outputs that `cut_trunk` gave it) in the place of its
    own."""
    model, donor = unpack(content), unpack(trunk_content)
    graph, new = model.subgraphs[0], donor.subgraphs[0]
    trunk, rest = split_operators(model)
    first_tensor, first_buffer, first_code = len(graph.tensors), len(model.buffers), len(model.operatorCodes)
    for tensor in new.tensors:
        tensor.buffer += first_buffer
    for operator in new.operators:
        operator.opcodeIndex += first_code
        renumber(operator, {number: number + first_tensor for number in range(len(new.tensors))})
    old = [*find_border(trunk, rest), *graph.inputs]
    moved = {
        int(mine): int(its) + first_tensor for mine, its in zip(old, [*new.outputs, *new.inputs], strict=True)
    }
    for operator in rest:
        renumber(operator, moved)
    graph.inputs = [moved[int(tensor)] for tensor in graph.inputs]
    for signature in model.signatureDefs:
        for entry in signature.inputs:
            entry.tensorIndex = moved[entry.tensorIndex]
    graph.tensors, graph.operators = graph.tensors + new.tensors, new.operators + rest
    model.buffers, model.operatorCodes = (
        model.buffers + donor.buffers,
        model.operatorCodes + donor.operatorCodes,
    )
    drop_unused(model)
    return pack(model)


def renumber(operator: Any, moved: dict[int, int]) -> None:
    """Gives an operator's tensors their new numbers; those not in `moved` stay."""
    operator.inputs = [moved.get(int(tensor), int(tensor)) for tensor in operator.inputs]
    operator.outputs = [moved.get(int(tensor), int(tensor)) for tensor in operator.outputs]


def drop_unused(model: Any) -> None:
    """Removes tensors of the main graph, and buffers and operator codes, that nothing refers to."""
    graph = model.subgraphs[0]
    used = collect(
        [
            graph.inputs,
            graph.outputs,
            *(each for operator in graph.operators for each in (operator.inputs, operator.outputs)),
        ]
    )
    moved = {old: new for new, old in enumerate(sorted(used))}
    graph.tensors = [graph.tensors[old] for old in moved]
    graph.inputs, graph.outputs = (
        [moved[int(tensor)] for tensor in side] for side in (graph.inputs, graph.outputs)
    )
    for operator in graph.operators:
        renumber(operator, moved)
    for signature in model.signatureDefs:
        for entry in [*signature.inputs, *signature.outputs]:
            entry.tensorIndex = moved[entry.tensorIndex]
    drop_unused_buffers(model)
    drop_unused_codes(model)


def drop_unused_buffers(model: Any) -> None:
    """Removes buffers without a user; buffer 0 is the schema's empty one and stays."""
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    holders = [*tensors, *(model.metadata or [])]
    moved = {old: new for new, old in enumerate(sorted({0, *(holder.buffer for holder in holders)}))}
    model.buffers = [model.buffers[old] for old in moved]
    for holder in holders:
        holder.buffer = moved[holder.buffer]


def drop_unused_codes(model: Any) -> None:
    """Removes operator codes without a user."""
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    moved = {old: new for new, old in enumerate(sorted({operator.opcodeIndex for operator in operators}))}
    model.operatorCodes = [model.operatorCodes[old] for old in moved]
    for operator in operators:
        operator.opcodeIndex = moved[operator.opcodeIndex]
