from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.export.formats import LOADERS
from glasshouse.export.parity import hash_export
from glasshouse.export.stamp import read_stamp, stamp
from glasshouse.inputs.recipe import Recipe
from glasshouse.prediction.runtime import open_network

RECIPE = Recipe("detect", ("a", "ß", "c"), 64, 64, "letterbox", 114)


@pytest.fixture(params=list(LOADERS))
def stamped(request: pytest.FixtureRequest, exported: dict[str, Path], tmp_path: Path) -> tuple[str, Path]:
    """A copy of an exported file (others use the same) with the recipe in it."""
    name, source = request.param, exported[request.param]
    path = tmp_path / source.name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, path)
    stamp([path], RECIPE)
    return name, path


def test_a_stamped_file_says_the_recipe_and_predicts_as_before(
    stamped: tuple[str, Path], loaded: Any, make_pictures: Any
) -> None:
    name, path = stamped
    run, recipe = open_network(path)
    assert recipe == RECIPE
    pixels = make_pictures(2)
    before, after = loaded[name](pixels), run(pixels)
    for output in before:
        np.testing.assert_array_equal(before[output], after[output])


def test_stamping_again_changes_no_byte(stamped: tuple[str, Path]) -> None:
    _, path = stamped
    before = hash_export(path)
    stamp([path], RECIPE)
    assert hash_export(path) == before


def test_a_file_without_a_stamp_has_none(exported: dict[str, Path]) -> None:
    assert read_stamp(exported["litert"]) is None
    assert read_stamp(exported["saved_model"]) is None
