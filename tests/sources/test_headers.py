"""Sizes and orientations from headers, equal to what decoding finds."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glasshouse.geometry.rle import decode_mask
from glasshouse.pictures.decode import decode_picture
from glasshouse.pictures.orientation import turn_array, turn_box
from glasshouse.sources.headers import Header, read_header


def paint(kind: str, orientation: int | None) -> bytes:
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(stream, kind, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 4, 5, 6, 7, 8])
def test_headers_say_what_decoding_finds(kind: str, orientation: int | None, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"  # whatever the name says
    path.write_bytes(paint(kind, orientation))
    header, picture = read_header(path), decode_picture(path.read_bytes())
    assert header == Header(picture.stored_size, picture.orientation)
    assert header.upright_size == picture.upright_size


def test_png_orientation_behind_the_pixels_is_found(tmp_path: Path) -> None:
    data = paint("PNG", 6)
    start = data.index(b"eXIf") - 4
    length = struct.unpack(">I", data[start : start + 4])[0] + 12
    chunk, rest = data[start : start + length], data[:start] + data[start + length :]
    (tmp_path / "a.png").write_bytes(rest[:-12] + chunk + rest[-12:])
    header = read_header(tmp_path / "a.png")
    assert header is not None and header.orientation == 6 and header.upright_size == (30, 20)


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    bomb = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + bomb + struct.pack(">I", zlib.crc32(b"IHDR" + bomb))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    for name in ("text.jpg", "empty.jpg", "bomb.png", "missing.jpg"):
        assert read_header(tmp_path / name) is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_turned_back_comes_to_lie_upright_again(orientation: int) -> None:
    header = Header((20, 30), orientation)
    height, width = header.upright_size
    box = (2.0, 3.0, 11.0, 17.0)
    mask = np.zeros((height, width), bool)
    mask[3:17, 2:11] = True
    mask[3, 2] = False
    assert turn_box(header.store_box(box), header.stored_size, orientation) == box
    stored = header.store_mask(mask)
    assert stored is not None
    assert (turn_array(decode_mask(stored, *header.stored_size), orientation) == mask).all()
    assert header.store_mask(np.zeros((height, width), bool)) is None
