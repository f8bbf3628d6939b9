"""A picture of flowers: what stands where, in which order, in which light."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glasshouse.sources.blooms.backgrounds import paint_background
from glasshouse.sources.blooms.foliage import LEAF_OF_SPECIES, draw_bud, draw_leaf, draw_stem, pick_green
from glasshouse.sources.blooms.species import SPECIES
from glasshouse.sources.drawing.canvas import OVERSAMPLING, Block, Canvas, paint, scaled
from glasshouse.sources.drawing.colours import from_hsv
from glasshouse.sources.drawing.light import Light, expose
from glasshouse.sources.drawing.objects import Drawing, find_objects
from glasshouse.sources.drawing.plan import Plan

Floats = NDArray[np.float64]

CATEGORIES = tuple(SPECIES)  # in the order of tf_flowers
FLOWERLESS = 0.06  # share of the pictures
COUNT_SHARES = (0.3, 0.24, 0.18, 0.13, 0.09, 0.06)  # of 1, 2, ... 6 flowers
MIXED = 0.45  # share of the pictures whose flowers may be of several species
SMALLEST, LARGEST = 0.14, 0.6  # size of a flower: root of its projected box's area, share of the side
STEEPEST = 1.05  # tilt away from the viewer, radians
LEAST_VISIBLE = 0.5  # of a flower's silhouette, so that what is shown is labelled and can be recognised
LEAST_SIDE = 0.1  # of a flower's visible box, share of the side


@dataclass(frozen=True, slots=True)
class Flower:
    """A head in its place, with its stem and leaf; all in shares of the picture's side.

    outline: (n, 2), a rough one; base: where the stem joins; size: square root of the projected box.
    """

    species: str
    blocks: list[Block]
    outline: Floats
    base: Floats
    size: float
    greenery: tuple[Block, ...] = ()

    def moved(self, place: Floats) -> Flower:
        """The same head with its middle at a place (x, y) instead of (0, 0)."""
        blocks = [Block(block.corners + place, block.colours) for block in self.blocks]
        return replace(self, blocks=blocks, outline=self.outline + place, base=self.base + place)


def draw_bloom(seed: int, index: int, size_px: int) -> Drawing:
    """Picture `index` of the set with a seed: a square of size_px, its id buffer and its flowers.

    The scene depends on seed and index alone; size_px only sets how finely it is drawn.
    """
    rng = np.random.default_rng([seed, index])
    light = Light.draw(rng)
    canvas = Canvas(paint_background(rng, size_px * OVERSAMPLING))
    plan = Plan(LEAST_VISIBLE, LEAST_SIDE)
    flowers = _arrange(rng, plan)
    _paint_distractors(rng, canvas, light)
    for object_id, flower in enumerate(flowers, 1):
        _paint_flower(rng, canvas, light, flower, object_id)
    _paint_front(rng, canvas, plan, light)
    picture, ids = canvas.finish()
    objects = find_objects(ids, [flower.species for flower in flowers])
    return Drawing(expose(rng, picture, light), ids, objects)


def _arrange(rng: np.random.Generator, plan: Plan) -> list[Flower]:
    """The flowers of a picture from back to front; small ones stand behind."""
    if rng.random() < FLOWERLESS:
        return []
    count = 1 + int(rng.choice(len(COUNT_SHARES), p=COUNT_SHARES))
    first = int(rng.integers(len(CATEGORIES)))
    mixed = rng.random() < MIXED
    largest = LARGEST if count < 3 else LARGEST * 0.75
    sizes = np.sort(SMALLEST + (largest - SMALLEST) * rng.beta(1.3, 1.9, count))
    flowers = []
    for size in sizes.tolist():
        species = CATEGORIES[int(rng.integers(len(CATEGORIES)))] if mixed else CATEGORIES[first]
        flower = _pose(rng, species, size)
        place = _find_place(rng, plan, flower.outline)
        if place is not None:
            standing = flower.moved(place)
            flowers.append(replace(standing, greenery=tuple(_grow(rng, plan, standing))))
    return flowers


def _pose(rng: np.random.Generator, species: str, size: float) -> Flower:
    """A head tilted away, turned and scaled to a size, its middle at (0, 0)."""
    head = SPECIES[species](rng)
    upright = species == "tulips"
    roll = rng.normal(0.0, 0.3) if upright else rng.uniform(0.0, 2 * math.pi)
    tilt = rng.uniform(-0.3, 0.3) if upright else rng.uniform(0.0, STEEPEST) * rng.choice([-1.0, 1.0])
    lean = 0.0 if upright else rng.uniform(-0.6, 0.6)
    flat = [_project(block.corners, roll, tilt, lean) for block in head]
    points = np.concatenate([corners.reshape(-1, 2) for corners in flat])
    low, high = points.min(0), points.max(0)
    scale = size / math.sqrt(float(np.prod(high - low)))
    centre = (low + high) / 2
    blocks = [
        Block((corners - centre) * scale, block.colours) for corners, block in zip(flat, head, strict=True)
    ]
    return Flower(species, blocks, _silhouette((points - centre) * scale), -centre * scale, size)


def _project(corners: Floats, roll: float, tilt: float, lean: float) -> Floats:
    """Points (..., 3) turned by roll, tilted about the x axis, leaned, and seen from far off: (..., 2)."""
    x, y, z = corners[..., 0], corners[..., 1], corners[..., 2]
    x, y = x * math.cos(roll) - y * math.sin(roll), x * math.sin(roll) + y * math.cos(roll)
    y = y * math.cos(tilt) - z * math.sin(tilt)
    return np.stack((x * math.cos(lean) - y * math.sin(lean), x * math.sin(lean) + y * math.cos(lean)), -1)


def _silhouette(points: Floats) -> Floats:
    """The farthest point in each of 20 directions."""
    angles = np.linspace(0.0, 2 * math.pi, 20, endpoint=False)
    reach = points[:, :1] * np.cos(angles) + points[:, 1:] * np.sin(angles)
    farthest: Floats = points[np.argmax(np.rint(reach * 1e9), 0)]
    return farthest


def _find_place(rng: np.random.Generator, plan: Plan, outline: Floats) -> Floats | None:
    half = outline.max(0)
    for _ in range(12):
        place: Floats = rng.uniform(np.minimum(half * 0.55, 0.5), np.maximum(1.0 - half * 0.55, 0.5))
        if plan.add_object(outline + place):
            return place
    return None


def _grow(rng: np.random.Generator, plan: Plan, flower: Flower) -> list[Block]:
    """A stem and often a leaf behind a flower, where they leave enough of other flowers to be seen."""
    green = pick_green(rng)
    x, y = flower.base.tolist()
    width = flower.size * rng.uniform(0.05, 0.1)
    stems = (draw_stem(rng, (x, y), width, green) for _ in range(4))
    greenery = next((stem for stem in stems if plan.add_cover(stem[0].corners[0], behind_last=True)), [])
    if rng.random() < 0.6:
        root = (x + rng.uniform(-0.03, 0.03), min(y + flower.size * rng.uniform(0.7, 1.4), 1.05))
        angle = -math.pi / 2 + rng.uniform(-1.1, 1.1)
        length = flower.size * rng.uniform(0.5, 1.1)
        leaf = draw_leaf(rng, LEAF_OF_SPECIES[flower.species], root, angle, length, green)
        greenery += leaf if plan.add_cover(leaf[0].corners[0], behind_last=True) else []
    return greenery


def _paint_distractors(rng: np.random.Generator, canvas: Canvas, light: Light) -> None:
    """Leaves and buds behind the flowers."""
    side = canvas.side_px
    kinds = tuple(LEAF_OF_SPECIES.values())
    for _ in range(int(rng.integers(0, 6))):
        kind = kinds[int(rng.integers(len(kinds)))]
        root = (rng.uniform(0.0, 1.0), rng.uniform(0.3, 1.1))
        leaf = draw_leaf(rng, kind, root, rng.uniform(-math.pi, 0.3), rng.uniform(0.15, 0.5), pick_green(rng))
        canvas.place(paint(scaled(leaf, side)).shaded(light.angle, light.shade))
    for _ in range(int(rng.integers(0, 3))):
        top, size = (rng.uniform(0.05, 0.95), rng.uniform(0.1, 0.8)), rng.uniform(0.02, 0.05)
        green = pick_green(rng)
        petals = from_hsv(rng.uniform(0.85, 1.17), rng.uniform(0.2, 0.9), rng.uniform(0.6, 1.0))
        stem = draw_stem(rng, (top[0], top[1] + size), 0.015, green)
        canvas.place(paint(scaled([*stem, *draw_bud(rng, top, size, green, petals)], side)))


def _paint_flower(
    rng: np.random.Generator, canvas: Canvas, light: Light, flower: Flower, object_id: int
) -> None:
    """Stem, leaf and shadow, then the head, which alone is the object."""
    side = canvas.side_px
    if flower.greenery:
        canvas.place(paint(scaled(list(flower.greenery), side)).shaded(light.angle, light.shade))
    blur_px = max(0.0, rng.uniform(-0.04, 0.025)) * min(flower.size, 0.3) * side
    layer = paint(scaled(flower.blocks, side), margin_px=math.ceil(2 * blur_px))
    canvas.shadow(layer, light.cast(side), 0.02 * side, light.shadow)
    canvas.place(layer.shaded(light.angle, light.shade).softened(blur_px), object_id)


def _paint_front(rng: np.random.Generator, canvas: Canvas, plan: Plan, light: Light) -> None:
    """Leaves in front, wherever they leave enough of each flower to be seen."""
    for _ in range(int(rng.integers(0, 4))):
        angle = -math.pi / 2 + rng.uniform(-0.9, 0.9)
        kind = ("blade", "oval", "blade", "toothed")[int(rng.integers(4))]
        root = (rng.uniform(0.0, 1.0), rng.uniform(0.7, 1.15))
        leaf = draw_leaf(rng, kind, root, angle, rng.uniform(0.25, 0.7), pick_green(rng))
        if plan.add_cover(leaf[0].corners[0]):
            canvas.place(paint(scaled(leaf, canvas.side_px)).shaded(light.angle, light.shade))
