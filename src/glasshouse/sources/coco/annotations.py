"""COCO's annotations one by one: each becomes an object, or a fault says why not."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glasshouse.sources.classes import demand_class
from glasshouse.sources.coco.files import (
    CocoFile,
    Id,
    demand_references,
    describe_unknown,
    find_id,
    is_id,
    name_kind,
)
from glasshouse.sources.coco.masks import Runs, bound_shape, read_rle, write_counts
from glasshouse.sources.example import LabelFault, ObjectLabel, SourceError
from glasshouse.sources.outlines import Box, Outline, rasterise_outlines

FARTHEST_PX = 1e9  # coordinates of polygons beyond are no coordinates
BATCH = 256  # masks at a time


@dataclass(slots=True)
class Draft:
    """An object whose mask is still an outline or runs."""

    picture: str
    place: str
    label: str
    box_xyxy_px: Box
    is_crowd: bool
    shape: Outline | Runs | None


@dataclass
class Annotations:
    """The objects of one file by picture, and what is wrong with the others.

    Args:
        file: the file.
        pictures: file_name of the picture of each image id that has one.
        classes: the valid labels; empty for all.
        faults: where faults go.
    """

    file: CocoFile
    pictures: dict[Id, str]
    classes: tuple[str, ...]
    faults: list[LabelFault]
    ids: dict[Id, str] = field(default_factory=dict)
    used: set[Id] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def read(self) -> dict[str, list[ObjectLabel]]:
        """The objects of each picture that has any, in the order of the file.

        Raises:
            SourceError: two annotations have one id, none refers to an image or a category, categories are
                numbered off by one, a label is outside `classes`.
        """
        demand_references(self.file)
        drafts: list[Draft] = []
        objects: dict[str, list[ObjectLabel]] = {}
        for number, entry in enumerate(self.file.annotations):
            draft = self.read_entry(f"annotations[{number}]", entry)
            if draft is not None:
                drafts.append(draft)
            if len(drafts) == BATCH:
                self.finish(drafts, objects)
                drafts = []
        self.finish(drafts, objects)
        return objects

    def blame(
        self,
        place: str,
        kind: str,
        reason: str,
        picture: str | None = None,
        action: Literal["set_aside", "repaired"] = "set_aside",
    ) -> None:
        """Note a fault."""
        self.faults.append(LabelFault(self.file.file_name, place, kind, action, reason, picture))

    def read_entry(self, place: str, entry: Any) -> Draft | None:
        """One annotation; None, and a fault, where it cannot be used."""
        if not isinstance(entry, dict):
            self.blame(place, "annotation_malformed", f"is {name_kind(entry)}; it must be an object")
            return None
        self.note_id(place, entry.get("id"))
        image_id = self.find_id(place, "image_id", entry, self.file.images)
        category_id = self.find_id(place, "category_id", entry, self.file.categories)
        if not is_id(image_id) or image_id not in self.file.images:
            self.blame(f"{place}.image_id", "image_unknown", describe_unknown(image_id, self.file.images))
            return None
        picture = self.pictures.get(image_id)
        if not is_id(category_id) or category_id not in self.file.categories:
            reason = describe_unknown(category_id, self.file.categories)
            self.blame(f"{place}.category_id", "category_unknown", reason, picture)
            return None
        self.used.add(category_id)
        if picture is None:
            return None  # the picture's own fault says so
        label = self.file.categories[category_id].name
        demand_class(label, self.classes, f"{self.file.file_name}, {place}")
        size = self.file.images[image_id].size
        shape = self.read_shape(f"{place}.segmentation", entry.get("segmentation"), size, picture)
        box = self.read_box(f"{place}.bbox", entry.get("bbox"), shape, picture)
        if box is None:
            return None
        is_crowd = self.read_crowd(f"{place}.iscrowd", entry.get("iscrowd", 0), picture)
        return Draft(picture, place, label, box, is_crowd, shape)

    def find_id(self, place: str, key: str, entry: dict[str, Any], known: Container[Id]) -> Any:
        """What a reference means; the first text that is read as a number is told for all."""
        value = entry.get(key)
        meant = find_id(value, known) if is_id(value) else value
        if meant is not value and key not in self.told:
            self.told.add(key)
            reason = (
                f"is the text {value!r}, and the ids are numbers: it and others like it were read as such"
            )
            self.blame(f"{place}.{key}", "id_is_text", reason, action="repaired")
        return meant

    def note_id(self, place: str, identity: Any) -> None:
        """Two annotations of one id contradict each other; one without has no need of it."""
        if identity is None or not is_id(identity):
            return
        other = self.ids.setdefault(identity, place)
        if other != place:
            raise SourceError(
                f"{self.file.file_name}, {place}: id {identity!r} is that of {other} as well; "
                "each needs its own."
            )

    def read_crowd(self, place: str, value: Any, picture: str) -> bool:
        """Whether it is a crowd; anything but 0 and 1 is taken as 0, with a fault."""
        if value in (0, 1) and isinstance(value, int | float):
            return bool(value)
        if value is not None:
            self.blame(
                place, "iscrowd_unknown", f"is {name_kind(value)}; taken as 0", picture, action="repaired"
            )
        return False

    def read_box(self, place: str, bbox: Any, shape: Outline | Runs | None, picture: str) -> Box | None:
        """x, y, width, height as corners, sound or not; without bbox, the box around the mask."""
        if bbox is None or bbox == []:
            box = bound_shape(shape)
            if box is None:
                self.blame(place, "box_missing", "is missing, and there is no usable segmentation", picture)
            else:
                reason = "is missing; taken from the segmentation"
                self.blame(place, "box_from_mask", reason, picture, action="repaired")
            return box
        if not isinstance(bbox, list) or len(bbox) != 4:
            said = f"has {len(bbox)} numbers" if isinstance(bbox, list) else f"is {name_kind(bbox)}"
            self.blame(place, "box_malformed", f"{said}; it must be [x, y, width, height]", picture)
            return None
        numbers = read_numbers(bbox)
        if numbers is None:
            self.blame(place, "box_malformed", f"{show_values(bbox)} are not four numbers", picture)
            return None
        x, y, width, height = numbers
        return x, y, x + width, y + height

    def read_shape(
        self, place: str, segmentation: Any, size: tuple[int, int] | None, picture: str
    ) -> Outline | Runs | None:
        """Outline or runs of the mask; None where there is none, or, with a fault, none that can be used."""
        if not segmentation:
            return None
        if isinstance(segmentation, dict):
            try:
                return read_rle(segmentation, size)
            except ValueError as error:
                self.blame(place, "mask_malformed", f"{error}; the mask is left out", picture)
                return None
        if not isinstance(segmentation, list):
            reason = f"is {name_kind(segmentation)}, neither polygons nor run lengths; left out"
            self.blame(place, "mask_malformed", reason, picture)
            return None
        polygons = self.read_polygons(place, segmentation, picture)
        return Outline(polygons, *(size or (0, 0))) if polygons else None

    def read_polygons(self, place: str, polygons: list[Any], picture: str) -> list[NDArray[np.float64]]:
        """The sound polygons; each other one is a fault. One polygon may come without its outer list."""
        nested = [polygons] if isinstance(polygons[0], int | float) else polygons
        found = []
        for number, polygon in enumerate(nested):
            numbers = read_numbers(polygon) if isinstance(polygon, list) else None
            points = np.array(numbers or [], np.float64)
            if numbers is None or not (np.abs(points) <= FARTHEST_PX).all():
                reason = f"{show_values(polygon)}: a polygon is a list of finite numbers x, y, x, y, ..."
            elif len(numbers) % 2 or len(numbers) < 6:
                what = f"{len(numbers)} numbers" if len(numbers) % 2 else f"{len(numbers) // 2} points"
                reason = f"has {what}; a polygon needs x and y of 3 points or more"
            else:
                found.append(points.reshape(-1, 2))
                continue
            self.blame(f"{place}[{number}]", "polygon_malformed", f"{reason}; left out", picture)
        return found

    def finish(self, drafts: list[Draft], objects: dict[str, list[ObjectLabel]]) -> None:
        """Turn drafts into objects, all masks at once."""
        drawn = iter(rasterise_outlines([one.shape for one in drafts if isinstance(one.shape, Outline)]))
        runs: list[Runs] = []
        masked: list[int] = []
        for number, draft in enumerate(drafts):
            shape = draft.shape
            if isinstance(shape, Outline):
                shape = next(drawn), shape.height, shape.width
            if shape is not None and len(shape[0]):
                runs.append(shape)
                masked.append(number)
            elif shape is not None:
                reason = (
                    "covers no pixel" if shape[1] else "cannot be drawn: its image has no width and height"
                )
                place = f"{draft.place}.segmentation"
                self.blame(place, "mask_empty", f"{reason}; the mask is left out", draft.picture)
        masks = dict(zip(masked, write_counts(runs), strict=True))
        for number, draft in enumerate(drafts):
            origin = f"{self.file.file_name}, {draft.place}"
            objects.setdefault(draft.picture, []).append(
                ObjectLabel(draft.label, draft.box_xyxy_px, draft.is_crowd, masks.get(number), origin)
            )


def read_numbers(values: list[Any]) -> list[float] | None:
    """The values as floats, NaN and infinity among them, or None where one is no number."""
    if not {type(value) for value in values} <= {int, float}:  # a truth value is no number here
        return None
    try:
        return [float(value) for value in values]
    except OverflowError:
        return None


def show_values(value: Any) -> str:
    """A list as a person wrote it, cut short."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
