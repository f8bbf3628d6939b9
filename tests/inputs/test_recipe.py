from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.inputs.recipe import Recipe, UnknownRecipe

RECIPE = Recipe("detect", ("rosé", "чашка"), 96, 128, "letterbox", 114)


@given(
    st.builds(
        Recipe,
        st.text(),
        st.lists(st.text()).map(tuple),
        st.integers(),
        st.integers(),
        st.text(),
        st.integers(),
    )
)
def test_what_is_spelt_is_read(recipe: Recipe) -> None:
    assert Recipe.read(recipe.spell(), "here") == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"model\.onnx does not say how pictures are prepared.*`dvc repro export`"),
        (RECIPE.spell().replace('"version": 1', '"version": 2'), "another version of Glasshouse"),
        (RECIPE.spell().replace('"resize"', '"fit"'), "another version of Glasshouse"),
        ("[1]", "another version of Glasshouse"),
    ],
)
def test_an_unknown_recipe_is_refused(text: str | None, said: str) -> None:
    with pytest.raises(UnknownRecipe, match=said):
        Recipe.read(text, "model.onnx")
