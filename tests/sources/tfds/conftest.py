"""Prepared sets that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from .builders import (
    PICTURES,
    box,
    flower_rows,
    image,
    labels,
    object_features,
    object_row,
    prepare,
)

tfds = pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out as voc and coco are, three splits."""
    folder = tmp_path_factory.mktemp("farm")
    both = [(box(0.25, 0.125, 0.5, 1.0), "owl", False), (box(0.0, 0.1, 0.3, 0.2), "cat", True)]
    rows = {
        "test": [object_row("c.jpg", PICTURES[2])],
        "train": [object_row("a.jpg", PICTURES[0], *both), object_row("b.jpg", PICTURES[1])],
        "validation": [object_row("a.jpg", PICTURES[3], both[0])],
    }
    prepare(folder, "Farm", object_features(), rows)
    return folder


@pytest.fixture(scope="session")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out as tf_flowers is: image and label, one split; in one shard and in three."""
    folder = tmp_path_factory.mktemp("flowers")
    features = {"image": image(), "label": labels()}
    prepare(folder, "Flowers", features, flower_rows(113))
    prepare(folder, "SharedFlowers", features, flower_rows(113), shards=3)
    return folder
