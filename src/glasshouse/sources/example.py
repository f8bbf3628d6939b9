"""What every data source gives: encoded pictures with their labels, and what is wrong with the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


class SourceError(ValueError):
    """A data source is missing, empty or contradicts itself; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class ObjectLabel:
    """One object in a picture.

    Attributes:
        label: one of the source's categories.
        box_xyxy_px: x min, y min, x max, y max: x right, y down, maximum exclusive; as the annotation says,
            sound or not.
        is_crowd: the box surrounds many objects that were not labelled one by one.
        mask: counts of COCO's compressed run-length encoding, of the picture's size, or None.
        origin: where the annotation stands, to be found by a person: "Annotations/a.xml, object 2".
    """

    label: str
    box_xyxy_px: tuple[float, float, float, float]
    is_crowd: bool = False
    mask: str | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One encoded picture and what is known of it.

    Attributes:
        file_name: unique within the source; for files the path relative to the source's folder, with "/".
        picture: the encoded file as it came; may turn out not to be a picture at all.
        label: the class of the whole picture (classification), one of the source's categories, or None.
        objects: the labelled objects (detection).
        split: train, valid or test where the source says so itself, else None.
        group: pictures of one group never come to lie in different splits; None for no group.
        labelled_size: (height, width) in pixels of the picture that the boxes were drawn on, as the
            annotation gives it; None where it does not. It tells whether boxes go with the stored or with
            the upright pixels of a picture that EXIF turns.
        unreadable: why the file could not be read (`picture` is then empty), else None.
    """

    file_name: str
    picture: bytes
    label: str | None = None
    objects: tuple[ObjectLabel, ...] = ()
    split: str | None = None
    group: str | None = None
    labelled_size: tuple[int, int] | None = None
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class LabelFault:
    """Something wrong with a label that does not keep the rest from going on.

    Attributes:
        file_name: the file at fault, relative to the source's folder, with "/".
        place: where in it: "line 12", "object 3", "annotations[17].bbox"; "" for the file as a whole.
        kind: short name of the fault, snake_case: box_without_area, picture_missing, ...
        action: set_aside (the label, or its picture, is left out) | repaired.
        reason: one sentence with the offending value, and what was done or is to be done.
        picture: file_name of the picture concerned, or None.
    """

    file_name: str
    place: str
    kind: str
    action: Literal["set_aside", "repaired"]
    reason: str
    picture: str | None = None


class Source(Protocol):
    """An ordered, repeatable collection: every iteration gives the same examples in the same order.

    A source may have `about`, a dict of texts: its version and the like, kept in data/raw/source.json.
    """

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the classes in the order of their category ids, which start at 1."""
        ...

    @property
    def faults(self) -> Sequence[LabelFault]:
        """What the reader of the labels set aside or repaired, in the order of the files."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Example]: ...
