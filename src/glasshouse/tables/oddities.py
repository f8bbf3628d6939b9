"""What is unusual about a picture's file and was put right by decoding it: counted, for all to see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from glasshouse.pictures.decode import Picture
from glasshouse.sources.example import LabelFault

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".j2c", ".jpc", ".jpf"),
}
FORMAT_OF = {suffix: name for name, suffixes in SUFFIXES.items() for suffix in suffixes}
COLOUR_SPACES = {"CMYK", "YCbCr", "LAB", "HSV"}


def find_oddities(file_name: str, picture: Picture) -> Iterator[LabelFault]:
    """A fault, repaired, for everything that the upright 8-bit RGB pixels no longer tell of the file.

    A turn by EXIF is not among them: tables/settle.py notes it with what became of the boxes.
    """
    suffix = PurePosixPath(file_name).suffix.lower()
    named = FORMAT_OF.get(suffix)
    if named is not None and named != picture.file_format:
        reason = f"a {picture.file_format} picture is named {suffix}; it was read by its content"
        yield LabelFault(file_name, "", "extension_wrong", "repaired", reason, file_name)
    if picture.mode in COLOUR_SPACES:
        reason = f"its colours are {picture.mode}; they were converted to RGB without a colour profile"
        yield LabelFault(file_name, "", "colours_converted", "repaired", reason, file_name)
    if picture.mode.startswith("I"):
        reason = "its levels have 16 bits; the upper 8 were kept"
        yield LabelFault(file_name, "", "levels_cut", "repaired", reason, file_name)
    if picture.animated:
        reason = f"the {picture.file_format} picture has several frames; the first was taken"
        yield LabelFault(file_name, "", "first_frame_taken", "repaired", reason, file_name)
