"""Painting polygons into a picture that also knows which pixel belongs to which object.

Everything is drawn at OVERSAMPLING times the final size and averaged down, which smooths the edges. Beside
the picture runs an id buffer (0 = no object) that takes the same paint, so boxes and masks are exact whatever
covers whatever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageOps

from glasshouse.sources.drawing.fields import blur

OVERSAMPLING = 3
FAINTEST = 60  # alpha from which a pixel counts as covered; a blurred edge is less than that farther out


@dataclass(frozen=True, slots=True)
class Block:
    """Polygons with equally many corners, in painting order.

    corners: (p, n, d) float64, d = 2 (plane) or 3 (x right, y down, z towards the viewer);
    colours: (p, 4) uint8 RGBA.
    """

    corners: NDArray[np.float64]
    colours: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Layer:
    """A painted RGBA picture and where its upper left corner lies on the canvas, in canvas pixels."""

    picture: Image.Image
    left_px: int
    top_px: int

    def outline(self) -> Image.Image:
        """The mask of what was painted: 255 where alpha is at least FAINTEST."""
        return self.picture.getchannel("A").point([0] * FAINTEST + [255] * (256 - FAINTEST))

    def softened(self, radius_px: float) -> Layer:
        """The same layer out of focus."""
        return Layer(blur(self.picture, radius_px), self.left_px, self.top_px)

    def shaded(self, angle: float, depth: float) -> Layer:
        """Darkened by up to `depth` (0..1) on the side away from the light; angle: towards it, in radians."""
        steps = np.linspace(-1.0, 1.0, 9)
        facing = (steps[None, :] * np.cos(angle) + steps[:, None] * np.sin(angle)) / 1.4143
        levels = np.rint(255.0 * (1.0 - depth * (0.5 - 0.5 * facing))).astype(np.uint8)
        shade = Image.fromarray(levels).resize(self.picture.size, Image.Resampling.BILINEAR)
        clear = Image.new("L", shade.size, 255)
        shades = Image.merge("RGBA", (shade, shade, shade, clear))
        return Layer(ImageChops.multiply(self.picture, shades), self.left_px, self.top_px)


def scaled(blocks: Sequence[Block], side_px: int) -> list[Block]:
    """Plane blocks in shares of the side as canvas pixels."""
    return [Block(block.corners * float(side_px), block.colours) for block in blocks]


def paint(blocks: Sequence[Block], margin_px: int = 0) -> Layer:
    """Paints plane blocks (canvas pixels) in order onto a clear layer just large enough, plus a margin.

    Corners are rounded to 1/8 px, so that last-bit differences of sine and cosine cannot move an edge.
    """
    lows = np.min([block.corners.min((0, 1)) for block in blocks], 0)
    highs = np.max([block.corners.max((0, 1)) for block in blocks], 0)
    left, top = (int(v) for v in np.floor(lows) - 1 - margin_px)
    right, bottom = (int(v) for v in np.ceil(highs) + 2 + margin_px)
    red, green, blue, _ = (int(v) for v in blocks[0].colours[0])
    picture = Image.new("RGBA", (right - left, bottom - top), (red, green, blue, 0))
    polygon = ImageDraw.Draw(picture).polygon
    for block in blocks:
        corners = np.rint((block.corners - (left, top)) * 8.0) / 8.0
        for outline, colour in zip(
            corners.reshape(len(corners), -1).tolist(), block.colours.tolist(), strict=True
        ):
            polygon(outline, fill=tuple(colour))
    return Layer(picture, left, top)


class Canvas:
    """A square picture in the making, OVERSAMPLING times its final side, and its id buffer."""

    def __init__(self, ground: Image.Image) -> None:
        self.picture = ground
        self.ids = Image.new("L", ground.size, 0)

    @property
    def side_px(self) -> int:
        """Side of the canvas, in canvas pixels."""
        return self.picture.width

    def place(self, layer: Layer, object_id: int = 0) -> None:
        """Puts a layer on top; its outline takes `object_id` (1..255, 0 = belongs to no object)."""
        corner = (layer.left_px, layer.top_px)
        self.picture.paste(layer.picture, corner, layer.picture.getchannel("A"))
        self.ids.paste(object_id, corner, layer.outline())

    def shadow(self, layer: Layer, shift_px: tuple[float, float], blur_px: float, strength: float) -> None:
        """Darkens what lies under a layer's shifted, blurred outline by up to `strength` (0..1)."""
        reduction = 4
        margin = int(2 * blur_px / reduction) + 2
        small = ImageOps.expand(layer.outline().reduce(reduction), margin)
        soft = blur(small, blur_px / reduction).point([round(level * strength) for level in range(256)])
        mask = soft.resize((soft.width * reduction, soft.height * reduction), Image.Resampling.BILINEAR)
        left = layer.left_px + round(shift_px[0]) - margin * reduction
        top = layer.top_px + round(shift_px[1]) - margin * reduction
        self.picture.paste((14, 18, 16), (left, top), mask)

    def finish(self) -> tuple[Image.Image, NDArray[np.uint8]]:
        """The picture at its final size, and the id of each of its pixels (at the pixel's centre)."""
        centre = OVERSAMPLING // 2
        ids = np.asarray(self.ids)[centre::OVERSAMPLING, centre::OVERSAMPLING]
        return self.picture.reduce(OVERSAMPLING), np.ascontiguousarray(ids)
