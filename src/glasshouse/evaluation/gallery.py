"""Pictures with their boxes, drawn with Pillow."""

from __future__ import annotations

import base64
import io
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from glasshouse.evaluation.cases import Case, Kind, Mark
from glasshouse.evaluation.heat import paint_saliency
from glasshouse.pictures.lettering import letter

LEAST_SIDE_PX = 320  # smaller pictures are drawn enlarged by the first whole factor that reaches this long
LONG_SIDE_PX = 480  # side, larger ones reduced to this
DASH_PX = 5
FONT_SHARE = 30  # height of the words: this part of the long side
LEAST_FONT_PX = 10
PAD_PX = 3  # beside the words
JPEG_SIDE_PX = 65_500  # libjpeg writes no longer side
SQUARE_SIDE_PX = 13_000  # of a sheet of very many pictures: 169 million pixels, and Pillow opens 178
Area = tuple[int, int, int, int]  # left, top, right, bottom in whole pixels of the canvas, all included
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
    reduced = min(1.0, max(LONG_SIDE_PX / long_side, 1 / min(height, width)))
    scale = math.ceil(LEAST_SIDE_PX / long_side) if long_side < LEAST_SIDE_PX else reduced
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    image = Image.fromarray(pixels_rgb).resize(size, Image.Resampling.BICUBIC)
    if saliency is not None:
        seen = np.asarray(Image.fromarray(saliency).resize(size, Image.Resampling.BILINEAR))
        image = Image.fromarray(paint_saliency(np.asarray(image), seen))
    draw = ImageDraw.Draw(image)
    boxes = [_box_on_canvas(mark, scale, size) for mark in case.marks]
    for mark, box in zip(case.marks, boxes, strict=True):
        _draw_box(draw, box, mark.kind)
    taken: list[Area] = []
    for mark, box in zip(case.marks, boxes, strict=True):
        if mark.text:
            taken.append(_draw_words(draw, box, mark, size, taken))
    return image


def _box_on_canvas(mark: Mark, scale: float, size: tuple[int, int]) -> Area:
    """Left, top, right, bottom in whole pixels of the canvas (width, height), kept inside it."""
    if mark.box_xywh_px is None:
        return 0, 0, size[0] - 1, size[1] - 1
    left, top, width, height = (side * scale for side in mark.box_xywh_px)
    right = min(max(round(left + width) - 1, 0), size[0] - 1)
    bottom = min(max(round(top + height) - 1, 0), size[1] - 1)
    return min(max(round(left), 0), right), min(max(round(top), 0), bottom), right, bottom


def _draw_box(draw: ImageDraw.ImageDraw, box: Area, kind: Kind) -> None:
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


def _draw_dashes(draw: ImageDraw.ImageDraw, edge: Area, colour: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = edge
    for start in range(0, max(x1 - x0, y1 - y0) + 1, 2 * DASH_PX):
        if y0 == y1:
            draw.line((x0 + start, y0, min(x0 + start + DASH_PX, x1), y0), fill=colour, width=2)
        else:
            draw.line((x0, y0 + start, x0, min(y0 + start + DASH_PX, y1)), fill=colour, width=2)


def _draw_words(
    draw: ImageDraw.ImageDraw, box: Area, mark: Mark, size: tuple[int, int], taken: Sequence[Area]
) -> Area:
    """Draw a mark's words, inside the picture in any case; returns what they cover."""
    height = max(max(size) // FONT_SHARE, LEAST_FONT_PX)
    text, font = letter(mark.text, height)
    text = shorten(text, lambda words: draw.textlength(words, font=font) <= size[0] - 2 * PAD_PX)
    words_size = min(int(draw.textlength(text, font=font)) + 2 * PAD_PX, size[0]), min(height + 4, size[1])
    area = _place_words(box, mark.kind, words_size, size, taken)
    draw.rectangle(area, fill=COLOURS[mark.kind])
    draw.text((area[0] + PAD_PX, (area[1] + area[3] + 1) // 2), text, fill=(0, 0, 0), font=font, anchor="lm")
    return area


def _place_words(
    box: Area, kind: Kind, words_size: tuple[int, int], size: tuple[int, int], taken: Sequence[Area]
) -> Area:
    """Above the box for predictions, below it for the truth; elsewhere at the box where that hides less of
    the words in place."""
    width, height = words_size
    tops = [box[1] - height, box[3] + 1, box[1], box[3] + 1 - height]
    if kind in DASHED:
        tops[:2] = tops[1::-1]
    places = []
    for top, left in itertools.product(tops, (box[0], box[2] + 1 - width)):
        left, top = max(min(left, size[0] - width), 0), max(min(top, size[1] - height), 0)
        places.append((left, top, left + width - 1, top + height - 1))
    return min(places, key=lambda place: sum(_shared_px2(place, other) for other in taken))


def _shared_px2(one: Area, other: Area) -> int:
    width = min(one[2], other[2]) - max(one[0], other[0]) + 1
    height = min(one[3], other[3]) - max(one[1], other[1]) + 1
    return max(width, 0) * max(height, 0)


def shorten(text: str, fits: Callable[[str], bool]) -> str:
    """Words that fit, without their middle if need be: a name's beginning and a score's end tell the most."""
    kept = len(text)
    shown = text
    while not fits(shown) and kept > 0:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"
    return shown


def jpeg_bytes(image: Image.Image) -> bytes:
    """The image as JPEG without metadata: the same bytes for the same pixels."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82, subsampling=0, optimize=True)
    return buffer.getvalue()


def data_uri(image: Image.Image) -> str:
    """The image as JPEG inside an address, for a page that stands alone."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_bytes(image)).decode("ascii")


def contact_sheet(images: Sequence[Image.Image], columns: int = 6) -> Image.Image:
    """All images on one sheet, row by row, each in a square cell as large as the longest side.

    Where JPEG could not hold that, the sheet is as wide as high, and larger images than it has room for are
    reduced.
    """
    cell = max((max(image.size) for image in images), default=1)
    columns = max(min(columns, len(images)), 1)
    rows = max(-(-len(images) // columns), 1)
    if max(columns, rows) * cell > JPEG_SIDE_PX:
        columns = math.isqrt(len(images) - 1) + 1
        rows = -(-len(images) // columns)
        cell = max(min(cell, SQUARE_SIDE_PX // columns), 1)
    sheet = Image.new("RGB", (columns * cell, rows * cell), (32, 32, 32))
    for place, image in enumerate(images):
        left, top = place % columns * cell, place // columns * cell
        shown = _reduce(image, cell)
        sheet.paste(shown, (left + (cell - shown.width) // 2, top + (cell - shown.height) // 2))
    return sheet


def _reduce(image: Image.Image, side_px: int) -> Image.Image:
    """The image itself where no side is longer, else a smaller copy."""
    if max(image.size) <= side_px:
        return image
    reduced = image.copy()
    reduced.thumbnail((side_px, side_px))
    return reduced
