"""Every kind of picture that people keep in folders, and everything that only looks like one."""

from __future__ import annotations

import io
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import SAMPLEFORMAT

from glasshouse.pictures.decode import UndecodablePicture, decode_picture
from glasshouse.pictures.orientation import turn_array

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (40, 60, 3), np.uint8)


def encode(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def smooth(height: int = 48, width: int = 64) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    levels = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) % 256], -1)
    return Image.fromarray(levels.astype(np.uint8))


@pytest.mark.parametrize(
    "mode, file_format",
    [(mode, name) for mode in ("RGB", "L", "1") for name in ("PNG", "BMP", "TIFF", "PPM")]
    + [("L", "GIF")]
    + [("P", name) for name in ("PNG", "BMP", "TIFF", "GIF")],
)
def test_lossless_modes_decode_to_the_pixels_that_were_encoded(mode: str, file_format: str) -> None:
    image = smooth().convert(mode)
    picture = decode_picture(encode(image, file_format))
    assert picture.pixels_rgb.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels_rgb, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_modes_keep_their_name_and_about_their_colours(mode: str) -> None:
    picture = decode_picture(encode(smooth().convert(mode), "JPEG", quality=95))
    assert picture.mode == mode
    expected = np.asarray(smooth().convert(mode).convert("RGB"), np.int64)
    assert np.abs(picture.pixels_rgb - expected).mean() < 4


@pytest.mark.parametrize("file_format", ["WEBP", "AVIF", "JPEG2000"])
def test_newer_formats(file_format: str) -> None:
    picture = decode_picture(encode(smooth(), file_format))
    assert picture.pixels_rgb.shape == (48, 64, 3)
    assert np.abs(picture.pixels_rgb.astype(int) - np.asarray(smooth())).mean() < 12


@pytest.mark.parametrize("alpha, expected", [(255, 0), (0, 255), (51, 204)])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_on_white(mode: str, alpha: int, expected: int) -> None:
    # black at opacity a/255 on white: 255 * (1 - a/255); a = 51 gives 204
    colour = (0, 0, 0, alpha) if mode == "RGBA" else (0, alpha)
    picture = decode_picture(encode(Image.new(mode, (3, 2), colour)))
    assert picture.mode == mode
    assert (picture.pixels_rgb == expected).all()


@pytest.mark.parametrize("mode, transparent", [("P", 0), ("L", 0), ("RGB", (0, 0, 0))])
def test_a_transparent_colour_is_white(mode: str, transparent: object) -> None:
    image = Image.new("RGB", (4, 4), (0, 0, 0))
    image.paste((200, 200, 200), (2, 0, 4, 4))
    image = image.quantize(2) if mode == "P" else image.convert(mode)
    key = image.getpixel((0, 0)) if mode == "P" else transparent
    pixels = decode_picture(encode(image, transparency=key)).pixels_rgb
    assert (pixels[:, :2] == 255).all() and (pixels[:, 2:] == 200).all()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bits_keep_their_upper_8(file_format: str) -> None:
    levels = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    picture = decode_picture(encode(Image.fromarray(levels), file_format))
    assert picture.mode.startswith("I")
    # 255 >> 8 = 0, 256 >> 8 = 1, 32768 >> 8 = 128, 65535 >> 8 = 255
    assert picture.pixels_rgb[0].tolist() == [[v] * 3 for v in (0, 0, 1, 128, 255)]


