"""The list of formats, and how one network is written in several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from glasshouse.export import litert, onnx, saved_model
from glasshouse.export.signature import Pixels, Predict, freeze

LOADERS: dict[str, Callable[[Path], Predict]] = {
    "saved_model": saved_model.load,
    "litert": litert.load,
    "litert_int8": litert.load,
    "onnx": onnx.load,
}
QUANTIZED = frozenset({"litert_int8"})


def write_formats(
    model: Any, formats: Iterable[str], folder: Path, labels: Sequence[str], calibration: Pixels
) -> dict[str, Path]:
    """Writes a network in each format, and `labels.txt` with one label a line in the order of the class
    index.

    The bytes depend on the network, the labels and the calibration pictures alone.

    Args:
        model: an inference model (see `signature.check_signature`) on the TensorFlow backend.
        formats: names from `LOADERS`.
        folder: made where missing.
        labels: class names.
        calibration: (N, H, W, 3) float32, 0..255, representative pictures from training; read by the 8-bit
            format only.

    Returns:
        format -> path of its file or folder.

    Raises:
        ValueError: unknown format, or a network that does not keep the contract.
    """
    graph = cache(lambda batch: freeze(model, batch))
    float_content = cache(lambda: litert.convert(graph(1)))
    writers: dict[str, Callable[[], Path]] = {
        "saved_model": lambda: saved_model.write(graph(None), folder),
        "litert": lambda: litert.write(float_content(), folder),
        "litert_int8": lambda: litert.write_int8(litert.quantize(float_content(), calibration), folder),
        "onnx": lambda: onnx.write(graph(None), folder),
    }
    formats = list(formats)
    if unknown := set(formats) - set(writers):
        raise ValueError(f"export.formats: unknown {sorted(unknown)}. There are {list(writers)}.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    return {name: writers[name]() for name in tqdm(formats, desc="export", unit="format", disable=None)}


def load_formats(paths: dict[str, Path]) -> dict[str, Predict]:
    """Every written format as a function of arrays, run by its own runtime."""
    return {name: LOADERS[name](path) for name, path in paths.items()}
