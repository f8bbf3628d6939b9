from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.export.difference import compare
from glasshouse.export.formats import LOADERS, load_formats, write_formats
from glasshouse.export.parity import hash_export

FLOAT = ["saved_model", "litert", "onnx"]
DTYPES = {"boxes": np.float32, "labels": np.int32, "scores": np.float32, "valid": np.int32}
REEXPORT = """
import sys
from pathlib import Path
import numpy as np
import keras
from glasshouse.export.formats import LOADERS, write_formats
from glasshouse.export.parity import hash_export
from glasshouse.export.signature import freeze
import glasshouse.models.layers.nms

network, pictures, folder = sys.argv[1:]
model = keras.models.load_model(network)
freeze(model, None)  # moves every counter of this process on
paths = write_formats(model, LOADERS, Path(folder), ["a", "b", "c"], np.load(pictures))
print({name: hash_export(path) for name, path in paths.items()})
"""


@pytest.mark.parametrize("name", FLOAT)
def test_float_formats_give_what_keras_gives(
    name: str, loaded: Any, reference: Any, make_pictures: Any
) -> None:
    found = loaded[name](make_pictures(6))
    assert {key: value.dtype for key, value in found.items()} == DTYPES
    assert reference["scores"].std() > 0.01  # a constant network would agree with anything
    difference = compare(reference, found, (64, 64))
    assert difference.compared == reference["valid"].sum() > 100
    assert difference.largest < 1e-5
    np.testing.assert_array_equal(found["valid"], reference["valid"])


@pytest.mark.parametrize("name", list(LOADERS))
@pytest.mark.parametrize("batch", [1, 3])
def test_any_batch_gives_the_rows_of_a_larger_one(
    name: str, batch: int, loaded: Any, make_pictures: Any
) -> None:
    pixels = make_pictures(6)
    whole, part = loaded[name](pixels), loaded[name](pixels[:batch])
    difference = compare({key: value[:batch] for key, value in whole.items()}, part, (64, 64))
    assert difference.largest < 1e-5
    assert difference.compared == whole["valid"][:batch].sum()


def test_eight_bits_stay_near_and_decode_stays_float(
    exported: dict[str, Path], loaded: Any, reference: Any, make_pictures: Any
) -> None:
    from glasshouse.export.graft import name_operators, split_operators, unpack

    difference = compare(reference, loaded["litert_int8"](make_pictures(6)), (64, 64))
    assert 0 < difference.scores < 0.1
    assert difference.boxes < 0.05
    model = unpack(exported["litert_int8"].read_bytes())
    graph, kinds = model.subgraphs[0], name_operators(model)
    convolutions = [
        int(graph.tensors[operator.outputs[0]].type)
        for operator, kind in zip(graph.operators, kinds, strict=True)
        if kind == "CONV_2D"
    ]
    float32, int8 = 0, 9  # TensorType of the schema
    assert convolutions.count(int8) == 10 and convolutions.count(float32) == 6  # six predict
    _, rest = split_operators(model)
    assert {int(graph.tensors[tensor].type) for operator in rest for tensor in operator.outputs} & {
        int8
    } == set()
    assert exported["litert_int8"].stat().st_size < 0.7 * exported["litert"].stat().st_size


def test_a_classifier_of_one_class_is_written_in_every_format(make_pictures: Any, tmp_path: Path) -> None:
    """Its probability is 1 whatever it sees, and still the network has to be in the files."""
    import keras

    from glasshouse.models.layers.shares import class_shares

    pixels = keras.Input((32, 32, 3), name="pixels")
    x = keras.layers.Conv2D(8, 3, 2)(keras.layers.Conv2D(8, 3, 2)(pixels))
    shares = class_shares(keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(x)))
    model = keras.Model(pixels, {"probabilities": shares})
    pictures = make_pictures(2, 32)
    for predict in load_formats(write_formats(model, LOADERS, tmp_path, ["a"], pictures)).values():
        assert predict(pictures)["probabilities"].tolist() == [[1.0], [1.0]]


def test_files_ask_for_pixels_only_and_use_standard_operators(exported: dict[str, Path]) -> None:
    import onnx
    import tensorflow as tf

    from glasshouse.export.graft import name_operators, unpack

    model = onnx.load(exported["onnx"])
    assert [each.name for each in model.graph.input] == ["pixels"]
    assert [each.name for each in model.graph.output] == sorted(DTYPES)
    assert {node.domain for node in model.graph.node} == {""}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    for name in ("litert", "litert_int8"):
        lite = unpack(exported[name].read_bytes())
        assert [entry.name for entry in lite.signatureDefs[0].inputs] == [b"pixels"]
        assert len(lite.subgraphs[0].inputs) == 1
        assert not {"CUSTOM", "DELEGATE"} & set(name_operators(lite))
    saved = tf.saved_model.load(str(exported["saved_model"])).signatures["serving_default"]
    assert list(saved.structured_input_signature[1]) == ["pixels"]
    assert sorted(saved.structured_outputs) == sorted(DTYPES)


