"""The blooms as a source: `Blooms(pictures=1600, size_px=160, seed=7)`."""

from __future__ import annotations

from glasshouse.sources.blooms.scene import CATEGORIES, draw_bloom
from glasshouse.sources.drawing.source import DrawnSource

__all__ = ["Blooms", "draw_bloom"]


class Blooms(DrawnSource):
    """Drawn pictures of the five species of tf_flowers, with boxes and masks; `bloom-00000.jpg`, ..."""

    def __init__(self, pictures: int, size_px: int, seed: int, workers: int = 2) -> None:
        super().__init__(draw_bloom, "bloom", CATEGORIES, pictures, size_px, seed, workers)
