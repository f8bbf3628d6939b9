"""Where the network looked, for pictures of the report: one answer of each, over its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from glasshouse.evaluation.cases import Case, Mark
from glasshouse.evaluation.gallery import draw_case
from glasshouse.evaluation.heat import return_map
from glasshouse.evaluation.saliency import MASKS, Predict, Target, map_saliency
from glasshouse.inputs.prepared import Prepared
from glasshouse.inputs.resize import Transform

ORDER = ("wrong", "right", "crowd")  # what is explained of a picture: what went wrong before what did not


def choose_mark(case: Case) -> Mark | None:
    """The surest wrong answer of a picture, else the surest right one; None where there is no answer."""
    answers = [mark for mark in case.marks if mark.answer is not None]
    return min(answers, key=lambda mark: (ORDER.index(mark.kind), -mark.score), default=None)


class Explainer:
    """A network and the prepared pictures that it was asked about.

    Attributes:
        pictures: how many to explain at most.
        masks: how often the network runs for each.
        seed: of the masks.
    """

    def __init__(
        self, predict: Predict, prepared: Prepared, *, pictures: int, seed: int, masks: int = MASKS
    ) -> None:
        self.predict, self.prepared = predict, prepared
        self.pictures, self.seed, self.masks = pictures, seed, masks

    def draw(
        self, cases: Iterable[Case], read_picture: Callable[[int], NDArray[np.uint8]]
    ) -> list[tuple[Case, Image.Image]]:
        """The first pictures that have an answer, each with that one answer and what it hangs on.

        Args:
            cases: pictures, the most telling first.
            read_picture: image_id -> upright original picture (height, width, 3) uint8.

        Returns:
            Cases reduced to the answer that is explained, and the picture in grey under the map.
        """
        answered = ((case, mark) for case in cases if (mark := choose_mark(case)) is not None)
        chosen = list(islice(answered, self.pictures))
        drawn = []
        for case, mark in tqdm(chosen, desc="explain", unit="picture", disable=None):
            single = replace(case, summary=mark.text, marks=(mark,))
            saliency = self.map(case.image_id, mark)
            drawn.append((single, draw_case(read_picture(case.image_id), single, saliency)))
        return drawn

    def map(self, image_id: int, mark: Mark) -> NDArray[np.float32]:
        """(height, width) of the original picture, 0..1: how much an answer hangs on each pixel."""
        row = int(np.flatnonzero(self.prepared.images["image_id"] == image_id)[0])
        image = self.prepared.images.iloc[row]
        transform = Transform(
            *(float(image[key]) for key in ("scale_x", "scale_y", "offset_x_px", "offset_y_px"))
        )
        pixels = self.prepared.pixels.gather(np.array([row]))[0]
        (saliency,) = map_saliency(
            self.predict, pixels, [aim(mark, transform)], masks=self.masks, seed=self.seed
        )
        return return_map(saliency, transform, (int(image["height_px"]), int(image["width_px"])))


def aim(mark: Mark, transform: Transform) -> Target:
    """What the network is asked about again and again: the answer in prepared pixels."""
    assert mark.answer is not None
    if mark.box_xywh_px is None:
        return Target(mark.answer)
    left, top, width, height = mark.box_xywh_px
    box = transform.forward(np.array([left, top, left + width, top + height], np.float64))
    return Target(mark.answer, box.astype(np.float64))
