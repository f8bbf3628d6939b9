"""The shapes as a source: `Shapes(pictures=8000, size_px=128, seed=1)`."""

from __future__ import annotations

from glasshouse.pretraining.shapes.scene import CATEGORIES, draw_shapes
from glasshouse.sources.drawing.source import DrawnSource

__all__ = ["Shapes", "draw_shapes"]


class Shapes(DrawnSource):
    """Drawn pictures of textured shapes, with boxes and masks; `shape-00000.jpg`, ..."""

    def __init__(self, pictures: int, size_px: int, seed: int, workers: int = 2) -> None:
        super().__init__(draw_shapes, "shape", CATEGORIES, pictures, size_px, seed, workers)
