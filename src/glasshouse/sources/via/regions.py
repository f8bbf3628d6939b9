"""VIA's regions: shapes as boxes and masks, attributes as classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from glasshouse.sources.example import SourceError
from glasshouse.sources.listing import spell
from glasshouse.sources.outlines import Box, Mask, box_ellipse, box_polygon, fill_ellipse, fill_polygon
from glasshouse.sources.via.files import Entry, Region

CLASS_ATTRIBUTES = ("class", "label", "name", "type")
FARTHEST_PX = 1e6  # beyond, a coordinate is a slip, and nothing that was drawn on a picture


class BadRegion(ValueError):
    """A region that is left out; `kind` is the short name of the fault, the message a sentence."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Shape:
    """A region's outline in pixels of the upright picture: a box, and what lies in it.

    Attributes:
        box_xyxy_px: as ObjectLabel has it.
        points_xy_px: corners of a polygon, or ().
        ellipse: centre, radii, angle, or None.
    """

    box_xyxy_px: Box
    points_xy_px: tuple[tuple[float, float], ...] = ()
    ellipse: tuple[tuple[float, float], tuple[float, float], float] | None = None

    def fill(self, size: tuple[int, int]) -> Mask | None:
        """Mask of a picture (height, width); None for a rectangle, of which the box says all."""
        if self.points_xy_px:
            return fill_polygon(np.array(self.points_xy_px), *size)
        return fill_ellipse(*self.ellipse, *size) if self.ellipse else None


def read_shape(shape: object) -> Shape:
    """The outline of rect, circle, ellipse and polygon; raises BadRegion for all else."""
    if not isinstance(shape, dict):
        raise BadRegion("shape_missing", "The region has no shape_attributes.")
    kind = shape.get("name")
    if kind == "rect":
        x, y, width, height = read_numbers(shape, "x", "y", "width", "height")
        return Shape((x, y, x + width, y + height))
    if kind == "circle":
        x, y, radius = read_numbers(shape, "cx", "cy", "r")
        return build_ellipse((x, y), (radius, radius), 0.0)
    if kind == "ellipse":
        x, y, first, second = read_numbers(shape, "cx", "cy", "rx", "ry")
        angle = read_numbers(shape, "theta")[0] if "theta" in shape else 0.0
        return build_ellipse((x, y), (first, second), angle)
    if kind == "polygon":
        return build_polygon(shape)
    raise BadRegion("shape_unknown", f"A shape {kind!r} encloses nothing; rect, circle, ellipse, polygon do.")


def build_ellipse(centre: tuple[float, float], radii: tuple[float, float], angle: float) -> Shape:
    """An ellipse; with a radius of 0 it has a box without area and no mask. Raises BadRegion below 0."""
    if min(radii) < 0:
        raise BadRegion("radius_negative", f"A radius must not be below 0. Got {min(radii):g} instead.")
    box = box_ellipse(centre, radii, angle)
    return Shape(box, ellipse=(centre, radii, angle) if min(radii) > 0 else None)


def build_polygon(shape: dict[str, object]) -> Shape:
    """A polygon of at least three points."""
    across, down = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(across, list) or not isinstance(down, list) or len(across) != len(down):
        raise BadRegion("points_missing", "A polygon needs all_points_x and all_points_y of one length.")
    points = tuple(zip(map(read_number, across), map(read_number, down), strict=True))
    if len(set(points)) < 3:
        raise BadRegion("too_few_points", f"A polygon needs 3 points. Got {len(set(points))} instead.")
    return Shape(box_polygon(points), points)


def read_numbers(shape: dict[str, object], *keys: str) -> list[float]:
    """The numbers of a shape; raises BadRegion where one is missing."""
    missing = [key for key in keys if key not in shape]
    if missing:
        raise BadRegion("key_missing", f"A {shape['name']} needs {', '.join(keys)}; {missing[0]} is missing.")
    return [read_number(shape[key]) for key in keys]


def read_number(value: object) -> float:
    """A finite number of pixels; raises BadRegion."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRegion("not_a_number", f"{value!r} is no number of pixels.")
    if not abs(value) <= FARTHEST_PX:  # NaN is not, and a whole number may have more digits than any float
        raise BadRegion("not_finite", f"{value!r} is no place in a picture.")
    return float(value)


def choose_attribute(entries: Iterable[Entry], classes: tuple[str, ...]) -> str | None:
    """The region attribute that holds the class; None where there is none and only one class to give.

    The only attribute there is, else the first of CLASS_ATTRIBUTES that is among them.

    Raises:
        SourceError: several attributes and none of these names, or none and not one class.
    """
    found: dict[str, None] = {}
    for entry in entries:
        for region in entry.regions:
            found |= dict.fromkeys(region.attributes if isinstance(region.attributes, dict) else ())
    by_name = {name.strip().casefold(): name for name in sorted(found, reverse=True)}
    named = [by_name[name] for name in CLASS_ATTRIBUTES if name in by_name]
    if len(found) == 1 or named:
        return next(iter(found)) if len(found) == 1 else named[0]
    if found:
        raise SourceError(
            f"dataset.format via: the regions have the attributes {', '.join(sorted(found))}: which is the "
            f"class? Name it {' or '.join(CLASS_ATTRIBUTES)} in VIA."
        )
    if len(classes) == 1:
        return None
    raise SourceError(
        "dataset.format via: no region has an attribute. Set dataset.classes to the one class that all are "
        "of, or give the regions an attribute named class in VIA."
    )


def read_class(region: Region, attribute: str | None, classes: tuple[str, ...]) -> str:
    """The class of a region: a text, or the only option of a checkbox that is ticked; raises BadRegion."""
    if attribute is None:
        return classes[0]
    value = region.attributes.get(attribute) if isinstance(region.attributes, dict) else None
    if isinstance(value, dict):
        ticked = [option for option, state in value.items() if state is True or state == "true"]
        if len(ticked) > 1:
            raise BadRegion(
                "label_twice", f"{attribute} must have one option. Got {', '.join(ticked)} instead."
            )
        value = ticked[0] if ticked else None
    if value is None or isinstance(value, list) or not str(value).strip():
        raise BadRegion("label_missing", f"The region has no {attribute}.")
    return spell(str(value).strip())
