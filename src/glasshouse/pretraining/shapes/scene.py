"""A picture of shapes: kinds, places, looks and light are drawn independently of each other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from glasshouse.pretraining.shapes.outlines import KINDS, Outlines
from glasshouse.pretraining.shapes.textures import draw_ground, draw_texture, pick_colour
from glasshouse.sources.drawing.canvas import OVERSAMPLING, Block, Canvas, Layer, paint
from glasshouse.sources.drawing.colours import spread
from glasshouse.sources.drawing.fields import blur
from glasshouse.sources.drawing.light import Light, expose
from glasshouse.sources.drawing.objects import Drawing, find_objects
from glasshouse.sources.drawing.plan import Plan

CATEGORIES = tuple(KINDS)
MOST = 8  # objects a picture
SMALLEST, LARGEST = 0.1, 0.55  # square root of the box, share of the picture's side
LEAST_VISIBLE = 0.6  # of the silhouette
LEAST_SIDE = 0.07  # of the visible box, share of the picture's side

Floats = NDArray[np.float64]


def draw_shapes(seed: int, index: int, size_px: int) -> Drawing:
    """Picture `index` of the set with a seed: a square of size_px with 1 to 8 shapes, ids and objects.

    The scene depends on seed and index alone; size_px only sets how finely it is drawn.
    """
    rng = np.random.default_rng([seed, index])
    light = Light.draw(rng)
    canvas = Canvas(draw_ground(rng, size_px * OVERSAMPLING))
    _paint_clutter(rng, canvas)
    plan = Plan(LEAST_VISIBLE, LEAST_SIDE)
    labels: list[str] = []
    for size in np.sort(_pick_sizes(rng)).tolist():
        kind = CATEGORIES[int(rng.integers(len(CATEGORIES)))]
        outlines = _pose(rng, KINDS[kind](rng), size)
        moved = _find_place(rng, plan, outlines)
        if moved is not None:
            labels.append(kind)
            _paint_shape(rng, canvas, light, moved, len(labels))
    picture, ids = canvas.finish()
    return Drawing(expose(rng, picture, light), ids, find_objects(ids, labels))


def _pick_sizes(rng: np.random.Generator) -> Floats:
    """One to MOST sizes; the more shapes, the smaller the largest may be."""
    count = int(rng.integers(1, MOST + 1))
    return SMALLEST + (LARGEST / math.sqrt(0.6 + 0.2 * count) - SMALLEST) * rng.beta(1.2, 1.6, count)


def _pose(rng: np.random.Generator, outlines: Outlines, size: float) -> Outlines:
    """Squeezed, turned, and scaled to a size around (0, 0)."""
    turn, squeeze, flip = rng.uniform(0.0, 2 * math.pi), rng.uniform(0.65, 1.0), rng.choice([-1.0, 1.0])
    solid, holes = ([_turn(points * (flip, squeeze), turn) for points in part] for part in outlines)
    points = np.concatenate(solid)
    low, high = points.min(0), points.max(0)
    scale = size / math.sqrt(float(np.prod(high - low)))
    centre = (low + high) / 2
    return [(part - centre) * scale for part in solid], [(part - centre) * scale for part in holes]


def _turn(points: Floats, angle: float) -> Floats:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.stack((points[:, 0] * cos - points[:, 1] * sin, points[:, 0] * sin + points[:, 1] * cos), 1)


def _find_place(rng: np.random.Generator, plan: Plan, outlines: Outlines) -> Outlines | None:
    solid, holes = outlines
    points = np.concatenate(solid)
    angles = np.linspace(0.0, 2 * math.pi, 24, endpoint=False)
    reach = points[:, :1] * np.cos(angles) + points[:, 1:] * np.sin(angles)
    silhouette = points[np.argmax(np.rint(reach * 1e9), 0)]
    for _ in range(8):
        place = rng.uniform(0.02, 0.98, 2)
        if plan.add_object(silhouette + place):
            return [part + place for part in solid], [part + place for part in holes]
    return None


def _paint_clutter(rng: np.random.Generator, canvas: Canvas) -> None:
    """Thin lines and straws that are no objects."""
    count = int(rng.integers(0, 16))
    if count == 0:
        return
    start = rng.uniform(-0.1, 1.1, (count, 1, 2))
    step = rng.normal(0.0, 0.15, (count, 1, 2))
    across = step[:, :, ::-1] * (-1.0, 1.0) * rng.uniform(0.005, 0.03, (count, 1, 1))
    corners = np.concatenate(
        (start - across, start + across, start + step + across, start + step - across), 1
    )
    canvas.place(
        paint(
            [Block(corners * float(canvas.side_px), spread(pick_colour(rng), rng.uniform(0.4, 1.6, count)))]
        )
    )


def _paint_shape(
    rng: np.random.Generator, canvas: Canvas, light: Light, outlines: Outlines, object_id: int
) -> None:
    layer = _textured(rng, outlines, canvas.side_px)
    if rng.random() < 0.6:
        canvas.shadow(layer, light.cast(canvas.side_px), 0.015 * canvas.side_px, light.shadow)
    blur_px = max(0.0, rng.uniform(-0.015, 0.008)) * canvas.side_px
    canvas.place(layer.shaded(light.angle, light.shade).softened(blur_px), object_id)


def _textured(rng: np.random.Generator, outlines: Outlines, side_px: int) -> Layer:
    """The shape cut out of a texture, half of them with a rim in a colour of its own."""
    solid, holes = ([np.rint(part * (side_px * 8.0)) / 8.0 for part in parts] for parts in outlines)
    points = np.concatenate(solid)
    left, top = (int(v) - 2 for v in np.floor(points.min(0)))
    width, height = (int(v) + 4 for v in np.ceil(points.max(0)) - (left, top))
    mask = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(mask)
    for parts, level in ((solid, 255), (holes, 0)):
        for part in parts:
            draw.polygon((part - (left, top)).ravel().tolist(), fill=level)
    texture = draw_texture(rng, max(width, height)).crop((0, 0, width, height))
    if rng.random() < 0.5:
        core = blur(mask, rng.uniform(0.004, 0.012) * side_px).point([0] * 200 + [255] * 56)
        texture.paste(pick_colour(rng), (0, 0), ImageChops.subtract(mask, core))
    texture.putalpha(mask)
    return Layer(texture, left, top)
