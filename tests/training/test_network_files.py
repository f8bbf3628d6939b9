"""Networks and their histories, to files and back."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.models.necks import top_down
from glasshouse.params import builtin_weights_path
from glasshouse.training.network_files import (
    named_weights,
    open_network,
    read_history,
    start_network,
    write_training,
)

SIDE, CLASSES = 64, 3
HISTORY: list[dict[str, Any]] = [
    {"epoch": 1, "loss": 2.123456789, "loss_box": 1e-9, "valid_mAP_50": 0.5},
    {"epoch": 2, "loss": 1.0, "loss_box": float(np.float32(0.1)), "valid_mAP_50": 1 / 3},
]
WRITE = """
from pathlib import Path
from types import SimpleNamespace
import keras
from glasshouse.models.backbones.csp_compact import Params as Backbone
from glasshouse.models.heads.anchor_free import Params as Head
from glasshouse.models.necks.top_down import Params as Neck
from glasshouse.training.network_files import start_network, write_training

keras.utils.set_random_seed(6)
model = SimpleNamespace(
    task="detect",
    backbone=Backbone(name="csp_compact", weights="none"),
    neck=Neck(name="top_down", channels=8),
    head=Head(name="anchor_free"),
)
prepared = SimpleNamespace(pixels=SimpleNamespace(shape=(1, 64, 64, 3)), categories=["a", "b", "c"])
write_training(start_network(model, prepared, 7), HISTORY, Path("twin.keras"))
"""


@pytest.fixture(scope="module")
def prepared() -> Any:
    """All that is looked at: the size of the pictures and the number of classes."""
    return SimpleNamespace(pixels=SimpleNamespace(shape=(1, SIDE, SIDE, 3)), categories=["a", "b", "c"])


def start(model: Any, prepared: Any, seed: int = 6) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    return start_network(model, prepared, 7)


@pytest.fixture(scope="module")
def network(model_params: Any, prepared: Any) -> Any:
    return start(model_params, prepared)


def outputs(network: Any) -> dict[str, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.float32)
    return {name: np.asarray(value) for name, value in network.full(pixels).items()}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_network_comes_back_to_the_bit(
    network: Any, model_params: Any, prepared: Any, tmp_path: Path
) -> None:
    write_training(network, HISTORY, tmp_path / "models/head.keras")
    opened = open_network(model_params, prepared, tmp_path / "models/head.keras")
    assert_same(dict(named_weights(opened)), dict(named_weights(network)))
    assert_same(outputs(opened), outputs(network))


def test_the_size_is_the_pictures_and_the_classes_are_theirs(network: Any) -> None:
    assert network.full.input_shape == (None, SIDE, SIDE, 3)
    assert network.full.output["logits"].shape[-1] == CLASSES


def test_every_weight_is_named_once(network: Any) -> None:
    named = named_weights(network)
    assert len({name for name, _ in named}) == len(named) == len(network.full.weights)
    assert all(isinstance(value, np.ndarray) for _, value in named)


def test_equal_trainings_give_equal_bytes_in_every_process(
    network: Any, model_params: Any, prepared: Any, tmp_path: Path, run_python: Any
) -> None:
    """This process has made other layers before, the other one has not."""
    fresh = start(model_params, prepared)
    write_training(fresh, HISTORY, tmp_path / "here.keras")
    done = run_python("-c", f"HISTORY = {HISTORY!r}\n{WRITE}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    for suffix in (".keras", ".json"):
        assert (tmp_path / f"twin{suffix}").read_bytes() == (tmp_path / f"here{suffix}").read_bytes()
    other = start(model_params, prepared, seed=7)
    write_training(other, HISTORY, tmp_path / "other.keras")
    assert (tmp_path / "other.keras").read_bytes() != (tmp_path / "here.keras").read_bytes()


def test_a_history_is_rounded_and_comes_back(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "head.keras"
    write_training(network, HISTORY, path)
    assert read_history(path) == [
        {"epoch": 1, "loss": 2.123457, "loss_box": 0.0, "valid_mAP_50": 0.5},
        {"epoch": 2, "loss": 1.0, "loss_box": 0.1, "valid_mAP_50": 0.333333},
    ]
    text = path.with_suffix(".json").read_text()
    assert json.loads(text)[0]["epoch"] == 1
    assert '"epoch": 1,' in text  # a whole number stays one
    assert text.endswith("]\n")


def test_an_earlier_file_is_replaced(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "head.keras"
    write_training(network, HISTORY, path)
    write_training(network, HISTORY[:1], path)
    assert len(read_history(path)) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["head.json", "head.keras"]


@pytest.mark.parametrize("change", ["neck", "classes", "missing", "torn"])
def test_a_file_of_another_network_is_named(
    network: Any, model_params: Any, prepared: Any, tmp_path: Path, change: str
) -> None:
    path = tmp_path / "head.keras"
    write_training(network, HISTORY, path)
    model = SimpleNamespace(**vars(model_params))
    if change == "neck":
        model.neck = top_down.Params(name="top_down", channels=16)
    elif change == "classes":
        prepared = SimpleNamespace(pixels=prepared.pixels, categories=["a", "b"])
    elif change == "torn":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.unlink()
    fault = FileNotFoundError if change == "missing" else ValueError
    with pytest.raises(fault, match=r"head\.keras"):
        open_network(model, prepared, path)


def test_a_started_network_has_the_backbone_that_was_asked_for(model_params: Any, prepared: Any) -> None:
    import h5py

    model = SimpleNamespace(**vars(model_params))
    model.backbone = model_params.backbone.model_copy(update={"weights": "builtin"})
    weights = dict(named_weights(start(model, prepared)))
    with h5py.File(builtin_weights_path("csp_compact")) as file:
        stem = file["layers/conv2d/vars"]
        assert stem.attrs["name"] == "stem_conv"
        assert np.array_equal(weights["stem_conv/kernel"], stem["0"][()])
