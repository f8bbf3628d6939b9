"""The five species, in the order of tf_flowers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glasshouse.sources.blooms.composites import draw_daisy, draw_dandelion, draw_sunflower
from glasshouse.sources.blooms.petals import Head
from glasshouse.sources.blooms.roses import draw_rose
from glasshouse.sources.blooms.tulips import draw_tulip

SPECIES: dict[str, Callable[[np.random.Generator], Head]] = {
    "dandelion": draw_dandelion,
    "daisy": draw_daisy,
    "tulips": draw_tulip,
    "sunflowers": draw_sunflower,
    "roses": draw_rose,
}
