"""What the converter cannot read of a frozen graph: compiled functions, Erfc; and what ONNX has not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.export import onnx, saved_model
from glasshouse.export.formats import LOADERS, load_formats, write_formats
from glasshouse.export.signature import freeze, predict_with


def test_grouped_convolutions_and_exact_gelu_in_every_format(
    grouped: Any, make_pictures: Any, tmp_path: Path
) -> None:
    pixels = make_pictures(12, 32)
    wanted = predict_with(grouped)(pixels)["probabilities"]
    assert wanted.std(axis=0).max() > 0.05  # a constant network would agree with anything
    paths = write_formats(grouped, LOADERS, tmp_path, ["a", "b", "c"], pixels)
    for name, predict in load_formats(paths).items():
        tolerance = 0.05 if name == "litert_int8" else 1e-5
        np.testing.assert_allclose(predict(pixels)["probabilities"], wanted, atol=tolerance, err_msg=name)


def test_onnx_file_has_the_groups_and_the_same_bytes_again(grouped: Any, tmp_path: Path) -> None:
    import onnx as format_

    first, second = (onnx.write(freeze(grouped, None), tmp_path / each) for each in "12")
    assert first.read_bytes() == second.read_bytes()
    nodes = format_.load(first).graph.node
    groups = [
        attribute.i
        for node in nodes
        if node.op_type == "Conv"
        for attribute in node.attribute
        if attribute.name == "group"
    ]
    assert sorted(groups) == [1, 2, 4]
    assert {node.domain for node in nodes} == {""}


def test_the_frozen_graph_stays_as_other_formats_need_it(grouped: Any) -> None:
    """SavedModel is written of the same graph, and runs grouped convolutions as Keras does: compiled."""
    frozen = freeze(grouped, None)
    before = frozen.graph_def.SerializeToString(deterministic=True)
    onnx.convert(frozen)
    assert frozen.graph_def.SerializeToString(deterministic=True) == before


def build_pointwise(function: Any) -> Any:
    """The mean over the picture of a function of (pixel - 128) / 32."""
    import keras

    pixels = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Lambda(lambda p: function((p - 128.0) / 32.0))(pixels)
    return keras.Model(pixels, {"probabilities": keras.layers.GlobalAveragePooling2D()(x)})


def test_erfc_has_the_values_of_the_standard_library(tmp_path: Path) -> None:
    from keras import ops

    predict = onnx.load(onnx.write(freeze(build_pointwise(ops.erfc), None), tmp_path))
    values = np.array([0.0, 64.0, 112.0, 127.0, 128.0, 129.0, 144.0, 192.0, 255.0], np.float32)
    pixels = np.broadcast_to(values[:, None, None, None], (len(values), 8, 8, 3))
    wanted = [math.erfc((float(value) - 128.0) / 32.0) for value in values]  # 2.0 ... 1.0 ... 2.0e-08
    np.testing.assert_allclose(predict(pixels)["probabilities"][:, 0], wanted, atol=1e-6)


def test_operators_are_looked_at_in_loops_too_and_the_first_node_of_each_is_named() -> None:
    from onnx import helper

    from glasshouse.export.onnx_operators import check_operators

    body = helper.make_graph([helper.make_node("Zap", ["x"], ["z"], name="inside")], "body", [], [])
    nodes = [
        helper.make_node("Loop", ["m", "c"], ["y"], body=body),
        helper.make_node("Erfinv", ["y"], ["a"], name="first"),
        helper.make_node("Erfinv", ["a"], ["b"], name="second"),
        helper.make_node("Erf", ["b"], ["e"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [], []))
    with pytest.raises(ValueError, match=r"no operator for Erfinv \(first\), Zap \(inside\), so the network"):
        check_operators(model, 18)


def test_operators_that_onnx_has_not_are_named_with_the_way_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from keras import ops

    frozen = freeze(build_pointwise(lambda x: ops.erfinv(ops.tanh(x))), None)
    with pytest.raises(
        ValueError, match=r"no operator for Erfinv \(.*Erfinv\).*Leave onnx out of export.formats"
    ):
        onnx.write(frozen, tmp_path)
    assert not (tmp_path / onnx.FILE).exists()
    assert capfd.readouterr().err == ""  # a sentence, not the converter's pages
    assert saved_model.write(frozen, tmp_path).exists()
