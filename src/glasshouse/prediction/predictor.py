"""An exported network on pictures as they come: files, encoded bytes, arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from glasshouse.inputs.recipe import Recipe
from glasshouse.inputs.resize import Transform, resize_picture
from glasshouse.pictures.decode import UndecodablePicture, decode_picture
from glasshouse.prediction.result import Prediction, read_answer
from glasshouse.prediction.runtime import Run

SCORE = 0.3  # boxes below it are left out unless something else is asked for
BATCH = 8  # pictures a call: larger ones are no faster on a CPU, and hold more pictures in memory

Picture = str | os.PathLike[str] | bytes | NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture at the network's size: uint8 (H, W, 3); how it came there; (height, width) that it had."""

    pixels_rgb: NDArray[np.uint8]
    transform: Transform
    size: tuple[int, int]


class Predictor:
    """A network with its recipe. Several threads may use one at once.

    Attributes:
        recipe: size, resize, labels, task.
        name: what it was loaded from, for people.
    """

    def __init__(self, run: Run, recipe: Recipe, name: str) -> None:
        self.run, self.recipe, self.name = run, recipe, name

    @overload
    def predict(self, pictures: Picture, score: float = SCORE) -> Prediction: ...

    @overload
    def predict(
        self, pictures: list[Picture] | tuple[Picture, ...], score: float = SCORE
    ) -> list[Prediction]: ...

    def predict(
        self, pictures: Picture | list[Picture] | tuple[Picture, ...], score: float = SCORE
    ) -> Prediction | list[Prediction]:
        """What the network sees.

        Args:
            pictures: one picture, or a list of them: a path, the bytes of an encoded file, or upright pixels,
                uint8 (height, width, 3) RGB of any size. An array (B, height, width, 3) is a list.
            score: what scores less is left out, 0..1; of a classifier's classes the best one always stays.

        Returns:
            A Prediction, or a list of them in the order of the pictures.

        Raises:
            ValueError: naming the picture that is none (UndecodablePicture), an array of another kind, or a
                score beyond 0..1.
            FileNotFoundError: no such file.
        """
        check_score(score, "score")
        if not isinstance(pictures, list | tuple) and not (
            isinstance(pictures, np.ndarray) and pictures.ndim == 4
        ):
            return self.predict_prepared([self._prepare_named(pictures, "")], score)[0]
        found: list[Prediction] = []
        for start in range(0, len(pictures), BATCH):
            batch = enumerate(pictures[start : start + BATCH], start)
            prepared = [self._prepare_named(each, f"pictures[{number}]") for number, each in batch]
            found += self.predict_prepared(prepared, score)
        return found

    def prepare(self, picture: Picture) -> Prepared:
        """One picture at the network's size; raises as `predict` does, without a name."""
        pixels = read_pixels(picture)
        resized, transform = resize_picture(pixels, self.recipe)
        return Prepared(resized, transform, (pixels.shape[0], pixels.shape[1]))

    def _prepare_named(self, picture: Picture, place: str) -> Prepared:
        """A fault is told with the picture's path, or else its place in the list, where it has one."""
        name = os.fsdecode(picture) if isinstance(picture, str | os.PathLike) else place
        before = f"{name}: " if name else ""
        try:
            return self.prepare(picture)
        except UndecodablePicture as error:
            raise UndecodablePicture(f"{before}{error.reason}") from error
        except ValueError as error:
            raise ValueError(f"{before}{error}") from error

    def predict_prepared(self, batch: Sequence[Prepared], score: float) -> list[Prediction]:
        """Predictions for prepared pictures, in one call of the network."""
        answers = self.run(np.stack([each.pixels_rgb for each in batch], dtype=np.float32))
        return [
            read_answer(
                {name: values[row] for name, values in answers.items()},
                self.recipe,
                each.transform,
                each.size,
                score,
            )
            for row, each in enumerate(batch)
        ]


def read_pixels(picture: Picture) -> NDArray[np.uint8]:
    """Upright pixels, uint8 (height, width, 3); raises ValueError where there are none."""
    if isinstance(picture, str | os.PathLike):
        picture = Path(picture).read_bytes()
    if isinstance(picture, bytes):
        return decode_picture(picture).pixels_rgb
    return check_pixels(picture)


def check_score(score: Any, name: str) -> float:
    """A least score as it is; raises ValueError, which calls it `name`, where it is none from 0 to 1."""
    is_number = isinstance(score, Real)
    if not (is_number and 0 <= score <= 1):  # not as a float: a whole number may be beyond any
        shown = f"{score:g}" if isinstance(score, float) else repr(score)[:80]
        raise ValueError(f"{name} must be from 0 to 1. Got {shown} instead.")
    return float(score)


def check_pixels(pixels: Any) -> NDArray[np.uint8]:
    """An array as it is, where it can be a picture; raises ValueError where not."""
    if not isinstance(pixels, np.ndarray):
        raise ValueError(
            "A picture must be a path, encoded bytes or a NumPy array, and several a list of them. "
            f"Got {type(pixels).__name__} instead."
        )
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(
            "An array must hold RGB levels 0..255 as uint8 (height, width, 3). "
            f"Got {pixels.dtype} of {pixels.shape} instead."
        )
    return pixels
