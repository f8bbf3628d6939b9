"""The size of a picture from its header alone, and the way from its upright pixels to the stored ones.

YOLO's relative rows and VIA's outlines are drawn on the picture as browsers, OpenCV and Qt show it: turned
upright by its EXIF (so do Ultralytics, Roboflow and newer versions of LabelImg). No size in the labels tells
that, and `tables.settle` takes labels without one to lie on the stored pixels. So what is drawn upright is
turned back to these here, and comes to lie upright again where the picture does.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from glasshouse.geometry.rle import encode_mask
from glasshouse.pictures.decode import FORMATS, read_orientation
from glasshouse.pictures.orientation import turn_array, turn_box, turn_size
from glasshouse.sources.outlines import Box, Mask

# Where PNG keeps an orientation. Pillow decodes all pixels to look for it, so it is asked only if need be.
PNG_MARKS = (b"eXIf", b"com.adobe.xmp", b"Raw profile type")
BACK = {6: 8, 8: 6}  # the other orientations undo themselves


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's header says: (height, width) of the stored pixels, and EXIF's orientation 1..8."""

    stored_size: tuple[int, int]
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) of the upright picture."""
        return turn_size(self.stored_size, self.orientation)

    def store_box(self, upright_box_xyxy_px: Box) -> Box:
        """A box on the stored pixels that was drawn on the upright ones."""
        return turn_box(upright_box_xyxy_px, self.upright_size, BACK.get(self.orientation, self.orientation))

    def store_mask(self, upright_mask: Mask) -> str | None:
        """Compressed counts of a mask on the stored pixels; None for a mask without a pixel."""
        if not upright_mask.any():
            return None
        return encode_mask(turn_array(upright_mask, BACK.get(self.orientation, self.orientation)))


def read_header(path: Path) -> Header | None:
    """The header of a picture file, None where it cannot be read: then neither can the picture.

    No pixel is decoded, so a header that promises too many of them costs nothing: it counts as unreadable.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                orientation = read_orientation(image) if may_be_turned(path, image) else 1
                width, height = image.size
                size = (height, width)
                upright = image.format == "TIFF"  # Pillow gives the turned size of these, and of no other
    except Exception:  # as in pictures.decode: readers raise nearly anything; what is wrong is told there
        return None
    return Header(turn_size(size, orientation) if upright else size, orientation)


def may_be_turned(path: Path, image: Image.Image) -> bool:
    """False where a PNG file holds no orientation anywhere; True for whatever is cheap to ask."""
    if image.format != "PNG" or "exif" in image.info:
        return True
    data = path.read_bytes()
    return any(mark in data for mark in PNG_MARKS)
