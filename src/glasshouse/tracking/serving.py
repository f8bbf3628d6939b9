"""The registered network as MLflow serves it: encoded pictures or arrays in, predictions out.

MLflow calls `_load_pyfunc`. It does so with a copy of this module and of what it imports, which lies inside
the logged model under a package name of its own (`tracking.carried`): where a model is served, Glasshouse
need not be installed, and where it is, the two do not hide each other.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from glasshouse.inputs.recipe import Recipe
from glasshouse.pictures.decode import UndecodablePicture
from glasshouse.prediction.predictor import BATCH, SCORE, Predictor, check_score
from glasshouse.prediction.runtime import open_onnx

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMN = "image"  # of a table of pictures, and the input's name in the signature
MOST_BYTES = 20_000_000  # of one encoded picture
MOST_PICTURES = 64  # a request
DATA_URI = "base64,"


def _load_pyfunc(path: str) -> Served:
    """What MLflow calls with the ONNX file of the model."""
    return Served(Path(path))


class Served:
    """A network behind MLflow's `predict`."""

    def __init__(self, path: Path) -> None:
        self.run, text = open_onnx(path)
        # Without a recipe arrays can be served, and pictures are refused one by one with that reason.
        self.predictor = None if text is None else Predictor(self.run, Recipe.read(text, path), path.name)

    def predict(
        self, data: DataFrame | dict[str, Any] | NDArray[Any], params: dict[str, Any] | None = None
    ) -> Any:
        """Predictions for pictures or arrays.

        Args:
            data: a table or dictionary with the column `image`, or the array itself. Texts are encoded
                picture files in base64, and give one dictionary a picture, boxes in its own pixels. Numbers
                are prepared pixels (B, H, W, 3), 0..255, at the network's size, and give the network's
                outputs by name.
            params: `score`: of pictures, what scores less is left out.

        Raises:
            MlflowException: INVALID_PARAMETER_VALUE (HTTP status 400) with a sentence, for anything else.
        """
        values = self._take_values(data)
        if values.dtype.kind in "OUS" and all(isinstance(each, str | bytes) for each in values.ravel()):
            return self._predict_pictures(values.ravel().tolist(), (params or {}).get("score", SCORE))
        return self.run(self._check_pixels(values))

    def _take_values(self, data: Any) -> NDArray[Any]:
        if isinstance(data, np.ndarray):
            return data
        columns = [str(name) for name in (data if isinstance(data, dict) else data.columns)]
        if columns != [COLUMN]:
            _refuse(f"A table must have one column, {COLUMN!r}. Got {columns} instead.")
        return np.asarray(data[COLUMN])

    def _predict_pictures(self, texts: list[str | bytes], score: Any) -> list[dict[str, Any]]:
        if self.predictor is None:
            _refuse("This model was exported without saying how pictures are prepared: send arrays.")
        try:
            check_score(score, "params.score")
        except ValueError as error:
            _refuse(str(error))
        if not 0 < len(texts) <= MOST_PICTURES:
            _refuse(f"A request may hold 1 to {MOST_PICTURES} pictures. Got {len(texts)} instead.")
        answers: list[dict[str, Any]] = []
        for start in range(0, len(texts), BATCH):
            batch = enumerate(texts[start : start + BATCH], start + 1)
            prepared = [self._prepare(number, text) for number, text in batch]
            for found in self.predictor.predict_prepared(prepared, score):
                height, width = found.size
                answers.append({"width_px": width, "height_px": height, "objects": found.list_objects()})
        return answers

    def _prepare(self, number: int, text: str | bytes) -> Any:
        """One picture from base64, at the network's size."""
        assert self.predictor is not None
        encoded = text if isinstance(text, str) else text.decode("ascii", "replace")
        if encoded.startswith("data:"):
            encoded = encoded.partition(DATA_URI)[2]
        if len(encoded) > MOST_BYTES * 4 // 3 + 4:
            size = len(encoded) * 3 // 4 / 1e6
            _refuse(f"Picture {number} has {size:.1f} MB; the limit is {MOST_BYTES / 1e6:.0f} MB.")
        try:
            return self.predictor.prepare(base64.b64decode("".join(encoded.split()), validate=True))
        except (binascii.Error, ValueError) as error:
            if isinstance(error, UndecodablePicture):
                _refuse(f"Picture {number} cannot be read: {error.reason}.")
            _refuse(f"Picture {number} is no base64 text: {error}.")

    def _check_pixels(self, values: NDArray[Any]) -> NDArray[np.float32]:
        try:
            pixels = values.astype(np.float32)
        except OverflowError:  # a whole number beyond any float
            _refuse("Levels must be from 0 to 255.")
        except (TypeError, ValueError):
            _refuse("Send numbers, or base64 texts of encoded pictures: neither was found.")
        if pixels.ndim != 4 or pixels.shape[3] != 3 or 0 in pixels.shape:
            _refuse(f"An array must be pixels (B, height, width, 3). Got {pixels.shape} instead.")
        if self.predictor is not None:
            size = (self.predictor.recipe.height_px, self.predictor.recipe.width_px)
            if pixels.shape[1:3] != size:
                _refuse(
                    f"An array must be prepared pixels of {size[0]} x {size[1]}. Got {pixels.shape[1]} x "
                    f"{pixels.shape[2]}. Send pictures of any size as base64 texts."
                )
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 255):
            _refuse("Levels must be from 0 to 255.")
        return pixels


def _refuse(sentence: str) -> NoReturn:
    """Status 400 with this sentence; any other exception would lose it on the way."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    raise MlflowException(sentence, INVALID_PARAMETER_VALUE)
