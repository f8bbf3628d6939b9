"""What every data source gives: encoded pictures with their labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class SourceError(ValueError):
    """A data source is missing, empty or contradicts itself; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class ObjectLabel:
    """One object in a picture.

    Attributes:
        label: one of the source's categories.
        box_xyxy_px: x min, y min, x max, y max in the upright picture: x right, y down, maximum exclusive.
        is_crowd: the box surrounds many objects that were not labelled one by one.
        mask: counts of COCO's compressed run-length encoding, of the picture's size, or None.
    """

    label: str
    box_xyxy_px: tuple[float, float, float, float]
    is_crowd: bool = False
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One encoded picture and what is known of it.

    Attributes:
        file_name: unique within the source; for files the path relative to the source's folder, with "/".
        picture: the encoded file as it came; may turn out not to be a picture at all.
        label: the class of the whole picture (classification), one of the source's categories, or None.
        objects: the labelled objects (detection).
    """

    file_name: str
    picture: bytes
    label: str | None = None
    objects: tuple[ObjectLabel, ...] = ()


class Source(Protocol):
    """An ordered, repeatable collection: every iteration gives the same examples in the same order."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the classes in the order of their category ids, which start at 1."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Example]: ...
