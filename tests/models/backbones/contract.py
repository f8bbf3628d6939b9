"""What every backbone promises, as functions that a test calls for each of them.

All run eagerly on a few small pictures: tracing a graph costs more than a large network's only steps.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from glasshouse.models.catalog import find_part

CLASSES, PICTURES = 3, 8
# Channels of the taps, finest first, as each file's docstring says.
CHANNELS: dict[str, tuple[int, ...]] = {
    "alexnet": (96, 256, 256, 256),
    "csp_compact": (64, 128, 256),
    "cspnet": (128, 256, 512, 1024),
    "fashion_cnn": (128, 256, 64),
    "googlenet": (192, 480, 832, 1024),
    "inception_v4": (192, 384, 1024, 1536),
    "lenet5": (16, 84),
    "mobilenet_v2": (192, 576, 1280),
    "resnet18": (64, 128, 256, 512),
    "resnet34": (64, 128, 256, 512),
    "resnext50": (256, 512, 1024, 2048),
    "se_inception": (192, 480, 832, 1024),
    "se_resnet50": (256, 512, 1024, 2048),
    "xception": (728, 1024, 2048),
    "zfnet": (96, 256, 512, 512),
}
# Non-default options by name: each set builds another network than the default one.
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "alexnet": ({"lrn_radius": 2},),
    "fashion_cnn": ({"dropout": 0.0},),
    "lenet5": ({"pooling": "trainable"}, {"pad_px": 2}),
    "mobilenet": ({"alpha": 0.25, "depth_multiplier": 2},),
    "mobilenet_v2": ({"alpha": 0.35},),
    "mobilenet_v3_large": ({"alpha": 0.75}, {"minimalistic": True}),
    "mobilenet_v3_small": ({"alpha": 0.75}, {"minimalistic": True}),
    "resnext50": ({"groups": 8, "group_width": 16},),
    "se_inception": ({"ratio": 8},),
    "se_resnet50": ({"ratio": 8},),
    "zfnet": ({"maps": "figure_3", "lrn_radius": 2},),
}


@dataclass
class Subject:
    """A backbone with a classifier on its coarsest level, and pictures of its smallest size."""

    name: str
    part: ModuleType
    side_px: int
    network: Any  # pixels -> {level: tap, "logits": (B, CLASSES)}
    pixels: np.ndarray

    @property
    def label(self) -> np.ndarray:
        return np.arange(PICTURES) % CLASSES


def find_side(part: ModuleType) -> int:
    """The smallest side that params.yaml takes for it: a multiple of 32."""
    return max(32, -(-part.MIN_SIZE_PX // 32) * 32)


def lay_network(name: str, height_px: int, width_px: int, **options: Any) -> Any:
    """Pixels -> every tap and the logits of a classifier on the coarsest."""
    import keras

    part = find_part("backbones", name)
    pixels = keras.Input((height_px, width_px, 3), name="pixels", dtype="float32")
    taps = part.build(pixels, part.Params(name=name, weights="none", **options))
    pooled = keras.layers.GlobalAveragePooling2D(name="contract_pool")(taps[max(taps)])
    logits = keras.layers.Dense(CLASSES, dtype="float32", name="contract_logits")(pooled)
    return keras.Model(pixels, {**taps, "logits": logits})


def make_subject(name: str) -> Subject:
    import keras

    keras.utils.set_random_seed(5)
    part = find_part("backbones", name)
    side = find_side(part)
    network = lay_network(name, side, side)
    return Subject(name, part, side, network, draw_pixels(side, side))


def draw_pixels(height_px: int, width_px: int) -> np.ndarray:
    """Eight pictures that differ in level, contrast and colour, not in noise alone."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (PICTURES, height_px // 4, width_px // 4, 3)).repeat(4, 1).repeat(4, 2)
    level, contrast = rng.uniform(60, 200, (2, PICTURES, 1, 1, 3))
    return np.clip(level + contrast / 3 * noise, 0, 255).astype(np.float32)


def to_arrays(outputs: dict[str, Any]) -> dict[str, np.ndarray]:
    import keras

    return {name: keras.ops.convert_to_numpy(value).astype(np.float32) for name, value in outputs.items()}


