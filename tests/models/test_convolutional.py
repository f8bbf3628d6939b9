"""The text's claim: one pass of the convolved localiser over 448 px is the 224 px network slid 64 times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sliding_speed as trial

from glasshouse.models.convolutional import convolutionalize, decode_grid

UNPADDED = ("patches (no padding)", "stack (no padding)")


@pytest.mark.parametrize("pool", ["flatten", "average"])
@pytest.mark.parametrize("name", UNPADDED)
def test_without_padding_one_pass_is_64_slid_windows(name: str, pool: str) -> None:
    network = trial.build_localiser(trial.BACKBONES[name](224), pool)
    if name == UNPADDED[0]:
        assert network.backbone.output["c5"].shape[1:3] == (7, 7)
    apart, grid = trial.compare(network, 224, 448)
    assert grid == (8, 8)
    assert set(apart) == {"logits", "box", "objectness"}
    assert max(apart.values()) <= 1e-5


def test_same_padding_shows_windows_another_border_than_the_picture() -> None:
    network = trial.build_localiser(trial.build_compact(224), "flatten")
    apart, grid = trial.compare(network, 224, 448)
    assert grid == (8, 8)
    assert min(apart.values()) > 0.05  # not rounding: another answer


def test_a_cell_is_decoded_where_its_window_lies() -> None:
    import keras

    network = trial.build_localiser(trial.build_patches(96), "flatten")
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 160, 224, 3)).astype(np.float32)
    raw = convolutionalize(network, 160, 224)(pixels)
    assert raw["box"].shape == (1, 3, 5, 4)
    found = {name: np.asarray(value) for name, value in decode_grid(network, raw, 32).items()}
    assert found["boxes"].shape == (1, 15, 4) and found["scores"].shape == (1, 15, 5)
    window = keras.ops.convert_to_tensor(pixels[:, 64:160, 96:192])  # row 2, column 3
    alone: Any = network.head.decode(network.full(window))
    assert found["boxes"][0, 13] == pytest.approx(
        np.asarray(alone["boxes"])[0, 0] + [96, 64, 96, 64], abs=1e-3
    )
    assert found["scores"][0, 13] == pytest.approx(np.asarray(alone["scores"])[0, 0], abs=1e-5)


def test_what_cannot_be_convolved_is_refused() -> None:
    network = trial.build_localiser(trial.build_patches(96), "average")
    with pytest.raises(ValueError, match=r"at least \(96, 96\).*Got \(64, 96\)"):
        convolutionalize(network, 64, 96)
