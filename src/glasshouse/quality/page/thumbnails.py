"""Small pictures as data URIs.

Pillow is used directly, not by glasshouse.pictures: what draws the page must not make every training depend
on how pictures are decoded for it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterator
from pathlib import Path

from PIL import Image, ImageOps

from glasshouse.quality.shards import read_encoded

SIDE_PX = 320
QUALITY = 80


def draw_thumbnails(raw: Path, image_ids: Collection[int]) -> Iterator[tuple[int, str]]:
    """(image_id, data URI of a JPEG with sides of at most SIDE_PX) of pictures of data/raw."""
    for image_id, encoded in read_encoded(raw, image_ids):
        yield image_id, encode(shrink(encoded))


def shrink(encoded: bytes) -> Image.Image:
    """The upright picture as RGB, small; 16 bits are cut to 8, transparent pixels lie on white."""
    with Image.open(io.BytesIO(encoded)) as image:
        image.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))  # a JPEG is decoded at a fraction of its size
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            upright = upright.point(lambda level: level / 256).convert("L")
        if "A" in upright.mode or "transparency" in upright.info:
            rgba = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        small = upright.convert("RGB")
    small.thumbnail((SIDE_PX, SIDE_PX))
    return small


def encode(image: Image.Image) -> str:
    """A picture as a data URI."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
