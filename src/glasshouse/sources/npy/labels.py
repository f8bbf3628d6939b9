"""The labels of pictures in arrays: a vector of numbers or of texts, and the names of the numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from glasshouse.sources.classes import demand_class
from glasshouse.sources.example import SourceError
from glasshouse.sources.listing import spell
from glasshouse.sources.npy.files import StoredArray, is_vector
from glasshouse.sources.texts import UnreadableText, read_text

NAMES_FILE = "classes.txt"
Labels = list[int | str | None]


def read_labels(array: StoredArray) -> Labels:
    """The labels of an array (N,), (1, N) or (N, 1): integers or texts, None for NaN.

    Raises:
        SourceError: it has another shape, or holds neither.
    """
    if not is_vector(array):
        hint = " For one-hot rows save their argmax." if len(array.shape) == 2 else ""
        raise SourceError(f"{array.name} has the shape {array.shape}; labels must be (N,) or (1, N).{hint}")
    if array.dtype.kind not in "biufUS":
        raise SourceError(f"{array.name} has the dtype {array.dtype}; labels must be integers or texts.")
    blocks = [block.ravel() for block in array.iter_rows(max(1, array.stored_shape[0]))]
    values = np.concatenate(blocks) if blocks else np.empty(0, array.dtype)
    if array.dtype.kind == "f":
        return [
            None if np.isnan(value) else read_whole(array, place, value) for place, value in enumerate(values)
        ]
    if array.dtype.kind == "S":
        return [decode(array, place, value) for place, value in enumerate(values.tolist())]
    return [spell(value.strip()) if isinstance(value, str) else int(value) for value in values.tolist()]


def read_whole(array: StoredArray, place: int, value: float) -> int:
    """A label that was saved as a float; raises SourceError where it is not whole."""
    if not float(value).is_integer():
        raise SourceError(f"{array.name}: label {place} is {value}; labels must be whole numbers.")
    return int(value)


def decode(array: StoredArray, place: int, value: bytes) -> str:
    """A label that was saved as bytes; raises SourceError where they are not UTF-8."""
    try:
        return spell(value.decode().strip())
    except UnicodeDecodeError as error:
        raise SourceError(f"{array.name}: label {place} is {value!r}, which is not UTF-8.") from error


def settle_labels(
    folder: Path, arrays: list[str], labels: list[Labels], classes: tuple[str, ...]
) -> tuple[tuple[str, ...], list[list[str | None]]]:
    """(categories, the labels of each array by their names).

    Args:
        folder: where classes.txt may lie.
        arrays: names of the arrays of labels, for messages.
        labels: of each array.
        classes: `dataset.classes`.

    Raises:
        SourceError: numbers and texts are mixed, a number has no name, a text is none of the classes.
    """
    all_labels = [label for own in labels for label in own if label is not None]
    if not all_labels:
        raise SourceError(f"{arrays[0]} holds no labels.")
    if len({isinstance(label, str) for label in all_labels}) > 1:
        raise SourceError(f"{' and '.join(arrays)}: one holds numbers and another texts.")
    names = classes or read_names(folder)
    if isinstance(all_labels[0], str):
        for name, own in zip(arrays, labels, strict=True):
            for place, label in enumerate(own):
                demand_class(str(label), names, f"{name}, label {place}")
        return names or tuple(sorted({str(label) for label in all_labels})), [
            [None if label is None else str(label) for label in own] for own in labels
        ]
    if not names:
        numbers = sorted({int(label) for label in all_labels})
        return tuple(map(str, numbers)), [
            [None if label is None else str(label) for label in own] for own in labels
        ]
    return names, [name_numbers(name, own, names) for name, own in zip(arrays, labels, strict=True)]


def read_names(folder: Path) -> tuple[str, ...]:
    """The names in classes.txt, one a line; () without such a file."""
    path = folder / NAMES_FILE
    if not path.exists():
        return ()
    try:
        return tuple(spell(line.strip()) for line in read_text(path).content.splitlines() if line.strip())
    except UnreadableText as error:
        raise SourceError(f"{NAMES_FILE} {error}.") from error


def name_numbers(array: str, labels: Labels, names: tuple[str, ...]) -> list[str | None]:
    """The names of numbers from 0; raises SourceError for a number without name."""
    numbers = [-1 if label is None else int(label) for label in labels]
    for place, number in enumerate(numbers):
        if labels[place] is not None and not 0 <= number < len(names):
            hint = (
                " They seem to count from 1: subtract 1." if number == len(names) and 0 not in numbers else ""
            )
            raise SourceError(
                f"{array}, label {place}: {number} has no name; the {len(names)} classes "
                f"({names[0]} to {names[-1]}) are 0 to {len(names) - 1}.{hint}"
            )
    return [None if label is None else names[int(label)] for label in labels]
