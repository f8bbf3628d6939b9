"""Tables of pictures that are told apart by a word, for tests of the split."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pandas as pd

from glasshouse.tables.kept import KeptSplit
from glasshouse.tables.schema import build_frame
from glasshouse.tables.split import split_pictures

CATEGORIES = build_frame([(1, "rose"), (2, "tulip")], "categories")


def how(**changes: object) -> SimpleNamespace:
    values = {"method": "stratified", "test": 0.1, "valid": 0.15, "near_copy_bits": 6, "balance": "none"}
    return SimpleNamespace(**values | changes)


def digest(content: object) -> str:
    return hashlib.sha256(str(content).encode()).hexdigest()


def list_images(
    labels: list[str | None],
    contents: list[object] | None = None,
    splits: list[str | None] | None = None,
    groups: list[str | None] | None = None,
) -> pd.DataFrame:
    """Images of these contents; the perceptual hashes follow the content's part before a colon."""
    nothing = [None] * len(labels)
    rows = []
    columns = zip(labels, contents or range(len(labels)), splits or nothing, groups or nothing, strict=True)
    for row, (label, content, split, group) in enumerate(columns):
        motif = digest(str(content).split(":")[0])
        print_ = (digest(content), motif[:16], motif[16:32], bytes.fromhex(motif) * 6)  # 192 bytes
        rows.append((row + 1, f"{row}.png", *print_, 9, 9, "RGB", label, split, group))
    return build_frame(rows, "images")


def list_objects(classes: list[list[int]], crowds: bool = False) -> pd.DataFrame:
    rows, boxes = [], (0.0, 0.0, 5.0, 5.0)
    for image_id, numbers in enumerate(classes, 1):
        rows += [(image_id, number, *boxes, crowds, None) for number in numbers]
    return build_frame([(row, *values) for row, values in enumerate(rows, 1)], "objects")


NO_OBJECTS = list_objects([])


def split_of(
    images: pd.DataFrame, seed: int = 7, kept: KeptSplit | None = None, **changes: object
) -> pd.DataFrame:
    return split_pictures(images, NO_OBJECTS, how(**changes), seed, CATEGORIES, kept)


def count(table: pd.DataFrame) -> dict[str, int]:
    return table["split"].value_counts().to_dict()
