"""Small COCO files, for the tests of their reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from glasshouse.sources.example import LabelFault, ObjectLabel
from glasshouse.sources.labelled import LabelledFiles

HEIGHT, WIDTH = 80, 100


ROSE, TULIP = {"id": 1, "name": "rose"}, {"id": 2, "name": "tulip"}


SQUARE = [10, 20, 30, 20, 30, 40, 10, 40]


def image(number: int, name: str = "", **keys: Any) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": name or f"{number}.jpg",
        "height": HEIGHT,
        "width": WIDTH,
        **keys,
    }


def label(number: int, image_id: int = 1, category_id: int = 1, **keys: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [10, 20, 30, 40],
        **keys,
    }


def build(
    images: list[Any] | None = None,
    annotations: list[Any] | None = None,
    categories: list[Any] | None = None,
    **keys: Any,
) -> dict[str, Any]:
    return {
        "images": [image(1)] if images is None else images,
        "annotations": [label(1)] if annotations is None else annotations,
        "categories": [ROSE, TULIP] if categories is None else categories,
        **keys,
    }


def write(root: Path, document: Any, name: str = "annotations.json", pictures: bool = True) -> Path:
    """The JSON (or raw bytes), and the pictures that it lists beside it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    for entry in document["images"] if pictures and not isinstance(document, bytes) else ():
        touch(path.parent, entry["file_name"])
    return root


def touch(root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"picture")


def list_objects(source: LabelledFiles) -> list[ObjectLabel]:
    return [item for file in source.files for item in file.objects]


def only_fault(source: LabelledFiles) -> LabelFault:
    (fault,) = source.faults
    return fault


# Masks


def draw_blob(seed: int) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    centre = np.random.default_rng(seed).uniform(0, 80, 2)
    return ((x - centre[0]) ** 2 + 2 * (y - centre[1]) ** 2 < 900) ^ (x % 9 == 0)
