from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.export import litert
from glasshouse.export.graft import (
    cut_trunk,
    drop_unused_buffers,
    find_border,
    name_operators,
    pack,
    replace_trunk,
    split_operators,
    unpack,
)


def run(content: bytes, folder: Path, pixels: Any) -> dict[str, Any]:
    return litert.load(litert.write(content, folder))(pixels)


def test_cut_and_joined_again_is_the_same_network(exported: Any, make_pictures: Any, tmp_path: Path) -> None:
    content, pixels = exported["litert"].read_bytes(), make_pictures(3)
    whole = run(content, tmp_path / "whole", pixels)
    joined = replace_trunk(content, cut_trunk(content))
    for other in (pack(unpack(content)), joined):
        for name, value in run(other, tmp_path / "other", pixels).items():
            np.testing.assert_array_equal(value, whole[name])
    assert abs(len(joined) - len(content)) < 0.02 * len(content)  # nothing unused is carried along


def test_trunk_ends_before_the_last_convolutions(exported: Any) -> None:
    model = unpack(exported["litert"].read_bytes())
    kinds = dict(zip(map(id, model.subgraphs[0].operators), name_operators(model), strict=True))
    trunk, rest = ([kinds[id(operator)] for operator in part] for part in split_operators(model))
    assert trunk.count("CONV_2D") == 10
    assert rest.count("CONV_2D") == 6  # boxes and classes of three levels
    assert "WHILE" in rest and "WHILE" not in trunk
    assert len(trunk) + len(rest) == len(kinds)


TENSORS = ("convolved", "pixels", "weights", "positive", "more weights", "logits", "shares", "left over")
BUFFERS = (b"", b"12345678", b"abcdefgh", b"recipe", b"left over", b"of a body")
BUFFER_OF = {"weights": 1, "more weights": 2, "left over": 4, "within": 5}
# Kind -> tensors read and written; -1 is a bias that is left out.
STEPS = {
    "CONV_2D": ([1, 2, -1], [0]),
    "RELU": ([0], [3]),
    "FULLY_CONNECTED": ([3, 4, -1], [5]),
    "SOFTMAX": ([5], [6]),
}


def build() -> Any:
    """A classifier without shapes, as the schema has it, with a tensor, a buffer and a code too many.

    Beside it stands a graph such as loops have for their bodies, of one operator.
    """
    from ai_edge_litert import schema_py_generated as schema

    def make(kind: str, **fields: Any) -> Any:
        made = getattr(schema, kind)()
        for name, value in fields.items():
            setattr(made, name, value)
        return made

    def make_tensors(names: tuple[str, ...]) -> list[Any]:
        return [make("TensorT", name=name, shape=[1], buffer=BUFFER_OF.get(name, 0)) for name in names]

    codes = ("SOFTMAX", "MAX_POOL_2D", "ABS", *list(STEPS)[:3])
    numbers = [getattr(schema.BuiltinOperator, name) for name in codes]
    graph = make(
        "SubGraphT",
        tensors=make_tensors(TENSORS),
        inputs=[1],
        outputs=[6],
        operators=[
            make("OperatorT", opcodeIndex=codes.index(kind), inputs=read, outputs=written)
            for kind, (read, written) in STEPS.items()
        ],
    )
    body = make(
        "SubGraphT",
        tensors=make_tensors(("within", "absolute")),
        inputs=[0],
        outputs=[1],
        operators=[make("OperatorT", opcodeIndex=codes.index("ABS"), inputs=[0], outputs=[1])],
    )
    ends = {"inputs": [("pixels", 1)], "outputs": [("shares", 6)]}
    maps = {
        side: [make("TensorMapT", name=name, tensorIndex=place) for name, place in entries]
        for side, entries in ends.items()
    }
    return make(
        "ModelT",
        version=3,
        operatorCodes=[make("OperatorCodeT", builtinCode=n, deprecatedBuiltinCode=n) for n in numbers],
        subgraphs=[graph, body],
        buffers=[make("BufferT", data=list(content) or None) for content in BUFFERS],
        signatureDefs=[make("SignatureDefT", signatureKey="serving_default", subgraphIndex=0, **maps)],
        metadata=[make("MetadataT", name="recipe", buffer=3)],
    )


