"""A picture with what was found in it, readable on light and on dark ground."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from glasshouse.pictures.lettering import letter
from glasshouse.prediction.result import Prediction

# By class index. Light enough for black words; every line and plate has a black edge, so that it shows on
# white as well.
COLOURS = (
    "#ffd60a",
    "#4cc9f0",
    "#ff8fa3",
    "#80ed99",
    "#ff9f1c",
    "#d0a2ff",
    "#f5f5f5",
    "#c9e265",
    "#8ab8ff",
    "#f4acb7",
)
EDGE = "#000000"
LINE_SHARE, FONT_SHARE = 300, 32  # of the long side: one line width, one height of words
SMALLEST_FONT_PX = 10
JPEG_QUALITY = 90


def draw_prediction(pixels_rgb: NDArray[np.uint8], prediction: Prediction) -> Image.Image:
    """The picture (height, width, 3) at its own size with boxes, names and scores; the best lies on top."""
    image = Image.fromarray(pixels_rgb)
    long_side_px = max(image.size)
    font_px = max(SMALLEST_FONT_PX, long_side_px // FONT_SHARE)
    colours = [pick_colour(label) for label in prediction.labels]
    words = zip(prediction.names, prediction.scores, colours, strict=True)
    plates = [make_plate(f"{name} {score:.2f}", colour, font_px) for name, score, colour in words]
    if prediction.boxes_xyxy_px is None:
        for row, plate in enumerate(plates):
            image.paste(plate, (0, row * plate.height))
        return image
    draw, line_px = ImageDraw.Draw(image), max(1, long_side_px // LINE_SHARE)
    boxes = [_place(box, image.size) for box in prediction.boxes_xyxy_px]
    for box, colour in zip(reversed(boxes), reversed(colours), strict=True):
        _draw_box(draw, box, colour, line_px)
    for (left, top, _, _), plate in zip(reversed(boxes), reversed(plates), strict=True):
        wish = top - plate.height if top >= plate.height else top + line_px + 1
        x, y = min(left, image.width - plate.width), min(wish, image.height - plate.height)
        image.paste(plate, (max(x, 0), max(y, 0)))
    return image


@lru_cache(maxsize=4096)
def make_plate(text: str, colour: str, font_px: int) -> Image.Image:
    """Words on a coloured plate with a black edge. There are few different ones: names times scores."""
    text, font = letter(text, font_px)
    size = int(font.getlength(text)) + 7, int(font_px * 1.25) + 3
    plate = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(plate)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=EDGE)
    draw.text((3, size[1] // 2), text, fill=EDGE, font=font, anchor="lm")
    return plate


def encode_jpeg(image: Image.Image) -> bytes:
    """The same bytes for the same pixels."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def pick_colour(label: int) -> str:
    """Of a class, `#rrggbb`."""
    return COLOURS[int(label) % len(COLOURS)]


def _place(box_xyxy_px: NDArray[np.float64], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels that a box's edges lie on, inside a picture of (width, height)."""
    left, top, right, bottom = (float(side) for side in box_xyxy_px)
    x0, y0 = min(int(left), size[0] - 1), min(int(top), size[1] - 1)
    return x0, y0, max(x0, min(round(right) - 1, size[0] - 1)), max(y0, min(round(bottom) - 1, size[1] - 1))


def _draw_box(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: str, line_px: int) -> None:
    left, top, right, bottom = box
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=EDGE, width=line_px + 2)
    draw.rectangle(box, outline=colour, width=line_px)