def lay_wide(subject: Subject) -> Any:
    """The network for larger pictures that are not square, in mixed precision: two checks share it."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return lay_network(subject.name, subject.side_px + 64, subject.side_px + 32)
    finally:
        keras.config.set_dtype_policy(before)


def check_strides(subject: Subject, wide: Any) -> None:
    """Each tap is named by the log2 of its stride: by so much it grows with the picture."""
    small = {name: tap.shape for name, tap in subject.network.output.items()}
    large = {name: tap.shape for name, tap in wide.output.items()}
    height, width = wide.input_shape[1:3]
    assert large.keys() == small.keys()
    for name in small.keys() - {"logits"}:
        stride = 2 ** int(name.removeprefix("c"))
        grown = [after - before for before, after in zip(small[name][1:3], large[name][1:3], strict=True)]
        assert grown == [64 / stride, 32 / stride], name
        if getattr(subject.part.Params, "pyramid", True):
            assert large[name][1:3] == (height // stride, width // stride), name
        assert small[name][3] == large[name][3]
    taps = sorted(small.keys() - {"logits"})
    channels = tuple(small[name][3] for name in taps)
    assert channels == CHANNELS.get(subject.name, channels)
    if getattr(subject.part.Params, "pyramid", True):
        assert taps[-3:] == ["c3", "c4", "c5"]


def check_independence(subject: Subject) -> None:
    """A picture's features are the same whatever else is in the batch, and differ from another picture's."""
    first, second = (to_arrays(subject.network(subject.pixels[i : i + 2])) for i in (0, 1))
    for name, value in first.items():
        scale = np.abs(value).max()
        assert 0 < scale < np.inf, name
        np.testing.assert_allclose(value[1], second[name][0], rtol=0, atol=1e-4 * scale, err_msg=name)
        assert np.abs(value[1] - value[0]).max() > 1e-3 * scale, name


def check_learning(subject: Subject) -> None:
    """The gradient reaches every trainable weight, and one step along it lowers the loss on the batch."""
    import tensorflow as tf

    weights = subject.network.trainable_variables
    with tf.GradientTape() as tape:
        loss = _compute_loss(subject)
    before, gradients = float(loss), tape.gradient(loss, [weight.value for weight in weights])
    squares = [None if g is None else float((np.asarray(g, np.float64) ** 2).sum()) for g in gradients]
    unreached = [w.path for w, square in zip(weights, squares, strict=True) if not square]
    assert unreached == []
    assert np.isfinite([square for square in squares if square]).all()
    # To first order the loss falls by a twentieth.
    rate = 0.05 * before / sum(square for square in squares if square)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.assign_sub(rate * gradient)
    assert float(_compute_loss(subject)) < before


def _compute_loss(subject: Subject) -> Any:
    """Cross-entropy in training, with the same draws of dropout at every call."""
    import keras

    draws = [w for w in subject.network.non_trainable_variables if "seed_generator_state" in w.path]
    kept = [np.asarray(draw) for draw in draws]
    logits = subject.network(subject.pixels, training=True)["logits"]
    for draw, state in zip(draws, kept, strict=True):
        draw.assign(state)
    return keras.ops.mean(
        keras.losses.sparse_categorical_crossentropy(subject.label, logits, from_logits=True)
    )


def check_reload(subject: Subject, path: Path) -> None:
    """The project's network file gives back the same network and numbers, to the bit."""
    import keras

    from glasshouse.models.archive import load_weights_into, save_network

    save_network(subject.network, path)
    # Without Keras's own way to the weights, which reads the file again for each of them: half a minute for a
    # large network. tests/models/test_archive.py takes that way.
    with zipfile.ZipFile(path) as archive:
        twin = keras.models.model_from_json(archive.read("config.json"))
    load_weights_into(twin, path)
    ours, theirs = (to_arrays(network(subject.pixels[:2])) for network in (subject.network, twin))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert np.array_equal(value, theirs[name]), name


def check_mixed_precision(wide: Any) -> None:
    """Under float16 the features are float16 and finite, in training too."""
    import keras

    taps = wide(draw_pixels(*wide.input_shape[1:3])[:2], training=True)
    for name, tap in taps.items():
        assert keras.backend.standardize_dtype(tap.dtype) == ("float32" if name == "logits" else "float16")
        assert np.isfinite(np.asarray(tap, np.float32)).all(), name


def check_options(subject: Subject) -> None:
    """Every option beside name and weights is tried, and makes another network that computes."""
    fields = subject.part.Params.model_fields.keys() - {"name", "weights"}
    sets = OPTIONS.get(subject.name, ())
    assert fields == {field for options in sets for field in options}
    for options in sets:
        network = lay_network(subject.name, subject.side_px, subject.side_px, **options)
        assert describe(network) != describe(subject.network)
        found = to_arrays(network(subject.pixels[:2]))
        assert found.keys() == {*subject.network.output}
        assert all(np.isfinite(value).all() for value in found.values())


def describe(network: Any) -> list[Any]:
    """What makes a network this one: its layers' settings, automatic names left out."""
    return [
        (type(layer).__name__, {key: value for key, value in layer.get_config().items() if key != "name"})
        for layer in network.layers
    ]
