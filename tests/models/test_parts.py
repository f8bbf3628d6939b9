"""What every neck and head promises; a new part gets a row here. Backbones: backbones/test_contract.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from glasshouse.models.catalog import find_part
from glasshouse.models.heads import classify
from glasshouse.models.layers.pooled import Pool
from glasshouse.params import Strict, part_names

NECKS: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "none": ({}, (24, 32, 40)),
    "top_down": ({"channels": 8}, (8, 8, 8)),
}
HEADS = ("anchor_free", "classify", "fcn_grid", "localize", "sliding", "ssd", "yolo_v1", "yolo_v3")
PRIORS: dict[str, Any] = {"yolo_v3": {"anchors": [[8, 8], [12, 20], [20, 12], [24, 24], [30, 40], [40, 30]]}}


def test_every_part_stands_here() -> None:
    assert (set(NECKS), set(HEADS)) == tuple(set(part_names(kind)) for kind in ("neck", "head"))


@pytest.mark.parametrize("name", NECKS)
def test_a_neck_keeps_levels_and_sizes(name: str) -> None:
    import keras

    more, channels = NECKS[name]
    part = find_part("necks", name)
    features = {
        f"c{level}": keras.Input((96 // 2**level, 64 // 2**level, width), name=f"c{level}")
        for level, width in zip((3, 4, 5), (24, 32, 40), strict=True)
    }
    out = part.build(features, part.Params(name=name, **more))
    assert {level: x.shape for level, x in out.items()} == {
        f"p{level}": (None, 96 // 2**level, 64 // 2**level, width)
        for level, width in zip((3, 4, 5), channels, strict=True)
    }


def make_labels(name: str) -> dict[str, np.ndarray]:
    boxes = np.array([[[2, 3, 30, 40], [0, 0, 0, 0]], [[0, 0, 0, 0]] * 2], np.float32)
    return {
        "boxes": boxes,
        "labels": np.array([[1, -1], [-1, -1]], np.int32),
        "label": np.array([1, 0] if name == "classify" else [-1, -1], np.int32),
    }


@pytest.mark.parametrize(
    ("name", "more"),
    [
        *((name, PRIORS.get(name, {})) for name in HEADS),
        *((name, {"pool": pool}) for name in ("classify", "localize", "sliding") for pool in get_args(Pool)),
    ],
)
def test_a_head_says_which_options_tie_its_weights_to_one_size(name: str, more: dict[str, Any]) -> None:
    import keras

    part = find_part("heads", name)
    params = part.Params(name=name, **more)
    shapes = []
    for side in (64, 96):
        features = {f"p{n}": keras.Input((side // 2**n, side // 2**n, 8), name=f"p{n}") for n in (3, 4, 5)}
        raw = part.Head(params, classes=3, height_px=side, width_px=side).build(features)
        shapes.append([tuple(weight.shape) for weight in keras.Model(features, raw).weights])
    tied = getattr(part.Params, "one_size", {})
    assert (shapes[0] != shapes[1]) == any(getattr(params, key) in values for key, values in tied.items())


@pytest.fixture(params=["float32", "mixed_float16"])
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    """How the networks compute on a CPU, and how on a GPU."""
    import keras

    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_outputs_targets_losses_and_decoding(name: str, policy: str) -> None:
    import keras

    part = find_part("heads", name)
    head = part.Head(part.Params(name=name, **PRIORS.get(name, {})), classes=3, height_px=64, width_px=64)
    features = {
        f"p{level}": keras.Input((64 // 2**level, 64 // 2**level, 8), name=f"p{level}") for level in (3, 4, 5)
    }
    model = keras.Model(features, head.build(features))
    raw = model({key: np.zeros((2, *x.shape[1:]), np.float32) for key, x in features.items()})
    assert tuple(raw) == head.outputs
    assert {key: str(value.dtype.name) for key, value in raw.items()} == dict.fromkeys(raw, "float32")
    losses = head.loss(head.encode(make_labels(name)), raw)
    assert tuple(losses) == head.terms
    for value in losses.values():
        assert np.asarray(value).shape == (2,)
        assert np.isfinite(np.asarray(value)).all()
        assert (np.asarray(value) >= 0).all()
    assert all(len(value) == 2 for value in head.decode(raw).values())
    assert part.Params.task in ("detect", "localize", "classify")


@pytest.mark.parametrize("kind", ["backbone", "neck", "head"])
def test_a_part_has_strict_parameters_that_bear_its_name(kind: str) -> None:
    for name in part_names(kind):
        params = find_part(f"{kind}s", name).Params
        assert issubclass(params, Strict)
        assert params.model_fields["name"].annotation.__args__ == (name,)


def test_parameters_are_read_without_keras(run_python: Any, tmp_path: Path) -> None:
    names = [(f"{kind}s", name) for kind in ("backbone", "neck", "head") for name in part_names(kind)]
    code = (
        "import sys\nfrom glasshouse.models.catalog import find_part\n"
        f"parts = [find_part(*name) for name in {names}]\n"
        "assert not {'keras', 'tensorflow', 'jax'} & sys.modules.keys()"
    )
    done = run_python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_units_round_odd_sizes_up_and_forget_quickly() -> None:
    import keras

    from glasshouse.models.layers.units import conv_unit, csp_block

    x = keras.Input((33, 17, 4))
    assert conv_unit(x, 8, 3, stride=2, name="a").shape == (None, 17, 9, 8)
    block = keras.Model(x, csp_block(x, 12, depth=2, shortcut=False, name="b"))
    assert block.output_shape == (None, 33, 17, 12)
    norms = [layer for layer in block.layers if isinstance(layer, keras.layers.BatchNormalization)]
    # Bypass, entrance, two units of two convolutions, exit: each with its normalization.
    assert len(norms) == 7
    # After 20 steps 0.9^20 = 12 % of the initial statistics are left.
    assert {norm.momentum for norm in norms} == {0.9}


def test_a_csp_block_adds_or_not_and_always_bypasses() -> None:
    """With all units silenced, the bypass still brings the input through, and a shortcut the entrance too."""
    import keras

    from glasshouse.models.layers.units import csp_block

    x = np.random.default_rng(0).uniform(0.5, 1, (1, 4, 4, 2)).astype(np.float32)
    seen = {}
    for shortcut in (True, False):
        inputs = keras.Input((4, 4, 2))
        model = keras.Model(inputs, csp_block(inputs, 2, shortcut=shortcut, name="b"))
        for layer in model.layers:
            if isinstance(layer, keras.layers.Conv2D):
                silent = "unit" in layer.name
                layer.kernel.assign(np.full(layer.kernel.shape, 0.0 if silent else 1.0, np.float32))
        seen[shortcut] = np.asarray(model(x))
    # 1x1 kernels of ones sum their maps: s = x0 + x1 in the bypass, and as much again through the shortcut;
    # each of the two normalizations in the way divides by sqrt(1 + 0.001).
    total = x.sum(axis=-1) / (1 + 1e-3)
    assert seen[False][..., 0] == pytest.approx(total, rel=1e-4)
    assert seen[True][..., 1] == pytest.approx(2 * total, rel=1e-4)


def classifier(**more: Any) -> classify.Head:
    return classify.Head(classify.Params(name="classify", **more), classes=2, height_px=32, width_px=32)


def test_cross_entropy_by_hand() -> None:
    # softmax of (0, ln 3) = (1/4, 3/4)
    raw = {"logits": np.array([[0.0, np.log(3)]] * 2, np.float32)}
    labels = {"label": np.array([1, 0])}
    head = classifier()
    assert np.asarray(head.decode(raw)["probabilities"])[0] == pytest.approx([0.25, 0.75])
    found = np.asarray(head.loss(head.encode(labels), raw)["class"])
    assert found == pytest.approx([-np.log(0.75), -np.log(0.25)])
    # Smoothed by 0.2 the target of class 1 is (0.1, 0.9): 0.1 ln 4 + 0.9 ln 4/3 = 0.397543.
    smooth = classifier(label_smoothing=0.2)
    found = np.asarray(smooth.loss(smooth.encode(labels), raw)["class"])
    assert found[0] == pytest.approx(0.397543, abs=1e-5)


@pytest.mark.parametrize("level", [-1e4, 0.0, 1e4])
def test_cross_entropy_knows_differences_only_and_stays_finite(level: float) -> None:
    head = classifier()
    targets = head.encode({"label": np.array([0, 1, 1])})
    logits = np.array([[1, 2], [3, -1], [0, 500]], np.float32)
    found = np.asarray(head.loss(targets, {"logits": logits + np.float32(level)})["class"])
    # ln(1 + e^1) = 1.313262, ln(1 + e^4) = 4.018150, ln(1 + e^-500) = 0
    assert found == pytest.approx([1.313262, 4.01815, 0.0], abs=2e-3)


def test_encoding_is_undone_by_decoding() -> None:
    head = classifier(label_smoothing=0.1)
    label = np.array([0, 1, 1, 0])
    one_hot = np.asarray(head.encode({"label": label})["one_hot"])
    probabilities = np.asarray(head.decode({"logits": np.log(one_hot)})["probabilities"])
    assert probabilities == pytest.approx(one_hot)
    assert (probabilities.argmax(axis=1) == label).all()
