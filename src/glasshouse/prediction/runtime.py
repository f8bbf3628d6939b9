"""An exported network as a function of arrays, whatever its format, with the recipe that its file holds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.inputs.recipe import KEY, Recipe

# (B, H, W, 3) float32, 0..255 -> arrays by name; may be called from several threads at once.
Run = Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]

IN_FOLDER = (
    "model.onnx",
    "model.tflite",
    "saved_model",
    "model_int8.tflite",
)  # the first that is there counts


def open_network(path: Path, threads: int = 0) -> tuple[Run, Recipe]:
    """Load an exported network.

    Args:
        path: an .onnx or .tflite file, a SavedModel folder, or a folder such as `exports/` that holds one.
        threads: of one call of an ONNX network; 0: as many as onnxruntime thinks best. 1 is best where
            several threads call at once.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: no network that can be run.
        UnknownRecipe: the file does not say how pictures are prepared for it.
    """
    file = find_file(path)
    if file.suffix == ".onnx":
        run, text = open_onnx(file, threads)
        return run, Recipe.read(text, file)
    from glasshouse.export.stamp import read_stamp

    recipe = Recipe.read(read_stamp(file), file)
    if file.is_dir():
        from glasshouse.export import saved_model

        return saved_model.load(file), recipe
    from glasshouse.export import litert

    return call_by_thread(lambda: litert.load(file)), recipe


def find_file(path: Path) -> Path:
    """The network that is meant by a path: itself, or the first of IN_FOLDER in a folder."""
    if not path.exists():
        raise FileNotFoundError(2, "no such model; `dvc repro export` writes exports/model.onnx", str(path))
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        found = [path / name for name in IN_FOLDER if (path / name).exists()]
        if not found:
            raise ValueError(f"{path} holds no exported network: none of {', '.join(IN_FOLDER)} is in it.")
        return found[0]
    if path.is_file() and path.suffix not in (".onnx", ".tflite"):
        raise ValueError(
            f"{path} is no exported network. Give an .onnx or .tflite file, a SavedModel folder, or exports/."
        )
    return path


def open_onnx(path: Path, threads: int = 0) -> tuple[Run, str | None]:
    """An ONNX network on the CPU, and the text of its recipe where it has one.

    Raises:
        ValueError: the file is damaged, or no ONNX.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes have no common one but this
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} cannot be run by onnxruntime: {reason}") from error
    asked, names = session.get_inputs()[0].name, [each.name for each in session.get_outputs()]

    def run(pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return dict(zip(names, session.run(names, {asked: pixels}), strict=True))

    return run, session.get_modelmeta().custom_metadata_map.get(KEY)


def call_by_thread(load: Callable[[], Run]) -> Run:
    """A network that only one thread may use at a time, loaded once for each thread that calls."""
    own = threading.local()
    own.run = load()

    def run(pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        if not hasattr(own, "run"):
            own.run = load()
        answer: dict[str, NDArray[Any]] = own.run(pixels)
        return answer

    return run
