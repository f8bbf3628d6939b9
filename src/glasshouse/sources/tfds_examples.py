"""Records of TensorFlow Datasets as examples: encoded pictures as they are, boxes in pixels, masks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.geometry.rle import encode_mask
from glasshouse.pictures.decode import UndecodablePicture, open_image
from glasshouse.sources.example import Example, LabelFault, ObjectLabel
from glasshouse.sources.tfds_layout import Boxes, Labels, Layout
from glasshouse.sources.tfds_masks import decode_levels, find_inside, surround

NO_LABEL = -1  # TFDS's value where a label is withheld, as in many test splits


@dataclass
class ExampleReader:
    """Reads examples from records, one pass over a set.

    Attributes:
        layout: which features are used for what.
        faults: what was set aside or repaired so far.
        names: the file names given so far.
    """

    layout: Layout
    faults: list[LabelFault] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def read(self, record: Record, given: str | None) -> Example:
        """One record as an example of the split `given`."""
        layout = self.layout
        picture = record.read_one(layout.picture, b"")
        shape, suffix = measure(picture)
        file_name = make_unique(record.name(layout.name, suffix), self.names)
        label = self._read_label(record, file_name)
        objects: tuple[ObjectLabel, ...] = ()
        if shape is not None and layout.boxes is not None:
            objects = self._read_objects(record, layout.boxes, shape, label, file_name)
        elif shape is not None and layout.regions is not None:
            objects = self._read_regions(record, layout.regions, shape, file_name)
        elif shape is not None and layout.mask is not None and label is not None:
            read = self._read_mask(record, layout.mask, shape, label, file_name)
            if isinstance(read, str):
                return Example(file_name, picture, split=given, unreadable=read)
            objects = (read,)
        drawn_on = shape if objects else None
        return Example(file_name, picture, label, objects, given, labelled_size=drawn_on)

    def _read_label(self, record: Record, file_name: str) -> str | None:
        labels = self.layout.label
        if labels is None:
            return None
        if labels.as_text:
            return read_text(record, labels.key)
        value = int(record.read_one(labels.key, NO_LABEL))
        if value == NO_LABEL:
            return None
        if 0 <= value < len(labels.names):
            return labels.names[value]
        self._note(record, file_name, labels.key, "label_unknown", f"{say_range(value, labels)}: left out")
        return None

    def _read_objects(
        self, record: Record, boxes: Boxes, shape: tuple[int, int], label: str | None, file_name: str
    ) -> tuple[ObjectLabel, ...]:
        shares = np.array(record.read(boxes.key), np.float64)
        columns = [record.read(key) if key else None for key in _columns(boxes)]
        count = len(shares) // 4
        if len(shares) % 4 or any(column is not None and len(column) != count for column in columns):
            sizes = ", ".join(str(len(column)) for column in columns if column is not None)
            reason = f"{len(shares)} coordinates do not go with {sizes} labels or flags: all objects left out"
            self._note(record, file_name, boxes.key, "objects_uneven", reason)
            return ()
        found = []
        boxes_xyxy_px = scale_boxes(shares.reshape(-1, 4), shape)
        for number, box in enumerate(boxes_xyxy_px):
            if boxes.single and not any(shares):
                continue
            value, crowd, mask = (None if column is None else column[number] for column in columns)
            name = self._name_object(record, boxes, value, label, number, file_name)
            if name is not None:
                counts = None if mask is None else self._encode(record, mask, shape, number, file_name)
                origin = f"{file_name}, {record.place} {boxes.key}[{number}]"
                found.append(ObjectLabel(name, box, crowd is not None and crowd > 0, counts, origin))
        return tuple(found)

    def _name_object(
        self, record: Record, boxes: Boxes, value: Any, label: str | None, number: int, file_name: str
    ) -> str | None:
        labels = boxes.labels
        if labels is None:
            name, why = boxes.name or label, "the picture has no label to give it"
        else:
            name = labels.names[value] if 0 <= value < len(labels.names) else None
            why = say_range(value, labels)
        if name is None:
            place = f"{boxes.key}[{number}]"
            self._note(record, file_name, place, "label_unknown", f"{why}: the object is left out")
        return name

    def _encode(
        self, record: Record, mask: bytes, shape: tuple[int, int], number: int, file_name: str
    ) -> str | None:
        """The mask of an object; one that is damaged or of another size is left out, its box stays."""
        levels = decode_levels(mask, shape)
        if isinstance(levels, str):
            place = f"mask {number}"
            self._note(
                record, file_name, place, "mask_unusable", f"{levels}: the box stays without it", "repaired"
            )
            return None
        return encode_mask(levels != 0)

    def _read_regions(
        self, record: Record, labels: Labels, shape: tuple[int, int], file_name: str
    ) -> tuple[ObjectLabel, ...]:
        """One object for each class of a picture of class numbers; numbers without a name are no class."""
        levels = decode_levels(record.read_one(labels.key, b""), shape)
        if isinstance(levels, str):
            self._note(record, file_name, labels.key, "mask_unusable", f"{levels}: left out")
            return ()
        found = []
        for value in np.unique(levels).tolist():
            if value < len(labels.names) and labels.names[value] != labels.background:
                inside = levels == value
                origin = f"{file_name}, {record.place} {labels.key}"
                name, counts = labels.names[value], encode_mask(inside)
                found.append(ObjectLabel(name, surround(inside), False, counts, origin))
        return tuple(found)

    def _read_mask(
        self, record: Record, key: str, shape: tuple[int, int], label: str, file_name: str
    ) -> ObjectLabel | str:
        """The picture's one object, or why its mask does not tell: the picture would pass for background."""
        levels = decode_levels(record.read_one(key, b""), shape)
        inside = levels if isinstance(levels, str) else find_inside(levels)
        if isinstance(inside, str):
            self._note(record, file_name, key, "mask_unusable", f"{inside}: the picture is left out with it")
            return inside
        origin = f"{file_name}, {record.place} {key}"
        return ObjectLabel(label, surround(inside), False, encode_mask(inside), origin)

    def _note(
        self, record: Record, file_name: str, place: str, kind: str, reason: str, action: Any = "set_aside"
    ) -> None:
        fault = LabelFault(file_name, f"{record.place} {place}", kind, action, f"{reason}.", file_name)
        self.faults.append(fault)