def test_labels_stand_in_class_order(exported: dict[str, Path]) -> None:
    assert (exported["onnx"].parent / "labels.txt").read_text() == "a\nb\nc\n"


def test_a_fresh_process_with_another_hash_seed_writes_the_same_bytes(
    detector: Any, exported: dict[str, Path], make_pictures: Any, tmp_path: Path
) -> None:
    from glasshouse.models.archive import save_network

    save_network(detector, tmp_path / "detector.keras")
    np.save(tmp_path / "pictures.npy", make_pictures(24))
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            REEXPORT,
            *map(str, (tmp_path / "detector.keras", tmp_path / "pictures.npy", tmp_path)),
        ],
        env={**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == str({name: hash_export(path) for name, path in exported.items()})


def test_what_a_process_exported_before_does_not_show(
    detector: Any, exported: dict[str, Path], tmp_path: Path
) -> None:
    from glasshouse.export.onnx import write
    from glasshouse.export.parity import hash_export
    from glasshouse.export.signature import freeze

    again = write(freeze(detector, None), tmp_path)
    assert b"unk__" not in again.read_bytes()  # the converter's counter runs on through a process
    assert hash_export(write(freeze(detector, None), tmp_path)) == hash_export(again)
    assert hash_export(again) == hash_export(exported["onnx"])


def test_classifier_in_every_format(classifier: Any, make_pictures: Any, tmp_path: Path) -> None:
    from glasshouse.export.signature import predict_with

    pixels = make_pictures(12, 32)
    wanted = predict_with(classifier)(pixels)["probabilities"]
    assert wanted.std(axis=0).max() > 1e-3
    paths = write_formats(classifier, LOADERS, tmp_path, ["a", "b", "c"], pixels)
    for name, predict in load_formats(paths).items():
        found = predict(pixels)
        assert list(found) == ["probabilities"]
        tolerance = 0.05 if name == "litert_int8" else 1e-5
        np.testing.assert_allclose(found["probabilities"], wanted, atol=tolerance, err_msg=name)


def test_unknown_format_and_missing_calibration_are_refused(
    classifier: Any, make_pictures: Any, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"unknown \['coreml'\]"):
        write_formats(classifier, ["onnx", "coreml"], tmp_path, [], make_pictures(1, 32))
    with pytest.raises(ValueError, match="representative picture"):
        write_formats(classifier, ["litert_int8"], tmp_path, [], make_pictures(1, 32)[:0])


def test_folder_hash_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    first = hash_export(tmp_path)
    assert hash_export(tmp_path / "a") == hashlib.sha256(b"1").hexdigest()
    (tmp_path / "a").rename(tmp_path / "b")
    second = hash_export(tmp_path)
    (tmp_path / "b").write_bytes(b"2")
    assert len({first, second, hash_export(tmp_path)}) == 3


@pytest.mark.slow
def test_mobilenet_v2_as_backbone(make_pictures: Any, tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    from glasshouse.export.signature import predict_with

    keras.utils.set_random_seed(3)
    pixels = keras.Input((96, 96, 3), name="pixels")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
    backbone = keras.applications.MobileNetV2(
        weights=None, alpha=0.35, include_top=False, input_shape=(96, 96, 3), pooling="avg"
    )
    probabilities = keras.layers.Dense(3, activation="softmax")(backbone(scaled))
    model = keras.Model(pixels, {"probabilities": probabilities})
    pictures = make_pictures(8, 96)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    run = tf.function(lambda batch: model(batch, training=True))
    for _ in range(15):  # a fresh one is dead: constant outputs until batch norm has seen pictures
        run(pictures)
    wanted = predict_with(model)(pictures)["probabilities"]
    assert wanted.std(axis=0).max() > 1e-3
    paths = write_formats(model, LOADERS, tmp_path, ["a", "b", "c"], pictures)
    for name, predict in load_formats(paths).items():
        tolerance = 0.3 if name == "litert_int8" else 1e-4  # random weights in 8 bits: the order of size only
        np.testing.assert_allclose(predict(pictures)["probabilities"], wanted, atol=tolerance, err_msg=name)
