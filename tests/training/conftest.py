from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.inputs.stream import Pictures


class Pixels:
    """Pictures in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


@pytest.fixture(scope="session")
def squares() -> Pictures:
    """Twelve 32 px pictures, each with one bright square of two colours (its class) on noise."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 80, (12, 32, 32, 3), dtype=np.uint8)
    boxes, labels = np.zeros((12, 1, 4), np.float32), np.zeros((12, 1), np.int32)
    for i in range(12):
        x, y = rng.integers(0, 16, 2)
        labels[i, 0] = i % 2
        boxes[i, 0] = [x, y, x + 16, y + 16]
        pixels[i, y : y + 16, x : x + 16] = [250, 40, 40] if i % 2 else [40, 40, 250]
    return Pictures(Pixels(pixels), (32, 32), boxes, labels)


@pytest.fixture(scope="session")
def ranges() -> Any:
    """Mild augmentation."""
    return SimpleNamespace(
        flip=0.5,
        scale=(0.9, 1.1),
        translate=0.05,
        brightness=0.05,
        contrast=0.1,
        saturation=0.1,
        hue=0.0,
        rotate=0.0,
        crop=0.0,
        mosaic=0.5,
        mix_up=0.0,
        copy_paste=0.0,
        mosaic_off_epochs=1,
    )


@pytest.fixture(scope="session")
def model_params() -> Any:
    """A detector without pretrained weights."""
    from glasshouse.models.backbones.csp_compact import Params as Backbone
    from glasshouse.models.heads.anchor_free import Params as Head
    from glasshouse.models.necks.top_down import Params as Neck

    return SimpleNamespace(
        task="detect",
        backbone=Backbone(name="csp_compact", weights="none"),
        neck=Neck(name="top_down", channels=8),
        head=Head(name="anchor_free"),
    )


@pytest.fixture(scope="module")
def deterministic() -> None:
    """As in a stage's process."""
    from glasshouse.training.runtime import prepare_runtime

    prepare_runtime(5)