def tell(model: Any) -> dict[str, Any]:
    """What a model holds, by names in place of numbers."""
    graph, *bodies = model.subgraphs
    names = [tensor.name.decode() for tensor in graph.tensors]
    contents = [b"" if buffer.data is None else bytes(buffer.data) for buffer in model.buffers]
    return {
        "steps": [
            (kind, *([names[place] if place >= 0 else None for place in side] for side in sides))
            for kind, sides in zip(
                name_operators(model), ((each.inputs, each.outputs) for each in graph.operators), strict=True
            )
        ],
        "ends": [[names[place] for place in side] for side in (graph.inputs, graph.outputs)],
        "signature": [
            [(entry.name.decode(), names[entry.tensorIndex]) for entry in side]
            for signature in model.signatureDefs or []
            for side in (signature.inputs, signature.outputs)
        ],
        "tensors": sorted((tensor.name.decode(), contents[tensor.buffer]) for tensor in graph.tensors),
        "buffers": sorted(contents),
        "metadata": [(each.name.decode(), contents[each.buffer]) for each in model.metadata or []],
        "codes": len(model.operatorCodes),
        "bodies": [
            (model.operatorCodes[body.operators[0].opcodeIndex].builtinCode, contents[body.tensors[0].buffer])
            for body in bodies
        ],
    }


STEPS_TOLD = [
    ("CONV_2D", ["pixels", "weights", None], ["convolved"]),
    ("RELU", ["convolved"], ["positive"]),
    ("FULLY_CONNECTED", ["positive", "more weights", None], ["logits"]),
    ("SOFTMAX", ["logits"], ["shares"]),
]


def test_the_trunk_is_cut_with_what_it_reads_and_no_more() -> None:
    assert tell(unpack(cut_trunk(pack(build())))) == {
        "steps": STEPS_TOLD[:2],
        "ends": [["pixels"], ["positive"]],
        "signature": [],
        "tensors": [("convolved", b""), ("pixels", b""), ("positive", b""), ("weights", b"12345678")],
        "buffers": [b"", b"12345678"],
        "metadata": [],
        "codes": 2,
        "bodies": [],
    }


def test_another_trunk_stands_in_the_place_of_the_old_one() -> None:
    trunk = unpack(cut_trunk(pack(build())))
    trunk.buffers[1].data = list(b"other")
    for tensor in trunk.subgraphs[0].tensors:
        tensor.name = b"new " + tensor.name
    told = tell(unpack(replace_trunk(pack(build()), pack(trunk))))
    assert told == {
        "steps": [
            ("CONV_2D", ["new pixels", "new weights", None], ["new convolved"]),
            ("RELU", ["new convolved"], ["new positive"]),
            ("FULLY_CONNECTED", ["new positive", "more weights", None], ["logits"]),
            ("SOFTMAX", ["logits"], ["shares"]),
        ],
        "ends": [["new pixels"], ["shares"]],
        "signature": [[("pixels", "new pixels")], [("shares", "shares")]],
        "tensors": [
            ("logits", b""),
            ("more weights", b"abcdefgh"),
            ("new convolved", b""),
            ("new pixels", b""),
            ("new positive", b""),
            ("new weights", b"other"),
            ("shares", b""),
        ],
        "buffers": [b"", b"", b"abcdefgh", b"of a body", b"other", b"recipe"],  # the empty one of either
        "metadata": [("recipe", b"recipe")],
        "codes": 5,
        "bodies": [(101, b"of a body")],  # ABS of the schema
    }


def test_what_the_rest_reads_of_the_trunk_is_in_rising_order() -> None:
    trunk = [SimpleNamespace(inputs=[3], outputs=[8, 2]), SimpleNamespace(inputs=[8], outputs=[1])]
    rest = [SimpleNamespace(inputs=[1, -1], outputs=[4]), SimpleNamespace(inputs=[4, 8, 3], outputs=[5])]
    assert find_border(trunk, rest) == [1, 8]


def test_the_first_buffer_stays_though_nothing_uses_it() -> None:
    """The schema takes its number for "no data"."""
    tensor = SimpleNamespace(buffer=2)
    model = SimpleNamespace(
        subgraphs=[SimpleNamespace(tensors=[tensor])],
        metadata=None,
        buffers=["empty", "left over", "weights"],
    )
    drop_unused_buffers(model)
    assert (model.buffers, tensor.buffer) == (["empty", "weights"], 1)


def test_operators_are_named_by_either_of_their_numbers() -> None:
    """The older field ends at 127, which there means that the newer one counts; old files have it alone."""
    model = build()
    new, old = model.operatorCodes[0], model.operatorCodes[3]
    new.builtinCode, new.deprecatedBuiltinCode = 150, 127
    old.builtinCode = 0
    assert name_operators(model) == ["CONV_2D", "RELU", "FULLY_CONNECTED", "GELU"]


def test_network_without_a_trunk_is_refused() -> None:
    import keras

    from glasshouse.export.signature import freeze

    pixels = keras.Input((8, 8, 3), name="pixels")
    model = keras.Model(pixels, {"probabilities": keras.layers.GlobalMaxPooling2D()(pixels)})
    content = litert.convert(freeze(model, 1))
    with pytest.raises(ValueError, match="no convolution"):
        cut_trunk(content)
