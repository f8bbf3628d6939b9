"""The warning before a training that may not fit."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from glasshouse.models.costs import count_costs
from glasshouse.models.network import build_network
from glasshouse.training import memory
from glasshouse.training.memory import estimate_bytes, find_batch_size, find_free_bytes, warn_of_memory

# 8 inputs, 100 and 6 outputs: (8 + 1) * 100 + (100 + 1) * 6 = 1506 weights of 4 bytes, five times (gradient,
# two moments, average); a picture's 8 numbers come in twice, as pixels and as what the first layer keeps.
FIXED, PICTURE = 5 * 1506 * 4, (8 + 8 + 100 + 6) * 4


@pytest.fixture
def model() -> Any:
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(100), keras.layers.Dense(6)])


def test_the_estimate_by_hand(model: Any) -> None:
    costs = count_costs(model)
    assert estimate_bytes(costs, 10) == FIXED + 10 * PICTURE
    model.layers[0].trainable = False
    frozen = count_costs(model)
    assert estimate_bytes(frozen, 10) == (1506 + 4 * 606) * 4 + 10 * (8 + 100 + 6) * 4


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_what_is_said_to_fit_fits_and_one_more_does_not(model: Any, batch_size: int) -> None:
    costs = count_costs(model)
    for free in (estimate_bytes(costs, batch_size), estimate_bytes(costs, batch_size + 1) - 1):
        assert find_batch_size(costs, free) == batch_size
    assert find_batch_size(costs, FIXED) == find_batch_size(costs, 0) == 0


def test_a_training_that_does_not_fit_is_told_before_it_starts(
    model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    free = FIXED + 12 * PICTURE
    assert warn_of_memory(model, 12, free_bytes=free) is None
    said = warn_of_memory(model, 13, free_bytes=free)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{said}\n")
    assert err.startswith("warning: a training step on 13 pictures needs about ")
    assert "a batch_size of 12 would fit" in err
    assert "not even one picture fits" in str(warn_of_memory(model, 1, free_bytes=FIXED))


def test_a_small_machine_is_warned_of_by_itself(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert warn_of_memory(model, 16) is None
    monkeypatch.setattr(memory, "find_free_bytes", lambda: FIXED + 3 * PICTURE)
    assert "a batch_size of 3 would fit" in str(warn_of_memory(model, 16))


def test_larger_batches_in_between_count_by_their_area() -> None:
    """4 x 4 x 3 pixels and 4 x 4 x 2 outputs of 4 bytes; at 8 x 8 four times as many, the 56 weights stay."""
    layers = [keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 3, padding="same")]
    model, weights = keras.Sequential(layers), 5 * 56 * 4
    picture = (48 + 48 + 32) * 4
    free = weights + 3 * 4 * picture
    assert warn_of_memory(model, 12, free_bytes=free) is None
    assert warn_of_memory(model, 12, sizes_px=[(2, 2), (4, 4)], free_bytes=free) is None
    said = warn_of_memory(model, 12, sizes_px=[(8, 8), (2, 2)], free_bytes=free)
    assert "a batch_size of 3 would fit" in str(said)


def test_what_cannot_be_estimated_is_said_and_stops_nothing(model: Any) -> None:
    x = keras.Input((None, None, 3))
    said = warn_of_memory(keras.Model(x, keras.layers.ReLU()(x)), 4, free_bytes=10**12)
    assert "cannot be estimated" in str(said)


def test_free_memory_is_a_part_of_the_machines() -> None:
    import psutil

    assert 0 < find_free_bytes() <= psutil.virtual_memory().total


GROUPS = {
    "second": {
        "memory.max": "1000\n",
        "memory.current": "700\n",
        "memory.stat": "anon 5\ninactive_file 200\n",
    },
    "first": {
        "memory/memory.limit_in_bytes": "1000\n",
        "memory/memory.usage_in_bytes": "700\n",
        "memory/memory.stat": "cache 5\ntotal_inactive_file 200\n",
    },
}


@pytest.mark.parametrize("version", GROUPS)
def test_a_containers_limit_counts_less_what_is_taken(version: str, tmp_path: Path) -> None:
    """1000 less 700, of which 200 are given back when asked: 500."""
    for name, text in GROUPS[version].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.read_cgroup(tmp_path) == 500


def test_a_group_without_a_limit_and_no_group(tmp_path: Path) -> None:
    assert memory.read_cgroup(tmp_path) is None
    for name, text in (GROUPS["second"] | {"memory.max": "max\n"}).items():
        (tmp_path / name).write_text(text)
    assert memory.read_cgroup(tmp_path) is None


def test_a_gpus_memory_is_nvidias_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs with 3 and 9 MiB free: the first one trains."""
    (tool := tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '3\\n9\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.read_gpu() == 3 * 2**20
    tool.write_text("#!/bin/sh\necho no devices\n")
    with pytest.raises(ValueError, match="does not say the GPU's free memory: no devices"):
        memory.read_gpu()
    tool.unlink()
    with pytest.raises(ValueError, match="not installed"):
        memory.read_gpu()


class Started(Exception):
    """The training would begin now."""


@pytest.mark.parametrize("stage", ["head", "fine_tune"])
def test_both_trainings_ask_before_they_start(
    stage: str,
    model_params: Any,
    squares: Any,
    ranges: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def start(*_: Any, **__: Any) -> Any:
        raise Started

    module = import_module(f"glasshouse.training.{stage}")
    monkeypatch.setattr(module, "fit", start)
    monkeypatch.setattr(memory, "find_free_bytes", lambda: 5_000_000)
    network = build_network(model_params, height_px=32, width_px=32, classes=2)
    common = {"seed": 3, "fill": 114, "checkpoint": None}
    counts = {"epochs": 1, "epoch_pictures": 0, "batch_size": 4000}
    if stage == "head":
        options = SimpleNamespace(**counts, learning_rate=1e-3, features="live", variants=1)
        train = partial(module.train_head, network, squares, options, ranges, **common)
    else:
        tune = {"unfreeze_from": "all", "batch_norm": "train", "warmup_epochs": 0, "weight_decay": 0.0}
        more = {"clip_norm": 1.0, "ema_epochs": 0.0, "validate_every": 1, "sizes_px": (64,)}
        options = SimpleNamespace(**counts, learning_rate=1e-3, **tune, **more)
        train = partial(
            module.fine_tune, network, squares, options, ranges, **common, validate=lambda: {"score": 0.5}
        )
    with pytest.raises(Started):
        train()
    assert "warning: a training step on 4000 pictures needs about" in capsys.readouterr().err
