from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from glasshouse.export.onnx_names import name_by_structure, order_nodes


def build(tag: str, backwards: bool, share: bool) -> Any:
    """Doubles x three times in a loop whose body reads a constant from outside, then adds it.

    `tag` changes all inner names, `backwards` the order of constants and (as far as it may) nodes, `share`
    whether two equal constants are one.
    """
    two = f"{tag}two"
    other = two if share else f"{tag}zwei"
    body = helper.make_graph(
        [
            helper.make_node("Identity", [f"{tag}go"], [f"{tag}stay"]),
            helper.make_node("Mul", [f"{tag}old", two], [f"{tag}new"]),
        ],
        f"{tag}body",
        [
            helper.make_tensor_value_info(f"{tag}step", TensorProto.INT64, []),
            helper.make_tensor_value_info(f"{tag}go", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"{tag}old", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info(f"{tag}stay", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"{tag}new", TensorProto.FLOAT, [f"unk__{ord(tag[0])}"]),
        ],
    )
    constants = [
        numpy_helper.from_array(np.array(3, np.int64), f"{tag}count"),
        numpy_helper.from_array(np.array(True), f"{tag}true"),
        numpy_helper.from_array(np.array(2.0, np.float32), two),
        numpy_helper.from_array(np.array(2.0, np.float32), f"{tag}zwei"),
    ]
    nodes = [
        helper.make_node("Neg", ["x"], [f"{tag}minus"], name=f"{tag}n1"),
        helper.make_node("Abs", ["x"], [f"{tag}plus"], name=f"{tag}n2"),
    ]
    nodes = nodes[::-1] if backwards else nodes
    nodes += [
        helper.make_node("Loop", [f"{tag}count", f"{tag}true", f"{tag}plus"], [f"{tag}looped"], body=body),
        helper.make_node("Add", [f"{tag}looped", other], [f"{tag}sum"]),
        helper.make_node("Sum", [f"{tag}sum", f"{tag}minus"], [f"{tag}y"]),
    ]
    graph = helper.make_graph(
        nodes,
        f"{tag}graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info(f"{tag}y", TensorProto.FLOAT, [2])],
        constants[::-1] if backwards else constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="test")
    model.ir_version = 8
    model.graph.name = "g"
    return model


def rewrite(tag: str, backwards: bool, share: bool) -> Any:
    model = build(tag, backwards, share)
    name_by_structure(model, {"x": "pixels", f"{tag}y": "boxes"})
    onnx.checker.check_model(model, full_check=True)
    return model


def test_names_orders_and_shared_constants_do_not_show() -> None:
    variants = {
        rewrite(tag, backwards, share).SerializeToString(deterministic=True)
        for tag in ("a_", "zz")
        for backwards in (False, True)
        for share in (False, True)
    }
    assert len(variants) == 1


def build_choice(tag: str, untidy: bool) -> Any:
    """s = HardSigmoid(c) of x clipped from above, then 7 or 2 s + 3 c, by whether it is told to.

    The branches call their results by one name where `untidy`, which also turns round what has no order
    (attributes, versions) and adds what has no meaning (notes, types, an empty domain).
    """
    seven, total = (f"{tag}out", f"{tag}out") if untidy else (f"{tag}seven", f"{tag}total")
    number = helper.make_tensor_value_info(seven, TensorProto.FLOAT, [1])
    kept = helper.make_graph(
        [], f"{tag}kept", [], [number], [numpy_helper.from_array(np.array([7.0], np.float32), seven)]
    )
    parts = [
        helper.make_node("Mul", [f"{tag}soft", f"{tag}two"], [f"{tag}p"]),
        helper.make_node("Mul", [f"{tag}cut", f"{tag}three"], [f"{tag}q"]),
    ]
    summed = helper.make_graph(
        [*(parts[::-1] if untidy else parts), helper.make_node("Add", [f"{tag}p", f"{tag}q"], [total])],
        f"{tag}summed",
        [],
        [helper.make_tensor_value_info(total, TensorProto.FLOAT, [1])],
    )
    nodes = [
        helper.make_node("Clip", ["x", "", f"{tag}most"], [f"{tag}cut"]),
        helper.make_node("HardSigmoid", [f"{tag}cut"], [f"{tag}soft"], alpha=0.5, beta=0.25),
        helper.make_node("If", ["told"], [f"{tag}y"], then_branch=kept, else_branch=summed),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("told", TensorProto.BOOL, []),
    ]
    constants = [
        numpy_helper.from_array(np.array(value, np.float32), f"{tag}{name}")
        for name, value in (("most", 1.0), ("two", 2.0), ("three", 3.0))
    ]
    output = helper.make_tensor_value_info(f"{tag}y", TensorProto.FLOAT, [1])
    graph = helper.make_graph(nodes, "g", inputs, [output], constants)
    versions = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=versions[::-1] if untidy else versions)
    model.ir_version = 8
    if untidy:
        model.doc_string = model.graph.doc_string = tag
        model.graph.value_info.append(helper.make_tensor_value_info(f"{tag}cut", TensorProto.FLOAT, [1]))
        for node in model.graph.node:
            node.doc_string, node.domain = tag, ""
            attributes = list(node.attribute)[::-1]
            del node.attribute[:]
            node.attribute.extend(attributes)
    return model


