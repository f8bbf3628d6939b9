"""The same networks on Keras's JAX backend: what they say, what they suppress, and how they learn.

A process has one backend, so this file is run once more, by a Python whose backend is JAX.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.models.backbones import csp_compact
from glasshouse.models.catalog import find_part
from glasshouse.models.necks import none, top_down

SIDE, CLASSES, STEPS = 64, 3, 3
HEADS = ("anchor_free", "classify", "fcn_grid", "localize", "sliding", "ssd", "yolo_v1", "yolo_v3")
# A fresh sliding window is sure of nothing: no threshold, and no large steps.
OPTIONS: dict[str, dict[str, Any]] = {
    "sliding": {"objectness": 0.0, "margin": 0.0, "box_weight": 0.2},
    "yolo_v3": {"anchors": [[8, 8], [16, 16], [24, 24], [32, 32], [32, 48], [48, 32]]},
}
# Larger first steps overshoot for yolo_v1, whose boxes start far off, and part the backends for anchor_free.
RATES = {"yolo_v1": 3e-5, "anchor_free": 3e-5}
JAX = importlib.util.find_spec("jax")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        JAX is None, reason="JAX is not installed (pip install jax): its backend is not tried"
    ),
]


def build(head: str) -> Any:
    from glasshouse.models.network import build_network

    model: Any = SimpleNamespace(
        backbone=csp_compact.Params(name="csp_compact", weights="none"),
        neck=none.Params(name="none")
        if head == "classify"
        else top_down.Params(name="top_down", channels=16),
        head=find_part("heads", head).Params(name=head, **OPTIONS.get(head, {})),
    )
    return build_network(model, height_px=SIDE, width_px=SIDE, classes=CLASSES)


def draw_batch(head: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pixels and targets: one bright square a picture on noise, its colour is its class."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 80, (4, SIDE, SIDE, 3)).astype(np.float32)
    boxes, label = np.zeros((4, 2, 4), np.float32), np.array([0, 1, 2, 1], np.int32)
    for i, (x, y) in enumerate(rng.integers(0, 32, (4, 2))):
        boxes[i, 0] = [x, y, x + 32, y + 32]
        pixels[i, y : y + 32, x : x + 32, label[i]] = 250
    labels = np.stack([label, np.full(4, -1, np.int32)], axis=1)
    targets = head.encode({"boxes": boxes, "labels": labels, "label": label})
    return pixels, {name: np.asarray(value) for name, value in targets.items()}


def train(network: Any, folder: Path, rate: float) -> list[dict[str, Any]]:
    """Three epochs of one batch, as the stages train."""
    from glasshouse.models.network import freeze
    from glasshouse.training.checkpoints import Checkpoint
    from glasshouse.training.fit import fit
    from glasshouse.training.learner import Learner
    from glasshouse.training.optimizer import build_optimizer

    batch = draw_batch(network.head)

    def stream(first: int, last: int) -> Iterator[Any]:
        return (batch for _ in range(first, last))

    freeze(network, "all")
    optimizer = build_optimizer(
        learning_rate=rate, warmup_steps=0, total_steps=100, weight_decay=0.01, ema_momentum=0.5
    )
    checkpoint = Checkpoint(folder / "checkpoint.npz", "jax")
    return fit(
        Learner(network.full, network), optimizer, stream, steps=1, epochs=STEPS, checkpoint=checkpoint
    )


def record(head: str, folder: Path, weights: Path) -> None:
    """Everything that the backends are compared by, to folder/HEAD.npz; the first one writes the weights."""
    import keras

    from glasshouse.models.inference import build_inference

    keras.utils.set_random_seed(1)
    network = build(head)
    if weights.is_file():
        network.full.load_weights(weights)
    else:
        network.full.save_weights(weights)
    settings: Any = SimpleNamespace(score_threshold=0.005, nms="hard", nms_iou=0.5, max_detections=30)
    pixels, _ = draw_batch(network.head)
    found = {f"raw_{name}": value for name, value in network.full(pixels).items()}
    found |= {f"said_{name}": value for name, value in build_inference(network, settings)(pixels).items()}
    history = train(network, folder, RATES.get(head, 3e-4))
    found["losses"] = np.array([row["loss"] for row in history])
    found |= {f"trained_{name}": value for name, value in network.full(pixels).items()}
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}
    np.savez(folder / f"{head}.npz", **arrays)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Backend -> head -> arrays."""
    assert JAX is not None and JAX.origin is not None
    place = tmp_path_factory.mktemp("backends")
    folders = {backend: place / backend for backend in ("tensorflow", "jax")}
    for backend, folder in folders.items():
        folder.mkdir()
        code = (
            "import runpy, sys; from pathlib import Path\n"
            f"record = runpy.run_path({__file__!r})['record']\n"
            f"folder, place = Path({str(folder)!r}), Path({str(place)!r})\n"
            f"for head in {HEADS!r}: record(head, folder, place / (head + '.weights.h5'))"
        )
        path = [str(Path(__file__).parents[2] / "src"), str(Path(JAX.origin).parents[1])]
        environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr[-3000:]
    return {
        backend: {head: dict(np.load(folder / f"{head}.npz")) for head in HEADS}
        for backend, folder in folders.items()
    }


@pytest.mark.parametrize("head", HEADS)
def test_the_networks_say_the_same(recorded: Any, head: str) -> None:
    ours, theirs = recorded["tensorflow"][head], recorded["jax"][head]
    assert ours.keys() == theirs.keys()
    raw = [name for name in ours if name.startswith("raw_")]
    assert raw
    for name in raw:
        assert ours[name].std() > 1e-3
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_the_predictions_are_the_same(recorded: Any, head: str) -> None:
    ours, theirs = recorded["tensorflow"][head], recorded["jax"][head]
    for name in [name for name in ours if name.startswith("said_")]:
        assert theirs[name].dtype == ours[name].dtype
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-4, atol=1e-3, err_msg=name)
    if "said_valid" in ours:
        assert (ours["said_valid"] > 0).all()


@pytest.mark.parametrize("head", HEADS)
def test_the_networks_learn_the_same(recorded: Any, head: str) -> None:
    ours, theirs = recorded["tensorflow"][head]["losses"], recorded["jax"][head]["losses"]
    assert len(theirs) == STEPS
    assert np.isfinite(theirs).all()
    # A detector's targets move with what it predicts, so its loss need not fall at every single step.
    assert (theirs[1:] < theirs[0]).all(), theirs
    # The second loss is of weights that one step has changed: gradients and optimizer agree. Later ones part:
    # Adam's first steps divide every gradient by itself, rounding errors too.
    np.testing.assert_allclose(theirs[:2], ours[:2], rtol=1e-3)
    for name in [name for name in recorded["jax"][head] if name.startswith("trained_")]:
        before, after = recorded["jax"][head][name.replace("trained", "raw")], recorded["jax"][head][name]
        assert np.isfinite(after).all()
        assert np.abs(after - before).max() > 0.01
