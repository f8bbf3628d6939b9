"""Class names of a labelled folder: those that params.yaml gives, or those that the labels name."""

from __future__ import annotations

from collections.abc import Iterable

from glasshouse.params.faults import suggest
from glasshouse.sources.example import SourceError
from glasshouse.sources.listing import spell


def spell_classes(classes: tuple[str, ...]) -> tuple[str, ...]:
    """`dataset.classes` in the spelling (NFC) in which labels are compared."""
    return tuple(map(spell, classes))


def order_classes(found: Iterable[str], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Categories in the order of their ids: `dataset.classes` where it is given, else those found, sorted."""
    return classes or tuple(sorted(set(found)))


def demand_class(label: str, classes: tuple[str, ...], where: str) -> None:
    """Demand that a label is one of `dataset.classes`, where that is given.

    Raises:
        SourceError: naming `where` (file and row), the label and the nearest class.
    """
    if classes and label not in classes:
        raise SourceError(f"{where}: label {label!r} is none of dataset.classes. {suggest(label, classes)}")
