"""Labels against the decoded picture: boxes and masks come to lie on its upright pixels, or are set aside.

On which pixels a box was drawn, where EXIF turns the picture, is told by the size that the annotation gives:

- the stored size: on the stored pixels, so boxes and masks are turned with them;
- the upright size, where it is another: on the upright pixels, so they stay;
- none: on the stored pixels, as most programs that write labels see them (Pillow, OpenCV's raw mode), unless
  fewer boxes lie outside the upright picture than outside the stored one.

A square picture, and one that is mirrored or upside down, has one size for both: the stored pixels are taken.
A mask of COCO's run lengths fits one size only, and is read at the size that its boxes are taken at.

A size that is neither is wrong itself where every box lies inside the picture. Where one does not, or where
it is the true size in proportion, so that the picture was most likely resized after it was labelled, the
boxes are what is wrong, and the picture is set aside: without them it would teach that nothing is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from glasshouse.geometry.rle import decode_mask, encode_mask
from glasshouse.pictures.decode import Picture
from glasshouse.pictures.orientation import Box, turn_array, turn_box
from glasshouse.sources.example import Example, LabelFault, ObjectLabel

MIN_INSIDE = 0.1  # share of a box's area; with less inside the picture, what is seen is hardly the object
ROUNDING_PX = 1.0  # over an edge: tools differ in where a pixel begins and how they round
EXACT_PX = 1e-3  # the last digits of a number: over an edge no fault, and no side of a box
MIN_SIDE_PX = 16  # of a picture that someone labelled: a smaller size in an annotation is a wrong number
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Settled:
    """The labels of one picture, sound.

    Attributes:
        objects: boxes inside the upright picture, with an area; masks of its size.
        faults: what was repaired or set aside.
        unusable: why the picture must be set aside with all its objects, else None.
    """

    objects: tuple[ObjectLabel, ...]
    faults: tuple[LabelFault, ...]
    unusable: str | None = None


@dataclass(slots=True)
class Faults:
    """The faults of one picture as they are found."""

    picture: str
    rows: list[LabelFault] = field(default_factory=list)

    def note(self, origin: str, kind: str, action: Literal["set_aside", "repaired"], reason: str) -> None:
        """Add a fault at an object's origin ("file, place"), or of the picture's file where that is ""."""
        file_name, place = split_origin(origin)
        self.rows.append(LabelFault(file_name or self.picture, place, kind, action, reason, self.picture))


def settle_labels(example: Example, picture: Picture) -> Settled:
    """The objects of an example on the upright pixels of its decoded picture.

    What happens to a box: not finite, without area (or thinner than EXACT_PX), outside, nearly outside, or
    the same as another of its class: set aside; corners reversed: exchanged; partly outside: clipped.
    """
    faults = Faults(example.file_name)
    drawn_on, unusable = find_drawn_size(example, picture, faults)
    turned = picture.orientation != 1 and drawn_on == picture.stored_size
    if unusable is None and picture.orientation != 1:
        note_turn(example, picture, turned, faults)
    if unusable is not None or not example.objects:
        return Settled((), tuple(faults.rows), unusable)
    orientation = picture.orientation if turned else 1
    kept: dict[tuple[str, Box], ObjectLabel] = {}
    for number, thing in enumerate(example.objects, 1):
        thing = thing if thing.origin else replace(thing, origin=f"{example.file_name}, object {number}")
        settled = settle_object(thing, drawn_on, orientation, faults)
        if settled is not None:
            keep_once(kept, settled, faults)
    if not kept:
        first = faults.rows[-1].reason
        unusable = f"none of its {len(example.objects)} objects can be used; the last: {first}"
    return Settled(tuple(kept.values()), tuple(faults.rows), unusable)


def find_drawn_size(example: Example, picture: Picture, faults: Faults) -> tuple[Size, str | None]:
    """(size of the pixels on which the labels were drawn, why the picture must be set aside or None)."""
    stored, upright, labelled = picture.stored_size, picture.upright_size, example.labelled_size
    if labelled is not None and labelled in (stored, upright):
        return labelled, None
    boxes = [order_corners(thing.box_xyxy_px) for thing in example.objects if is_finite(thing.box_xyxy_px)]
    misfits = {
        size: sum(reaches_over(box, size) > ROUNDING_PX for box in boxes) for size in (upright, stored)
    }
    drawn_on = upright if misfits[upright] < misfits[stored] else stored
    if labelled is None:
        return drawn_on, None
    said = f"the labels are for {say(labelled)}, the picture has {say(drawn_on)}"
    resized = bool(boxes) and is_resized(labelled, drawn_on)
    if not misfits[drawn_on] and not resized:
        reason = f"{said}; every box lies inside, so the true size was taken"
        faults.note(find_file(example), "size_differs", "repaired", reason)
        return drawn_on, None
    why = "it seems to have been resized after it was labelled" if resized else "boxes lie outside"
    return drawn_on, f"{said}, and {why}: correct size or boxes in {find_file(example) or 'its labels'}"


def is_resized(labelled: Size, true: Size) -> bool:
    """Whether one size is the other in proportion, rounded, and not nearly the same."""
    small, large = sorted((labelled, true), key=max)
    near = max(abs(a - b) for a, b in zip(labelled, true, strict=True)) <= 2
    if near or min(labelled) < MIN_SIDE_PX:
        return False
    errors_px = (large[1] * small[0] / large[0] - small[1], large[0] * small[1] / large[1] - small[0])
    return min(map(abs, errors_px)) <= 1 + 1e-9


def note_turn(example: Example, picture: Picture, turned: bool, faults: Faults) -> None:
    """Say that the pixels were turned, and what became of the boxes."""
    objects = ""
    if example.objects and turned:
        doubt = " (taken to be on the stored pixels: both have one size)"
        square = picture.stored_size == picture.upright_size
        objects = f", and its {len(example.objects)} objects with them{doubt if square else ''}"
    elif example.objects:
        objects = f"; its {len(example.objects)} objects were drawn on the upright picture, and left"
    reason = f"EXIF orientation {picture.orientation}: the pixels were turned upright{objects}"
    faults.note("", "exif_turned", "repaired", reason)


def settle_object(thing: ObjectLabel, drawn_on: Size, orientation: int, faults: Faults) -> ObjectLabel | None:
    """The object on the upright pixels, or None where it was set aside.

    Args:
        thing: with its origin; box and mask on pixels of the size drawn_on.
        drawn_on: (height, width).
        orientation: by which both are turned.
        faults: takes what is found.
    """
    box = settle_box(thing, drawn_on, faults)
    if box is None:
        return None
    turned = turn_box(box, drawn_on, orientation)
    if min(turned[2] - turned[0], turned[3] - turned[1]) < EXACT_PX:
        reason = f"the box {spell(thing.box_xyxy_px)} is less than {EXACT_PX:g} px thin, and shows nothing"
        faults.note(thing.origin, "box_without_area", "set_aside", reason)
        return None
    return replace(thing, box_xyxy_px=turned, mask=settle_mask(thing, drawn_on, orientation, faults))


def settle_box(thing: ObjectLabel, size: Size, faults: Faults) -> Box | None:
    """The box with its corners in order, inside a picture of the size, or None where it was set aside."""
    given = thing.box_xyxy_px
    if not is_finite(given):
        faults.note(thing.origin, "box_not_finite", "set_aside", f"the box {spell(given)} is not finite")
        return None
    box = order_corners(given)
    if measure_area(box) <= 0:
        faults.note(thing.origin, "box_without_area", "set_aside", f"the box {spell(given)} has no area")
        return None
    if box != given:
        reason = f"the corners of the box {spell(given)} were reversed, and exchanged"
        faults.note(thing.origin, "box_reversed", "repaired", reason)
    return clip_box(thing.origin, box, size, faults)


def clip_box(origin: str, box: Box, size: Size, faults: Faults) -> Box | None:
    """The part of a box inside a picture of the size; None, noted, where too little is inside."""
    height, width = size
    inside = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height)))
    over = reaches_over(box, size)
    if over <= 0:
        return box
    about = f"the box {spell(box)} reaches {over:.4g} px out of the picture of {say(size)}"
    share = measure_area(inside) / measure_area(box)
    if share <= 0:
        reason = f"the box {spell(box)} is outside the picture of {say(size)}"
        faults.note(origin, "box_outside", "set_aside", reason)
        return None
    if share < MIN_INSIDE:
        reason = f"{about}: only {share:.1%} of it are inside"
        faults.note(origin, "box_mostly_outside", "set_aside", reason)
        return None
    if over > EXACT_PX:
        kind = "box_rounded" if over <= ROUNDING_PX else "box_clipped"
        faults.note(origin, kind, "repaired", f"{about}, and was cut to {spell(inside)}")
    return inside


def settle_mask(thing: ObjectLabel, drawn_on: Size, orientation: int, faults: Faults) -> str | None:
    """The mask on the upright pixels, or None where there is none or it is not of the picture's size."""
    if thing.mask is None:
        return None
    try:
        mask = decode_mask(thing.mask, *drawn_on)
    except ValueError as error:
        reason = f"the mask does not fit the picture and was left out, the box stays: {error}"
        faults.note(thing.origin, "mask_unfit", "repaired", reason)
        return None
    return thing.mask if orientation == 1 else encode_mask(turn_array(mask, orientation))


