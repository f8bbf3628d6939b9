"""Encoded bytes to upright RGB pixels, or a reason that a person understands."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from glasshouse.pictures.orientation import TURNS, turn_size

# Named one by one: Pillow would also try formats that run other programs (EPS), that only point to data
# elsewhere (MCIDAS, HDF5, WMF), or that are told by so little (TGA) that other files pass for them.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
# Encoders write a JPEG in a dozen scans. Each costs the time of a whole picture and may take a hundred bytes:
# a file of one megabyte would keep a processor busy for 20 minutes. libtiff stops at the same number.
MOST_SCANS = 100
MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # less what stands for 255 in a scan, and its restarts
BARE = (0x01, 0xD8)  # markers without a segment behind them
SCAN, END = 0xDA, 0xD9

Image.init()  # all readers now, and not in several threads at once later

# EXIF orientation to the operation that makes the picture upright (see orientation.py); 1 is so already.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UndecodablePicture(ValueError):
    """Bytes that do not give a whole picture; `reason` says why, in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels_rgb: uint8 (height, width, 3), upright.
        mode: Pillow's name of the mode in which the file holds it: RGB, L, P, CMYK, I;16, ...
        file_format: JPEG, PNG, ...: one of FORMATS, by the content.
        orientation: of the stored pixels, EXIF's 1..8; 1 is upright.
        animated: further frames follow the one that was decoded.
    """

    pixels_rgb: NDArray[np.uint8]
    mode: str
    file_format: str
    orientation: int = 1
    animated: bool = False

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) of the pixels."""
        return self.pixels_rgb.shape[0], self.pixels_rgb.shape[1]

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) as the file holds them, before they were turned."""
        return turn_size(self.upright_size, self.orientation)


def decode_picture(data: bytes) -> Picture:
    """Decode every pixel of a picture and turn it upright.

    The first frame of an animation counts; transparent pixels lie on white; 16 bits a channel are cut to the
    upper 8 (12 in a TIFF too); 32 are refused, since nothing says which of them a picture uses.

    Raises:
        UndecodablePicture: the bytes are empty, no picture, cut off, damaged, or too many pixels.
    """
    image = open_image(data)
    mode, orientation = image.mode, read_orientation(image)
    try:
        file_format = "JPEG" if image.format == "MPO" else str(image.format)
        # an MPO's further pictures are previews or the other eye's, and no animation
        animated = file_format == image.format and bool(getattr(image, "is_animated", False))
        image.load()
        rgb = flatten(image)
        if read_orientation(image) in UPRIGHT:  # not so for TIFF: Pillow turns it in load
            rgb = rgb.transpose(UPRIGHT[orientation])
        return Picture(np.asarray(rgb), mode, file_format, orientation, animated)
    except UndecodablePicture:
        raise
    except Exception as error:  # damaged files make Pillow's readers raise nearly anything
        raise UndecodablePicture(describe(error, image.format)) from error


def open_image(data: bytes) -> Image.Image:
    """Read the header alone, and refuse a picture before it is decoded whose pixels would flood the memory,
    or keep a processor busy without end.

    Raises:
        UndecodablePicture: no bytes, an unknown format, a damaged header, too many pixels or scans.
    """
    if not data:
        raise UndecodablePicture("empty file (0 bytes)")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise UndecodablePicture(describe_start(data)) from error
    except Exception as error:  # as above; a bomb of twice the limit raises here already
        raise UndecodablePicture(describe(error, None)) from error
    if image.format in ("JPEG", "MPO") and (scans := count_scans(data)) > MOST_SCANS:
        raise UndecodablePicture(f"too slow: a JPEG of {scans:,} scans, the limit is {MOST_SCANS}")
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise UndecodablePicture(
            f"too large: {image.width} x {image.height} pixels, the limit is {limit} in all"
        )
    return image


def count_scans(data: bytes) -> int:
    """How often a JPEG file goes over its pixels, up to the end of its first picture."""
    scans, place = 0, 0
    while (found := MARKER.search(data, place)) and (marker := found[1][0]) != END:
        scans += marker == SCAN
        place = found.end()
        if marker not in BARE:
            place += int.from_bytes(data[place : place + 2])  # its length, these two bytes included
    return scans


def describe_start(data: bytes) -> str:
    """Why no reader took the bytes: they begin like nothing known, or like a format with a broken header."""
    for name in FORMATS:
        accept = Image.OPEN[name][1]
        if accept is not None and accept(data[:16].ljust(16, b"\0")):
            return f"truncated or damaged {name} header"
    return f"not a picture: begins like none of {', '.join(FORMATS)}"


def read_orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; damaged EXIF counts as none, since the pixels beside it may be whole."""
    try:
        orientation = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1
    return orientation if orientation in TURNS else 1


def flatten(image: Image.Image) -> Image.Image:
    """A loaded picture of any mode as RGB of 8 bits, transparency composited on white."""
    if image.mode.startswith("I"):
        return cut_to_8_bits(image).convert("RGB")
    if image.mode == "F":
        raise UndecodablePicture(
            "floating-point pixels have no fixed range: save it with 8 or 16 bits a channel"
        )
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def cut_to_8_bits(image: Image.Image) -> Image.Image:
    """The upper 8 of 16 bits of a grey picture; Pillow's own conversion would clip all above 255 to white."""
    bits = read_depth(image)
    if bits > 16:
        raise UndecodablePicture(
            f"{bits}-bit integer pixels have no fixed range: save it with 8 or 16 bits a channel"
        )
    levels = np.asarray(image).astype(np.int64)
    if levels.size and levels.min() < 0:
        raise UndecodablePicture("grey levels below 0: save it with 8 or 16 bits a channel, unsigned")
    return Image.fromarray((levels >> (bits - 8)).astype(np.uint8))


def read_depth(image: Image.Image) -> int:
    """Bits a level of a deep grey picture: only TIFF has others than 16, which Pillow leaves as they are."""
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2.get(BITSPERSAMPLE, (16,))[0])
    return 16


def describe(error: Exception, image_format: str | None) -> str:
    """One line on what went wrong inside a decoder: no memory addresses, no paths."""
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: {said}"
    what = f"{image_format} picture" if image_format else "picture"
    cut = "truncated" in said.lower() or isinstance(error, EOFError)
    return f"{'truncated' if cut else 'damaged'} {what}: {said}"
