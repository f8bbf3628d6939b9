"""What a network costs before it is trained: parameters, multiply-adds, memory, from its graph alone.

Conventions, in which the papers' own figures are told:

- A multiply-add is one multiplication with the addition of its product; "FLOPs" in the papers of MobileNet,
  EfficientNet and ResNet are these. Convolutions, dense layers and matrix products are counted; what happens
  to a value by itself (activations, normalization, biases) is not.
- A layer that is called twice works twice and has its weights once.
- Bytes are those of the tensors' dtypes; what a backend needs for its own work comes on top.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from glasshouse.models.lazy import keras

# Layers whose weights meet every value by itself: not counted.
ELEMENTWISE = {
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "LayerScale",
    "Normalization",
    "PReLU",
    "RMSNormalization",
}
# Layers and operations that multiply by other rules than the ones below.
UNKNOWN = {"Dot", "Einsum", "EinsumDense", "Embedding", "RNN", "Tensordot", "Vdot"}


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph: the shape of one picture's share, with 1 for the batch."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in memory."""
        bits = 8 if self.dtype == "bool" else int(re.findall(r"\d+", self.dtype)[0])
        return self.elements * bits // 8


@dataclass(frozen=True)
class Step:
    """One call of a layer or an operation."""

    layer: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


@dataclass(frozen=True)
class Costs:
    """Of one network; `*_bytes` without further word are of one picture.

    params_total, params_trainable: numbers among its weights.  flops: multiply-adds.  forward_bytes: the
    largest sum of tensors that are needed at one moment (in a chain: two consecutive layers), and the
    weights.  input_bytes: a picture.  output_bytes: all layers' outputs.  kept_bytes: those that a training
    of the free weights has to keep.  trained_bytes: of the free weights.
    """

    params_total: int
    params_trainable: int
    weights_bytes: int
    trained_bytes: int
    flops: int
    forward_bytes: int
    input_bytes: int
    output_bytes: int
    kept_bytes: int

    def training_bytes(self, batch_size: int) -> int:
        """Memory of a training step: all layers' outputs and the inputs of a batch, and the weights.

        The least that a training needs: gradients, the optimizer's slots and scratch memory come on top.
        """
        return self.weights_bytes + batch_size * (self.input_bytes + self.output_bytes)


def count_costs(model: Any) -> Costs:
    """Count a functional or sequential Keras model of a fixed picture size, nested models included.

    Raises:
        ValueError: a tensor's size is not fixed, or there is no rule for what a layer multiplies.
    """
    given = tuple(_value(tensor) for tensor in model.inputs)
    steps: list[Step] = []
    results = _trace(model, given, steps)
    weights = {id(weight): weight for weight in model.weights}.values()
    trainable = {id(weight): weight for weight in model.trainable_weights}.values()
    weights_bytes = sum(_value(weight).bytes for weight in weights)
    return Costs(
        params_total=sum(math.prod(weight.shape) for weight in weights),
        params_trainable=sum(math.prod(weight.shape) for weight in trainable),
        weights_bytes=weights_bytes,
        trained_bytes=sum(_value(weight).bytes for weight in trainable),
        flops=sum(count_multiply_adds(step) for step in steps),
        forward_bytes=weights_bytes + _find_peak(given, steps, results),
        input_bytes=sum(value.bytes for value in given),
        output_bytes=sum(value.bytes for step in steps for value in step.outputs),
        kept_bytes=_sum_kept(steps),
    )


def count_unbuilt(build: Callable[[], Any]) -> Costs:
    """Costs of the network that `build` makes, without giving memory to its weights.

    In a thread of its own: Keras keeps names, scopes and variables that wait for values by thread, and what
    is counted here must leave no trace in a network that is built afterwards.
    """

    def count() -> Costs:
        with keras.StatelessScope(initialize_variables=False):
            return count_costs(build())

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(count).result()


