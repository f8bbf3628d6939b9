"""A made-up split as tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from glasshouse.evaluation.results import SplitTables

CORNERS = ["x_min_px", "y_min_px", "x_max_px", "y_max_px"]
NAMES = ["rose", "tulip", "daisy"]


def draw_images(generator: np.random.Generator, pictures: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": np.arange(3, 3 + 2 * pictures, 2),
            "file_name": [f"p/{number:03}.jpg" for number in range(pictures)],
            "width_px": 200,
            "height_px": 150,
            "label": generator.choice(NAMES, pictures),
        }
    )


def draw_boxes(generator: np.random.Generator, rows: int) -> pd.DataFrame:
    corner, size = generator.uniform(0, 120, (rows, 2)), generator.uniform(3, 110, (rows, 2))
    return pd.DataFrame(np.concatenate([corner, corner + size], axis=1), columns=CORNERS)


def draw_tables(seed: int, pictures: int = 20, detections: int = 300) -> SplitTables:
    """Detections are moved objects and noise, scores float32 as a network gives them."""
    generator = np.random.default_rng(seed)
    images = draw_images(generator, pictures)
    objects = draw_boxes(generator, 3 * pictures)
    objects.insert(0, "object_id", np.arange(1, len(objects) + 1))
    objects["image_id"] = generator.choice(images["image_id"], len(objects))
    objects["category_id"] = generator.integers(1, 4, len(objects))
    objects["is_crowd"] = generator.random(len(objects)) < 0.1
    source = generator.integers(0, len(objects), detections)
    predictions = objects.iloc[source][["image_id", "category_id", *CORNERS]].reset_index(drop=True)
    predictions[CORNERS] += generator.uniform(-1.4, 1.4, (detections, 4))
    noise = generator.random(detections) < 0.4
    predictions.loc[noise, CORNERS] = draw_boxes(generator, int(noise.sum())).to_numpy()
    predictions.insert(2, "score", generator.random(detections).astype(np.float32).astype(np.float64))
    predictions = predictions.sort_values(["image_id", "score"], ascending=[True, False], ignore_index=True)
    categories = pd.DataFrame({"category_id": [1, 2, 3], "name": NAMES})
    return SplitTables(images, objects, categories, predictions)


def draw_classified(seed: int, pictures: int = 20) -> SplitTables:
    generator = np.random.default_rng(seed)
    images = draw_images(generator, pictures)
    probabilities = generator.dirichlet([0.5] * 3, pictures)
    # Not in the order of the images: rows are found by image_id.
    predictions = pd.DataFrame({"image_id": images["image_id"], "probabilities": probabilities.tolist()})[
        ::-1
    ]
    categories = pd.DataFrame({"category_id": [1, 2, 3], "name": NAMES})
    return SplitTables(images, draw_boxes(generator, 0), categories, predictions)


@pytest.fixture
def tables() -> Callable[..., SplitTables]:
    return draw_tables


@pytest.fixture
def classified() -> Callable[..., SplitTables]:
    return draw_classified
