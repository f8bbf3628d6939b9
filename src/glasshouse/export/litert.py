"""LiteRT (.tflite) in float32 and with an 8-bit trunk: built-in operators only, one picture a call."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from glasshouse.export import saved_model
from glasshouse.export.graft import cut_trunk, replace_trunk
from glasshouse.export.signature import INPUT, Frozen, Pixels, Predict, Predictions
from glasshouse.training.quiet import quiet

FILE = "model.tflite"
FILE_INT8 = "model_int8.tflite"


def convert(frozen: Frozen) -> bytes:
    """The .tflite file of a graph frozen for a batch of one."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, quiet():
        saved = saved_model.write(frozen, Path(folder))
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert()
    return content


def quantize(content: bytes, pixels: Pixels) -> bytes:
    """The float model with weights and activations of its trunk in 8 bits, by static post-training
    quantisation.

    The trunk is everything from which a convolution is still to come. The last convolutions, the decoding
    and the suppression stay in float32: they are a small part of size and time, and coordinates and scores
    are not held to 256 steps.

    Args:
        content: the float32 .tflite file.
        pixels: (N, H, W, 3) representative pictures, 0..255, from which the activations' ranges are taken.
    """
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.optimize.calibrator import Calibrator, add_intermediate_tensors

    if len(pixels) == 0:
        raise ValueError(
            "Quantisation needs at least one representative picture; export.calibration_pictures gave none."
        )

    def samples() -> Iterator[list[Pixels]]:
        for picture in pixels:
            yield [np.asarray(picture[None], np.float32)]

    with quiet():
        calibrated = Calibrator(add_intermediate_tensors(cut_trunk(content))).calibrate(samples)
        trunk = mlir_quantize(calibrated)
    return replace_trunk(content, trunk)


def write(content: bytes, folder: Path) -> Path:
    """Writes `folder/model.tflite`, made by `convert`, and returns its path."""
    return _write(content, folder / FILE)


def write_int8(content: bytes, folder: Path) -> Path:
    """Writes `folder/model_int8.tflite`, made by `quantize`, and returns its path."""
    return _write(content, folder / FILE_INT8)


def _write(content: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def load(path: Path) -> Predict:
    """The network as a function of arrays; a batch is run picture by picture."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
    run = interpreter.get_signature_runner("serving_default")

    def predict(pixels: Pixels) -> Predictions:
        results = [run(**{INPUT: picture[None]}) for picture in np.asarray(pixels, np.float32)]
        return {name: np.concatenate([result[name] for result in results]) for name in sorted(results[0])}

    return predict
