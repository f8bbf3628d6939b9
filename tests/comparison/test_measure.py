from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.comparison import measure


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Two exported networks on 8 x 8 px, and pictures for them."""
    import keras

    from glasshouse.evaluation import validate
    from glasshouse.export import saved_model
    from glasshouse.export.signature import freeze
    from glasshouse.inputs import prepared

    folders = {}
    for name, filters in (("small", 2), ("large", 4)):
        pixels = keras.Input((8, 8, 3), name="pixels")
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(filters, 3)(pixels))
        model = keras.Model(pixels, {"probabilities": keras.layers.Softmax()(x)})
        saved_model.write(freeze(model, None), tmp_path / name / "exports")
        folders[name] = str(tmp_path / name)
    monkeypatch.setattr(prepared, "open_prepared", lambda folder, split: None)
    monkeypatch.setattr(validate, "spread_pixels", lambda _, count: np.zeros((10, 8, 8, 3), np.float32))
    return folders


def ask(tmp_path: Path, **request: Any) -> dict[str, Any]:
    asked, answer = tmp_path / "request.json", tmp_path / "answer.json"
    asked.write_text(json.dumps({"pictures": str(tmp_path), "costs": False, **request}))
    measure.main(asked, answer)
    return dict(json.loads(answer.read_text()))


def test_latencies_of_exports_in_turns(models: dict[str, str], tmp_path: Path) -> None:
    found = ask(tmp_path, device="CPU", models=models)
    assert {name: sorted(figures) for name, figures in found.items()} == {
        name: ["ms_1", "ms_32"] for name in models
    }
    assert all(0 < value < 1000 for figures in found.values() for value in figures.values())


def test_latencies_are_of_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call takes 3 ms and 0.5 ms a picture: 3.5 ms of one, 19 ms / 32 = 0.59375 of each of 32."""
    from glasshouse.evaluation import validate
    from glasshouse.export import saved_model
    from glasshouse.inputs import prepared

    given: list[int] = []
    monkeypatch.setattr(prepared, "open_prepared", lambda folder, split: None)
    monkeypatch.setattr(validate, "spread_pixels", lambda _, count: np.zeros((10, 8, 8, 3), np.float32))
    monkeypatch.setattr(saved_model, "load", lambda path: lambda pixels: given.append(len(pixels)))

    def clock(calls: dict[str, Any]) -> dict[str, float]:
        for call in calls.values():
            call()
        return {name: 3.0 + 0.5 * given[-1] for name in calls}

    monkeypatch.setattr(measure, "measure_in_turns", clock)
    found = measure.measure_latencies({"small": tmp_path}, tmp_path)
    assert (found, given) == ({"small": {"ms_1": 3.5, "ms_32": 0.59375}}, [1, 32])


def test_no_gpu_is_no_figures(models: dict[str, str], tmp_path: Path) -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU here")
    assert ask(tmp_path, device="GPU", models=models) == {}


def test_parameters_and_multiply_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 3x3 convolution from 3 to 2 maps on 8 x 8 px: 6 x 6 x 9 x 3 x 2 = 1,944 multiply-adds, 56 numbers."""
    import keras

    from glasshouse import params
    from glasshouse.inputs import prepared
    from glasshouse.models import archive, costs, network

    pixels = keras.Input((8, 8, 3))
    full = keras.Model(pixels, keras.layers.Conv2D(2, 3)(pixels))

    class Stand:
        pixels = np.zeros((1, 8, 8, 3))
        categories = ("a", "b")
        model = None
        full: Any = None

    Stand.full = full
    monkeypatch.setattr(prepared, "open_prepared", lambda folder, split: Stand)
    monkeypatch.setattr(archive, "read_notes", lambda path: {"priors": None})
    monkeypatch.setattr(params, "read_params", lambda path: Stand)
    monkeypatch.setattr(network, "build_network", lambda model, **sizes: Stand)
    assert measure.count(tmp_path, tmp_path) == {"parameters": 56.0, "multiply_adds": 1944.0}

    def refuse(_: Any) -> None:
        raise ValueError("no rule")

    monkeypatch.setattr(costs, "count_costs", refuse)
    assert measure.count(tmp_path, tmp_path) == {"parameters": 56.0, "multiply_adds": None}