def test_what_has_no_order_or_meaning_does_not_show() -> None:
    models = [build_choice(tag, untidy) for tag in ("a_", "zz") for untidy in (False, True)]
    for tag, model in zip(("a_", "a_", "zz", "zz"), models, strict=True):
        name_by_structure(model, {"x": "pixels", "told": "told", f"{tag}y": "boxes"})
        onnx.checker.check_model(model, full_check=True)
    assert len({model.SerializeToString(deterministic=True) for model in models}) == 1
    session = onnxruntime.InferenceSession(models[1].SerializeToString(), providers=["CPUExecutionProvider"])
    # c = min(3, 1), s = 0.5 c + 0.25 = 0.75: 2 s + 3 c = 4.5
    for told, wanted in ((True, 7.0), (False, 4.5)):
        (found,) = session.run(["boxes"], {"pixels": np.array([3], np.float32), "told": np.array(told)})
        assert found.tolist() == [wanted]


def test_meaning_and_outer_names_stay() -> None:
    """|x| * 2^3 + 2 - x: for 1 it is 9, for -3 it is 29."""
    model = rewrite("a_", True, False)
    assert [each.name for each in (*model.graph.input, *model.graph.output)] == ["pixels", "boxes"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["boxes"], {"pixels": np.array([1, -3], np.float32)})
    np.testing.assert_array_equal(found, [9.0, 29.0])
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    body = loop.attribute[0].g
    assert [each.name for each in body.input] == [f"{loop.name}/input_{number}" for number in range(3)]
    side = body.output[1].type.tensor_type.shape.dim[0].dim_param
    assert side == f"{body.output[1].name}.0"  # of unknown length, and none of another value


def test_a_constant_that_differs_shows() -> None:
    model = build("a_", False, True)
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.array(2.5, np.float32), "a_two"))
    name_by_structure(model, {"x": "pixels", "a_y": "boxes"})
    assert model.SerializeToString(deterministic=True) != rewrite("a_", False, True).SerializeToString(
        deterministic=True
    )


def test_nodes_without_effect_are_left_out_and_deep_graphs_pass() -> None:
    nodes = [helper.make_node("Neg", [f"v{number}"], [f"v{number + 1}"]) for number in range(3000)]
    nodes.append(helper.make_node("Abs", ["v5"], ["unused"]))
    graph = helper.make_graph(
        nodes,
        "deep",
        [helper.make_tensor_value_info("v0", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("v3000", TensorProto.FLOAT, [1])],
    )
    ordered = order_nodes(graph)
    assert [node.output[0] for node in ordered] == [f"v{number + 1}" for number in range(3000)]
