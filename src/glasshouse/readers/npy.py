"""Format npy: pictures in an array, their classes in a vector: X.npy and y.npy, or one .npz with both.

- **Names.** X (also images, pictures, data) and y (also labels, targets), letter case aside; X_train and
  y_train, X_valid (val) and y_valid, X_test and y_test give the splits as well. A pair of other .npy files is
  told by the number of axes.
- **Shapes.** Columns (height * width * channels, N), as (270000, N) of 300 x 300 RGB or (90000, N) of
  300 x 300 grey; (N, ...) rows of the same where only N fits the labels; (N, height, width) and (N, height,
  width, channels). Flat pictures are square, of 1 or 3 channels (no number of pixels is both), and lie row
  by row, channels last: C order. Pictures flattened down their columns (MATLAB) cannot be told from these.
- **Levels.** 0..255 as integers or floats, or 0..1 as floats or booleans: what the largest of all says.
  Floats are rounded to 8 bits. A picture with NaN or infinity is set aside.
- **Classes.** Integers name the classes of `dataset.classes` or classes.txt by position, from 0; without
  names they are "0", "1", ... Texts are names themselves.

Pictures become PNG, lossless, when they are asked for, as X/000012.png for number 12 (from 0). Files are read
block by block and never mapped or unpickled, so memory is bounded. Columns lie far apart in the file: each
block of them goes through the whole of it, and X saved as (N, ...) or in Fortran order is read faster.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glasshouse.sources.classes import spell_classes
from glasshouse.sources.example import Example, LabelFault
from glasshouse.sources.labelled import LabelledFile, LabelledFiles
from glasshouse.sources.npy.files import StoredArray, find_pairs
from glasshouse.sources.npy.labels import read_labels, settle_labels
from glasshouse.sources.npy.levels import Levels, measure_levels
from glasshouse.sources.npy.shapes import Pictures, shape_pictures


@dataclass(frozen=True)
class ArrayPictures(LabelledFiles):
    """Labelled pictures that lie in arrays.

    Attributes:
        arrays: the pictures of each array, and how to read their levels, in the order of `files`.
        kept: the numbers of those of its pictures that `files` has.
    """

    arrays: tuple[tuple[Pictures, Levels], ...] = ()
    kept: tuple[tuple[int, ...], ...] = ()

    def __iter__(self) -> Iterator[Example]:
        """Read the arrays block by block, and give their pictures as PNG."""
        files = iter(self.files)
        for (pictures, levels), kept in zip(self.arrays, self.kept, strict=True):
            wanted = frozenset(kept)
            for number, pixels in enumerate(pictures):
                if number in wanted:
                    file = next(files)
                    picture = encode_png(levels.convert(pixels))
                    yield Example(file.file_name, picture, file.label, (), file.split, file.group)


def read(folder: Path, classes: tuple[str, ...]) -> ArrayPictures:
    """The pictures of the arrays in `folder`.

    Raises:
        SourceError: arrays are missing, of no such shape or levels, or hold Python objects; labels are
            missing, of another number, or none of the classes.
    """
    pairs, classes = find_pairs(folder), spell_classes(classes)
    arrays, kept, files = [], [], list[LabelledFile]()
    faults: list[LabelFault] = []
    labels = [read_labels(pair.labels) for pair in pairs]
    categories, named = settle_labels(folder, [pair.labels.name for pair in pairs], labels, classes)
    for pair, own in zip(pairs, named, strict=True):
        pictures = shape_pictures(pair.pictures, len(own))
        levels = measure_levels(pictures)
        faults += note_unusable(pair.pictures, levels, own)
        sound = tuple(
            number
            for number, label in enumerate(own)
            if label is not None and number not in levels.not_finite
        )
        arrays.append((pictures, levels))
        kept.append(sound)
        digits = len(str(max(len(own) - 1, 0)))
        files += [
            LabelledFile(
                f"{pair.pictures.stem}/{number:0{digits}d}.png",
                pair.pictures.path,
                own[number],
                split=pair.split,
            )
            for number in sound
        ]
    return ArrayPictures(categories, tuple(files), tuple(faults), tuple(arrays), tuple(kept))


def note_unusable(array: StoredArray, levels: Levels, labels: list[str | None]) -> list[LabelFault]:
    """The pictures that are set aside."""
    said = "of its levels are not finite (NaN or infinity); the picture was left out."
    faults = [
        LabelFault(array.name, f"picture {number}", "not_finite", "set_aside", f"{count} {said}")
        for number, count in sorted(levels.not_finite.items())
    ]
    return faults + [
        LabelFault(array.name, f"picture {number}", "label_missing", "set_aside", "Its label is NaN.")
        for number, label in enumerate(labels)
        if label is None
    ]


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (height, width) or (height, width, 3 or 4) as PNG: the same bytes for the same pixels."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=6)
    return stream.getvalue()
