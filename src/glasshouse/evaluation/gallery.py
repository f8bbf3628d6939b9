"""Pictures with their boxes, drawn with Pillow."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from glasshouse.evaluation.cases import Case, Kind, Mark
from glasshouse.evaluation.heat import paint_saliency
from glasshouse.pictures.lettering import letter

ENLARGE = 2.0  # small pictures are drawn at twice their size,
LEAST_SIDE_PX = 240  # tiny ones with this long side, so that words leave something to see of 28 px,
LONG_SIDE_PX = 480  # large ones reduced to this
DASH_PX = 5
FONT_SHARE = 24  # height of the words: this part of the long side
COLOURS: dict[Kind, tuple[int, int, int]] = {
    "right": (64, 156, 255),
    "wrong": (255, 122, 0),
    "truth": (255, 255, 255),
    "missed": (255, 64, 200),
    "crowd": (170, 170, 170),
}
DASHED: tuple[Kind, ...] = ("truth", "missed", "crowd")


def draw_case(
    pixels_rgb: NDArray[np.uint8], case: Case, saliency: NDArray[np.float32] | None = None
) -> Image.Image:
    """The picture (height, width, 3) at the gallery's size, truth dashed, predictions solid, each box with
    its words; in grey under a map (height, width) of where the network looked, where there is one."""
    height, width = pixels_rgb.shape[:2]
    long_side = max(height, width)
    enlarged = max(ENLARGE, LEAST_SIDE_PX / long_side)
    scale = min(enlarged, max(LONG_SIDE_PX / long_side, 1 / min(height, width)))
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    image = Image.fromarray(pixels_rgb).resize(size, Image.Resampling.BICUBIC)
    if saliency is not None:
        seen = np.asarray(Image.fromarray(saliency).resize(size, Image.Resampling.BILINEAR))
        image = Image.fromarray(paint_saliency(np.asarray(image), seen))
    draw = ImageDraw.Draw(image)
    boxes = [_box_on_canvas(mark, scale, size) for mark in case.marks]
    for mark, box in zip(case.marks, boxes, strict=True):
        _draw_box(draw, box, mark.kind)
    for mark, box in zip(case.marks, boxes, strict=True):
        _draw_words(draw, box, mark, size)
    return image


def _box_on_canvas(mark: Mark, scale: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels of the canvas (width, height), kept inside it."""
    if mark.box_xywh_px is None:
        return 0, 0, size[0] - 1, size[1] - 1
    left, top, width, height = (side * scale for side in mark.box_xywh_px)
    right = min(max(round(left + width) - 1, 0), size[0] - 1)
    bottom = min(max(round(top + height) - 1, 0), size[1] - 1)
    return min(max(round(left), 0), right), min(max(round(top), 0), bottom), right, bottom


def _draw_box(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], kind: Kind) -> None:
    left, top, right, bottom = box
    if kind not in DASHED:
        draw.rectangle(box, outline=COLOURS[kind], width=2)
        return
    for edge in (
        (left, top, right, top),
        (left, bottom, right, bottom),
        (left, top, left, bottom),
        (right, top, right, bottom),
    ):
        draw.line(edge, fill=(0, 0, 0), width=1)  # so that a light dash shows on a light flower
        _draw_dashes(draw, edge, COLOURS[kind])


def _draw_dashes(
    draw: ImageDraw.ImageDraw, edge: tuple[int, int, int, int], colour: tuple[int, int, int]
) -> None:
    x0, y0, x1, y1 = edge
    for start in range(0, max(x1 - x0, y1 - y0) + 1, 2 * DASH_PX):
        if y0 == y1:
            draw.line((x0 + start, y0, min(x0 + start + DASH_PX, x1), y0), fill=colour, width=2)
        else:
            draw.line((x0, y0 + start, x0, min(y0 + start + DASH_PX, y1)), fill=colour, width=2)


def _draw_words(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], mark: Mark, size: tuple[int, int]
) -> None:
    """Above the box for predictions, below it for the truth, inside the picture in any case."""
    if not mark.text:
        return
    height = max(max(size) // FONT_SHARE, 8)
    text, font = letter(mark.text, height)
    words_width, words_height = int(draw.textlength(text, font=font)) + 6, height + 4
    left = max(min(box[0], size[0] - words_width), 0)
    wish = box[3] + 1 if mark.kind in DASHED else box[1] - words_height
    top = max(min(wish, size[1] - words_height), 0)
    draw.rectangle((left, top, left + words_width, top + words_height), fill=COLOURS[mark.kind])
    draw.text((left + 3, top + words_height // 2), text, fill=(0, 0, 0), font=font, anchor="lm")


def jpeg_bytes(image: Image.Image) -> bytes:
    """The image as JPEG without metadata: the same bytes for the same pixels."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82, subsampling=0, optimize=True)
    return buffer.getvalue()


def data_uri(image: Image.Image) -> str:
    """The image as JPEG inside an address, for a page that stands alone."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_bytes(image)).decode("ascii")


def contact_sheet(images: Sequence[Image.Image], columns: int = 6) -> Image.Image:
    """All images on one sheet, row by row, each in a square cell as large as the longest side."""
    cell = max((max(image.size) for image in images), default=1)
    columns = max(min(columns, len(images)), 1)
    rows = max(-(-len(images) // columns), 1)
    sheet = Image.new("RGB", (columns * cell, rows * cell), (32, 32, 32))
    for place, image in enumerate(images):
        left, top = place % columns * cell, place // columns * cell
        sheet.paste(image, (left + (cell - image.width) // 2, top + (cell - image.height) // 2))
    return sheet
