"""Networks small enough to know their answers by heart, in files like those of the export stage."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from glasshouse.export.stamp import stamp
from glasshouse.inputs.recipe import Recipe

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def write_box_network(path: Path, side_px: int = 32, windows: Any = None) -> None:
    """ONNX: (B, S, S, 3) -> one box in the middle, half as wide and high as the picture.

    Its label is always 0 and its score the mean of the red channel over 255. A second box lies in the upper
    left corner, label 1, with the mean of green; the third place is empty. `windows` (S, S, 3), of mean 1 a
    channel, weighs the pixels.
    """
    from onnx import TensorProto, helper, numpy_helper

    quarter = side_px / 4
    boxes = [[[quarter, quarter, 3 * quarter, 3 * quarter], [0, 0, quarter, quarter], [0, 0, 0, 0]]]
    constants: dict[str, Any] = {
        "axes": np.array([1, 2]),
        "windows": np.ones((side_px, side_px, 3), np.float32)
        if windows is None
        else windows.astype(np.float32),
        "scale": np.array([255.0], np.float32),
        "keep": np.array([[1.0, 1.0, 0.0]], np.float32),
        "box": np.array(boxes, np.float32),
        "label": np.array([[0, 1, -1]], np.int32),
        "two": np.array([2], np.int32),
        "first": np.array([0]),
        "one": np.array([1]),
        "three": np.array([3]),
        "four": np.array([4]),
    }
    nodes = [
        helper.make_node("Mul", ["pixels", "windows"], ["seen"]),
        helper.make_node("ReduceMean", ["seen", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "scale"], ["share"]),
        helper.make_node("Mul", ["share", "keep"], ["scores"]),
        helper.make_node("Shape", ["pixels"], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "one"], ["count"]),
        helper.make_node("Concat", ["count", "three"], ["flat"], axis=0),
        helper.make_node("Concat", ["count", "three", "four"], ["deep"], axis=0),
        helper.make_node("Expand", ["box", "deep"], ["boxes"]),
        helper.make_node("Expand", ["label", "flat"], ["labels"]),
        helper.make_node("Expand", ["two", "count"], ["valid"]),
    ]
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", 3, 4]),
        helper.make_tensor_value_info("labels", TensorProto.INT32, ["batch", 3]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3]),
        helper.make_tensor_value_info("valid", TensorProto.INT32, ["batch"]),
    ]
    _save(path, side_px, nodes, outputs, constants, numpy_helper)
    stamp([path], Recipe("detect", ("red", "green"), side_px, side_px, "letterbox", 114))


def write_class_network(path: Path, side_px: int = 32) -> None:
    """ONNX: (B, S, S, 3) -> probabilities of red, green and blue: each channel's share of the light."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {"axes": np.array([1, 2]), "last": np.array([1])}
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("ReduceSum", ["mean", "last"], ["sum"], keepdims=1),
        helper.make_node("Div", ["mean", "sum"], ["probabilities"]),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])]
    _save(path, side_px, nodes, outputs, constants, numpy_helper)
    stamp([path], Recipe("classify", ("red", "green", "blue"), side_px, side_px, "stretch", 0))


def _save(path: Path, side_px: int, nodes: Any, outputs: Any, constants: Any, numpy_helper: Any) -> None:
    import onnx
    from onnx import TensorProto, helper

    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", side_px, side_px, 3])
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "known", [pixels], outputs, initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))


@pytest.fixture(scope="session")
def box_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    write_box_network(path)
    return path


@pytest.fixture(scope="session")
def write_box() -> Callable[..., None]:
    return write_box_network


@pytest.fixture(scope="session")
def class_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    write_class_network(path)
    return path


def encode(
    colour: tuple[int, int, int], size: tuple[int, int] = (64, 64), kind: str = "JPEG", **more: Any
) -> bytes:
    """A picture of one colour, (width, height)."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind, **more)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    return encode(RED)


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    return encode
