"""An exported network as a function of arrays, whatever its format, with the recipe that its file holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.inputs.recipe import KEY, Recipe, UnknownRecipe

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
    run, text = open_onnx(file, threads) if file.suffix == ".onnx" else open_stamped(file)
    try:
        return run, Recipe.read(text, file)
    except (JSONDecodeError, RecursionError) as error:
        raise UnknownRecipe(
            f"what {file} says of its pictures is damaged ({error}). Export the network again: "
            "`dvc repro export`."
        ) from error


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
    with telling(path, "onnxruntime"):
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    asked, names = session.get_inputs()[0].name, [each.name for each in session.get_outputs()]

    def run(pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return dict(zip(names, session.run(names, {asked: pixels}), strict=True))

    return run, session.get_modelmeta().custom_metadata_map.get(KEY)


def open_stamped(path: Path) -> tuple[Run, str | None]:
    """A LiteRT file or a SavedModel folder, and the text of its recipe where it has one.

    Raises:
        ValueError: it is damaged, or something else.
    """
    from glasshouse.export.stamp import read_stamp

    if path.is_dir():
        from glasshouse.export import saved_model

        with telling(path, "TensorFlow"):
            return saved_model.load(path), read_stamp(path)
    from glasshouse.export import litert

    with telling(path, "LiteRT"):  # which checks the file first: of a damaged one any reading may fail
        return call_by_thread(lambda: litert.load(path)), read_stamp(path)


@contextmanager
def telling(path: Path, runtime: str) -> Iterator[None]:
    """Whatever a runtime raises as a sentence: their exceptions have no common class but the widest."""
    try:
        yield
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} cannot be run by {runtime}: {reason}") from error


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