def forge_tiff(bits: int, strip: bytes, width: int) -> bytes:
    """One row of grey levels, little-endian, as an uncompressed strip."""
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(strip)}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    start = struct.pack("<2sHI", b"II", 42, 8 + len(strip)) + strip
    return start + struct.pack("<H", len(tags)) + directory + bytes(4)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # 0xFFF and 0x0AB packed as FF F0 AB: the upper 8 of 12 bits are 0xFF and 0x0A
        (forge_tiff(12, b"\xff\xf0\xab", 2), [255, 10]),
        # signed, 32767 >> 8 = 127
        (encode(Image.new("I;16", (2, 1), 32767), "TIFF", tiffinfo={SAMPLEFORMAT: 2}), [127, 127]),
        (b"P5 2 1 65535\n" + struct.pack(">HH", 255, 65535), [0, 255]),
        # Pillow brings 1023 to 65535
        (b"P5 2 1 1023\n" + struct.pack(">HH", 0, 1023), [0, 255]),
        (encode(Image.new("I;16", (2, 1), 65280), "JPEG2000"), [255, 255]),
    ],
    ids=["12-bit TIFF", "signed TIFF", "PGM", "10-bit PGM", "JPEG2000"],
)
def test_other_deep_greys_keep_their_upper_8(data: bytes, expected: list[int]) -> None:
    assert decode_picture(data).pixels_rgb[0].tolist() == [[level] * 3 for level in expected]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation: int, file_format: str) -> None:
    # Pillow turns TIFF while it loads, and the others not
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture = decode_picture(encode(smooth(), file_format, exif=exif, quality=95))
    expected = Image.fromarray(turn_array(np.asarray(smooth()), orientation))
    assert picture.upright_size == (expected.height, expected.width)
    assert np.abs(picture.pixels_rgb.astype(int) - np.asarray(expected)).mean() < 8
    assert (picture.orientation, picture.stored_size) == (orientation, (48, 64))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_what_pillow_takes_it_for(orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encode(smooth(), "JPEG", exif=exif, quality=95)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode_picture(data).pixels_rgb, np.asarray(expected))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_counts_as_none(value: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    assert decode_picture(encode(smooth(), "JPEG", exif=exif)).orientation == 1


def test_orientation_6_means_a_quarter_turn_clockwise() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    levels = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
    pixels = decode_picture(encode(Image.fromarray(levels), "PNG", exif=exif)).pixels_rgb
    assert pixels[..., 0].tolist() == [[40, 10], [50, 20], [60, 30]]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_costs_no_picture() -> None:
    data = encode(smooth(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\xff\xff")
    assert decode_picture(data).pixels_rgb.shape == (48, 64, 3)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(file_format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encode(frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True)
    picture = decode_picture(data)
    red = picture.pixels_rgb[0, 0].astype(int)
    assert np.abs(red - [255, 0, 0]).max() <= 1
    assert picture.animated and picture.file_format == file_format
    assert not decode_picture(encode(frames[0], file_format)).animated


def test_a_jpeg_with_further_pictures_is_a_jpeg() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    picture = decode_picture(encode(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert (picture.file_format, picture.animated) == ("JPEG", False)
    assert np.abs(picture.pixels_rgb[0, 0].astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_pictures_are_refused(file_format: str, share: float) -> None:
    image = Image.fromarray(NOISE)
    data = encode(image.quantize(16) if file_format == "GIF" else image, file_format)
    with pytest.raises(UndecodablePicture) as caught:
        decode_picture(data[: int(len(data) * share)])
    assert caught.value.reason and "\n" not in caught.value.reason


def test_a_jpeg_cut_in_its_header_or_pixels_is_called_truncated() -> None:
    data = encode(Image.fromarray(NOISE), "JPEG")
    with pytest.raises(UndecodablePicture, match=r"^truncated"):
        decode_picture(data[:30])
    with pytest.raises(UndecodablePicture, match="truncated JPEG picture"):
        decode_picture(data[: len(data) * 6 // 10])


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty file"),
        (b"this is a note, not a picture\n", "not a picture"),
        (b"\x00" * 4096, "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "not a picture"),
        (encode(Image.new("F", (4, 4), 0.5), "TIFF"), "floating-point"),
        (encode(Image.new("I", (4, 4), 70000), "TIFF"), "32-bit"),
        (encode(Image.new("I", (4, 4), 200), "TIFF"), "32-bit integer pixels have no fixed range"),
        (encode(Image.new("I", (4, 4), 200), "TIFF", compression="tiff_lzw"), "32-bit"),
        (encode(Image.new("I;16", (4, 4), 65535), "TIFF", tiffinfo={SAMPLEFORMAT: 2}), "levels below 0"),
    ],
    ids=["empty", "text", "zeros", "eps", "float", "32-bit", "8-in-32-bit", "compressed", "negative"],
)
def test_what_is_no_picture_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UndecodablePicture, match=reason):
        decode_picture(data)


def forge_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def cut_scans(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """What stands before the scans of a progressive JPEG, the scans with their tables, and the end mark."""
    starts = [found.start() for found in re.finditer(rb"\xff\xda", data)]
    ends = [*starts[1:], len(data) - 2]
    scans = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    return data[: starts[0]], scans, data[-2:]


@pytest.mark.parametrize("fill", [b"", b"\xff" * 3, b"\xff\x01"])  # what a reader passes over before a marker
def test_a_jpeg_of_endless_scans_is_refused_before_it_is_decoded(fill: bytes) -> None:
    head, scans, end = cut_scans(encode(smooth(), "JPEG", progressive=True))
    with pytest.raises(UndecodablePicture, match=r"too slow: a JPEG of 1,0[01]\d scans, the limit is 100"):
        decode_picture(head + b"".join(scans) + (fill + scans[-1]) * 1000 + end)


def test_the_last_number_of_scans_that_is_decoded() -> None:
    head, scans, end = cut_scans(encode(smooth(), "JPEG", progressive=True))
    data = head + b"".join(scans) + scans[-1] * (100 - len(scans))
    assert decode_picture(data + end).pixels_rgb.shape == (48, 64, 3)
    with pytest.raises(UndecodablePicture, match="101 scans"):
        decode_picture(data + scans[-1] + end)


def test_what_looks_like_scans_in_a_jpegs_notes_or_behind_its_end_is_none() -> None:
    data = encode(smooth(), "JPEG", comment=b"\xff\xda" * 1000)
    assert decode_picture(data + b"\xff\xda" * 1000).pixels_rgb.shape == (48, 64, 3)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000])
def test_header_bombs_are_refused_before_their_pixels_are_decoded(side: int) -> None:
    with pytest.raises(UndecodablePicture, match="too large"):
        decode_picture(forge_png(side, side))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_reason_ends_without_a_full_stop() -> None:
    with pytest.raises(UndecodablePicture, match=r"DOS attack$"):
        decode_picture(forge_png(60_000, 60_000))


SEEDS = [
    encode(smooth(12, 16), "JPEG"),
    encode(smooth(12, 16), "PNG"),
    encode(smooth(12, 16).quantize(8), "GIF"),
    encode(smooth(12, 16), "TIFF", compression="tiff_lzw"),
    encode(smooth(12, 16), "WEBP"),
    encode(smooth(12, 16), "BMP"),
]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1))
def test_damage_gives_a_picture_or_a_reason_and_nothing_else(
    data: bytes, damage: list[tuple[int, int]]
) -> None:
    broken = bytearray(data)
    for place, value in damage:
        broken[place % len(broken)] = value
    try:
        pixels = decode_picture(bytes(broken)).pixels_rgb
    except UndecodablePicture as error:
        assert error.reason
    else:
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"", *(data[:6] for data in SEEDS), b"II*\0", b"RIFF", b"P6"]), st.binary(max_size=40)
)
def test_arbitrary_bytes_give_a_picture_or_a_reason(start: bytes, rest: bytes) -> None:
    try:
        decode_picture(start + rest)
    except UndecodablePicture as error:
        assert error.reason