@dataclass(frozen=True, slots=True)
class Record:
    """The values of one record by the keys under which TFDS stores them, nested ones joined by "/"."""

    features: Any
    split: str
    number: str

    @property
    def place(self) -> str:
        """`train[12]`, which also is how tfds.load finds it: `train[12:13]`."""
        return f"{self.split}[{int(self.number)}]"

    def read(self, key: str) -> list[Any]:
        """All values of a key; none where the record has no such key."""
        if key not in self.features:
            return []
        kind = self.features[key].WhichOneof("kind")
        return list(getattr(self.features[key], kind).value) if kind else []

    def read_one(self, key: str, otherwise: Any) -> Any:
        """The value of a key, or the other where the record has none."""
        return next(iter(self.read(key)), otherwise)

    def name(self, key: str | None, suffix: str) -> str:
        """SPLIT/NAME; a number or an id without a suffix takes the one of the picture's format."""
        value = self.read_one(key, self.number) if key else self.number
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        text = text.strip("/") or self.number
        return f"{self.split}/{text}" if Path(text).suffix else f"{self.split}/{text}{suffix}"


def _columns(boxes: Boxes) -> tuple[str | None, str | None, str | None]:
    return boxes.labels.key if boxes.labels else None, boxes.crowd, boxes.mask


def measure(picture: bytes) -> tuple[tuple[int, int] | None, str]:
    """((height, width) of the pixels as they are stored, suffix); (None, "") where it is no picture."""
    try:
        image = open_image(picture)
    except UndecodablePicture:  # the reader of the pictures says why, and sets it aside
        return None, ""
    suffix = {"JPEG": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2"}.get(image.format or "", "")
    return (image.height, image.width), suffix or f".{(image.format or '').lower()}"


def make_unique(file_name: str, names: set[str]) -> str:
    """The name, numbered where it is among `names` (`a.jpg`, `a~2.jpg`), to which it is added."""
    path, unique, count = Path(file_name), file_name, 1
    while unique in names:
        count += 1
        unique = f"{file_name.removesuffix(path.suffix)}~{count}{path.suffix}"
    names.add(unique)
    return unique


def scale_boxes(
    shares_yxyx: NDArray[np.float64], shape: tuple[int, int]
) -> list[tuple[float, float, float, float]]:
    """Boxes (n, 4) y min, x min, y max, x max as shares of the sides to x min, y min, x max, y max in pixels.

    They are rounded to 1/1000 pixel: the shares are stored as float32 and carry no more, and pixel numbers
    come back whole (179 / 500 is stored as 0.35799998, and gives 179 again).
    """
    height, width = shape
    pixels = shares_yxyx[:, [1, 0, 3, 2]] * (width, height, width, height)
    return [(x_min, y_min, x_max, y_max) for x_min, y_min, x_max, y_max in np.round(pixels, 3).tolist()]


def read_text(record: Record, key: str) -> str | None:
    """The text of a key, None where it is empty or missing."""
    return str(record.read_one(key, b"").decode("utf-8", "backslashreplace")).strip() or None


def say_range(value: int, labels: Labels) -> str:
    """`class number 7 is not among 0..4`."""
    return f"class number {value} is not among 0..{len(labels.names) - 1}"