def count_multiply_adds(step: Step) -> int:
    """Multiply-adds of one call.

    A kernel, that is a weight of two dimensions or more, meets its inputs once at every place of the output:
    height * width * (k_h * k_w * C_in / groups * C_out) for a convolution, 1 * (C_in * C_out) for a dense
    layer, and the same for depthwise and separable ones. A transposed convolution does so at every place of
    the input. A layer that has vectors only, and is not known to be elementwise, counts one for every value.

    Raises:
        ValueError: none of that holds for the layer.
    """
    kinds = {kind.__name__ for kind in type(step.layer).__mro__}
    if kinds & UNKNOWN:
        raise ValueError(
            f"no rule for the multiply-adds of the layer {step.layer.name!r} ({type(step.layer).__name__})."
        )
    if "Matmul" in kinds:
        return sum(value.elements for value in step.outputs) * step.inputs[0].shape[-1]
    weights: Sequence[Any] = getattr(step.layer, "weights", ())
    if not weights or kinds & ELEMENTWISE:
        return 0
    kernels = [math.prod(map(int, weight.shape)) for weight in weights if len(weight.shape) > 1]
    if not kernels:
        return sum(value.elements for value in step.outputs)
    axis = 1 if getattr(step.layer, "data_format", None) == "channels_first" else -1
    place = step.inputs[0] if "BaseConvTranspose" in kinds else step.outputs[0]
    return place.elements // place.shape[axis] * sum(kernels)


def _value(tensor: Any) -> Value:
    shape = tuple(tensor.shape)
    if shape[:1] == (None,):
        shape = (1, *shape[1:])
    if None in shape:
        raise ValueError(f"the tensor {tensor.name!r} has no fixed size: {tuple(tensor.shape)}.")
    return Value(shape, str(keras.backend.standardize_dtype(tensor.dtype)))


def _trace(model: Any, given: Sequence[Value], steps: list[Step]) -> list[Value]:
    """Append every call in the model to `steps`, in the order in which Keras makes them; returns the
    results."""
    graph = getattr(model, "_functional", None) or model  # of a Sequential
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(f"{model.name!r} is no functional model: it has no graph to count.")
    known = {id(tensor): value for tensor, value in zip(graph.inputs, given, strict=True)}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            inputs = tuple(known[id(tensor)] for tensor in node.input_tensors)
            inner = _open(node)
            if inner is None:
                outputs = tuple(_value(tensor) for tensor in node.output_tensors)
                steps.append(Step(node.operation, inputs, outputs))
            else:
                outputs = tuple(_trace(inner, inputs, steps))
            known |= {id(tensor): value for tensor, value in zip(node.output_tensors, outputs, strict=True)}
    return [known[id(tensor)] for tensor in graph.outputs]


def _open(node: Any) -> Any | None:
    """The model inside of a call: of a nested model, or of a layer made of layers; None for a simple one.

    A layer of layers is called once more on symbolic tensors, and so is a nested model of no fixed size.
    """
    layer = node.operation
    parts = [part for part in getattr(layer, "_layers", ()) if not isinstance(part, keras.layers.InputLayer)]
    if not parts:
        return None
    graph = getattr(layer, "_functional", None) or layer
    shapes = [tuple(tensor.shape) for tensor in node.input_tensors]
    if hasattr(graph, "_nodes_by_depth") and shapes == [tuple(tensor.shape) for tensor in graph.inputs]:
        return graph
    inputs = {
        id(tensor): keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype) for tensor in node.input_tensors
    }
    args, kwargs = keras.tree.map_structure(
        lambda value: inputs.get(id(value), value), (node.arguments.args, node.arguments.kwargs)
    )
    return keras.Model(list(inputs.values()), keras.tree.flatten(layer.call(*args, **kwargs)))


def _find_peak(given: Sequence[Value], steps: Sequence[Step], results: Sequence[Value]) -> int:
    """Largest sum of the tensors that are needed at one moment: a step's own, and those that a later one
    takes."""
    last = {id(value): i for i, step in enumerate(steps) for value in step.inputs}
    last |= {id(value): len(steps) for value in results}
    alive = {id(value): value.bytes for value in given}
    peak = sum(alive.values())
    for i, step in enumerate(steps):
        alive |= {id(value): value.bytes for value in step.outputs}
        peak = max(peak, sum(alive.values()))
        alive = {key: size for key, size in alive.items() if last.get(key, -1) > i}
    return peak


def _sum_kept(steps: Sequence[Step]) -> int:
    """Bytes that the way back needs: whatever lies on a path from a free weight on, and what enters it."""
    kept: dict[int, int] = {}
    moved: set[int] = set()  # values that change when free weights do
    for step in steps:
        is_free = bool(getattr(step.layer, "trainable_weights", ()))
        if not is_free and not any(id(value) in moved for value in step.inputs):
            continue
        moved |= {id(value) for value in step.outputs}
        kept |= {id(value): value.bytes for value in (*step.inputs, *step.outputs)}
    return sum(kept.values())
