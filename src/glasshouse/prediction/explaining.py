"""Where a network looked, drawn for people: one map an object, beside the object's box."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glasshouse.evaluation.heat import paint_saliency, return_map
from glasshouse.evaluation.saliency import MASKS, Target, map_saliency
from glasshouse.inputs.resize import Transform
from glasshouse.prediction.batch import Draw, write_whole
from glasshouse.prediction.drawing import draw_prediction, encode_jpeg
from glasshouse.prediction.predictor import Picture, Predictor, read_pixels
from glasshouse.prediction.result import Prediction

EXPLAINED = "explained"
MOST_OBJECTS = 3  # a picture, the best ones
LONG_SIDE_PX = 640  # of one panel; larger pictures are reduced to it
GAP_PX = 4


@dataclass(frozen=True, slots=True)
class Explanation:
    """A map of one object or class.

    Attributes:
        prediction: that object alone.
        saliency: (height, width) float32 over the upright picture, 0..1: how much it hangs on each pixel.
    """

    prediction: Prediction
    saliency: NDArray[np.float32]


def explain(
    predictor: Predictor,
    picture: Picture,
    prediction: Prediction | None = None,
    *,
    most: int = MOST_OBJECTS,
    masks: int = MASKS,
    seed: int = 0,
) -> list[Explanation]:
    """Maps of the best objects of a picture; see `evaluation.saliency`.

    Args:
        predictor: the network; it runs `masks` times.
        picture: as for `Predictor.predict`.
        prediction: what was found in it, where that is known already.
        most: how many objects, the best first.
        masks: how often the picture is shown with parts hidden.
        seed: of those parts.
    """
    pixels = read_pixels(picture)
    found = predictor.predict(pixels) if prediction is None else prediction
    prepared = predictor.prepare(pixels)
    single = [_take(found, row) for row in range(min(most, len(found)))]
    if not single:
        return []
    targets = [_aim(each, prepared.transform) for each in single]
    maps = map_saliency(predictor.run, prepared.pixels_rgb, targets, masks=masks, seed=seed)
    size = prepared.size
    return [
        Explanation(each, return_map(saliency, prepared.transform, size))
        for each, saliency in zip(single, maps, strict=True)
    ]


def draw_explanations(pixels_rgb: NDArray[np.uint8], explanations: list[Explanation]) -> Image.Image:
    """The maps over the picture in grey, side by side, each with the box that it explains."""
    panels = [draw_explanation(pixels_rgb, each) for each in explanations]
    width = sum(panel.width for panel in panels) + GAP_PX * (len(panels) - 1)
    sheet = Image.new("RGB", (width, max(panel.height for panel in panels)), "white")
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, 0))
        left += panel.width + GAP_PX
    return sheet


def draw_explanation(pixels_rgb: NDArray[np.uint8], explanation: Explanation) -> Image.Image:
    """One panel."""
    height, width = pixels_rgb.shape[:2]
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(pixels_rgb).resize(size, Image.Resampling.BOX)
    saliency = np.asarray(Image.fromarray(explanation.saliency).resize(size, Image.Resampling.BILINEAR))
    seen, found = paint_saliency(np.asarray(picture), saliency), explanation.prediction
    boxes = None if found.boxes_xyxy_px is None else found.boxes_xyxy_px * scale
    return draw_prediction(
        seen, Prediction(boxes, found.scores, found.labels, found.names, (size[1], size[0]))
    )


def write_explained(predictor: Predictor, out: Path, draw: Draw | None) -> Draw:
    """A `Draw` that writes out/explained/... for every picture in which something was found, after `draw`."""

    def write(pixels_rgb: NDArray[np.uint8], prediction: Prediction, target: Path) -> None:
        if draw is not None:
            draw(pixels_rgb, prediction, target)
        maps = explain(predictor, pixels_rgb, prediction)
        if maps:
            write_whole(out / EXPLAINED / target, encode_jpeg(draw_explanations(pixels_rgb, maps)))

    return write


def _take(found: Prediction, row: int) -> Prediction:
    """One object as a prediction of its own."""
    boxes = None if found.boxes_xyxy_px is None else found.boxes_xyxy_px[row : row + 1]
    part = slice(row, row + 1)
    return Prediction(boxes, found.scores[part], found.labels[part], found.names[part], found.size)


def _aim(found: Prediction, transform: Transform) -> Target:
    boxes = found.boxes_xyxy_px
    return Target(int(found.labels[0]), None if boxes is None else transform.forward(boxes)[0])
