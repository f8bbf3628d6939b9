from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.export import litert
from glasshouse.export.graft import cut_trunk, name_operators, pack, replace_trunk, split_operators, unpack


def run(content: bytes, folder: Path, pixels: Any) -> dict[str, Any]:
    return litert.load(litert.write(content, folder))(pixels)


def test_cut_and_joined_again_is_the_same_network(exported: Any, make_pictures: Any, tmp_path: Path) -> None:
    content, pixels = exported["litert"].read_bytes(), make_pictures(3)
    whole = run(content, tmp_path / "whole", pixels)
    joined = replace_trunk(content, cut_trunk(content))
    for other in (pack(unpack(content)), joined):
        for name, value in run(other, tmp_path / "other", pixels).items():
            np.testing.assert_array_equal(value, whole[name])
    assert abs(len(joined) - len(content)) < 0.02 * len(content)  # nothing unused is carried along


def test_trunk_ends_before_the_last_convolutions(exported: Any) -> None:
    model = unpack(exported["litert"].read_bytes())
    kinds = dict(zip(map(id, model.subgraphs[0].operators), name_operators(model), strict=True))
    trunk, rest = ([kinds[id(operator)] for operator in part] for part in split_operators(model))
    assert trunk.count("CONV_2D") == 10
    assert rest.count("CONV_2D") == 6  # boxes and classes of three levels
    assert "WHILE" in rest and "WHILE" not in trunk
    assert len(trunk) + len(rest) == len(kinds)


def test_network_without_a_trunk_is_refused() -> None:
    import keras

    from glasshouse.export.signature import freeze

    pixels = keras.Input((8, 8, 3), name="pixels")
    model = keras.Model(pixels, {"probabilities": keras.layers.GlobalMaxPooling2D()(pixels)})
    content = litert.convert(freeze(model, 1))
    with pytest.raises(ValueError, match="no convolution"):
        cut_trunk(content)