def keep_once(kept: dict[tuple[str, Box], ObjectLabel], thing: ObjectLabel, faults: Faults) -> None:
    """Keep an object, unless there is one of its class in the same box."""
    first = kept.setdefault((thing.label, thing.box_xyxy_px), thing)
    if first is not thing:
        reason = f"the same {thing.label} in the same box {spell(thing.box_xyxy_px)} as {first.origin}"
        faults.note(thing.origin, "box_twice", "set_aside", reason)


def order_corners(box: Box) -> Box:
    """Minima before maxima."""
    x, y = sorted((box[0], box[2])), sorted((box[1], box[3]))
    return x[0], y[0], x[1], y[1]


def reaches_over(box: Box, size: Size) -> float:
    """By how many pixels a box reaches over the farthest edge of a picture of the size; negative inside."""
    height, width = size
    return max(-box[0], -box[1], box[2] - width, box[3] - height)


def measure_area(box: Box) -> float:
    """Area, 0 where a side is negative."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def is_finite(box: Iterable[float]) -> bool:
    """Whether every coordinate is a number."""
    return all(map(math.isfinite, box))


def find_file(example: Example) -> str:
    """The file of the annotations of a picture, as far as its objects tell."""
    return next((split_origin(thing.origin)[0] for thing in example.objects if thing.origin), "")


def split_origin(origin: str) -> tuple[str, str]:
    """(file, place in it) of "file, place"; a file's name may hold a comma of its own."""
    file_name, comma, place = origin.rpartition(", ")
    return (file_name, place) if comma else (origin, "")


def spell(box: Box) -> str:
    """A box as a person reads it: (x min, y min, x max, y max)."""
    return f"({', '.join(f'{value:.6g}' for value in box)})"


def say(size: Size) -> str:
    """`640 x 480 px`: width first, as people say it."""
    return f"{size[1]} x {size[0]} px"
