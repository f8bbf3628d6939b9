from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.inputs.recipe import Recipe, UnknownRecipe

RECIPE = Recipe("detect", ("rosé", "чашка"), 96, 128, "letterbox", 114)


@given(
    st.builds(
        Recipe,
        st.sampled_from(["detect", "localize", "classify"]),
        st.lists(st.text(), min_size=1).map(tuple),
        st.integers(1, 4096),
        st.integers(1, 4096),
        st.sampled_from(["letterbox", "crop", "stretch"]),
        st.integers(0, 255),
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", "run"), ("task", 1), ("task", None),
        ("labels", []), ("labels", "red"), ("labels", ["red", 2]), ("labels", {"red": 1}), ("labels", 5),
        ("height_px", 0), ("height_px", -32), ("height_px", 4097), ("height_px", "32"), ("height_px", 32.0),
        ("width_px", 10**9), ("width_px", True), ("width_px", None),
        ("resize", "squeeze"), ("resize", []),
        ("pad_value", -1), ("pad_value", 256), ("pad_value", float("nan")),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(name: str, value: object) -> None:
    """A file that somebody sends may ask for pictures that fill the memory."""
    sound = Recipe("detect", ("red", "green"), 4096, 1, "crop", 255)
    assert Recipe.read(sound.spell(), "a.onnx") == sound
    text = json.dumps(json.loads(sound.spell()) | {name: value})
    with pytest.raises(UnknownRecipe, match=rf"^a\.onnx says of its pictures that {name} is .* cannot be"):
        Recipe.read(text, "a.onnx")
