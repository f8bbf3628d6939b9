"""The networks of keras.applications as backbones: levels, scaling, weights, options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.error import URLError

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from glasshouse.export.formats import load_formats, write_formats
from glasshouse.models.applications import build_top, rebuild_taps, scale_pixels
from glasshouse.models.archive import save_network
from glasshouse.models.catalog import find_part
from glasshouse.models.costs import count_unbuilt

NAMES = (
    *("vgg16", "vgg19", "resnet50", "resnet101", "resnet152", "resnet50v2", "resnet101v2", "resnet152v2"),
    *("densenet121", "densenet169", "densenet201", "mobilenet", "mobilenet_v2", "mobilenet_v3_small"),
    *("mobilenet_v3_large", "xception", "inception_v3", "inception_resnet_v2", "nasnet_mobile"),
    *(f"efficientnet_b{i}" for i in range(8)),
    *("efficientnet_v2_s", "convnext_tiny"),
)
LEVEL = re.compile(r"(c\d) \(B, H/(\d+), W/\d+, (\d+)\)")
PREPROCESS = {
    "tf": keras.applications.mobilenet.preprocess_input,
    "torch": keras.applications.densenet.preprocess_input,
    "caffe": keras.applications.vgg16.preprocess_input,
}


def draw_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def build(name: str, height_px: int, width_px: int, **options: Any) -> Any:
    part = find_part("backbones", name)
    pixels = keras.Input((height_px, width_px, 3), name="pixels")
    params = part.Params(name=name, weights="none", **options)
    return keras.Model(pixels, part.build(pixels, params), name="backbone")


def look_at(
    name: str, height_px: int, width_px: int, **options: Any
) -> tuple[dict[str, Any], Any, list[str]]:
    """Shapes of the levels, costs and layers' names, without giving memory to the weights."""
    seen: list[Any] = []

    def build_and_look() -> Any:
        model = build(name, height_px, width_px, **options)
        seen.append({level: tuple(tap.shape[1:]) for level, tap in model.output.items()})
        seen.append([layer.name for layer in model.layers])
        assert {layer.momentum for layer in model.layers if hasattr(layer, "momentum")} <= {0.9}
        return model

    costs = count_unbuilt(build_and_look)
    return seen[0], costs, seen[1]


@pytest.mark.parametrize("name", NAMES)
def test_levels_are_what_the_file_says(name: str) -> None:
    """Sizes are exact shares of a picture that is no square, channels those of the docstring of `build`."""
    part, height_px, width_px = find_part("backbones", name), 96, 160
    levels, costs, layers = look_at(name, height_px, width_px)
    said = LEVEL.findall(part.build.__doc__)
    assert levels == {
        level: (height_px // int(stride), width_px // int(stride), int(maps)) for level, stride, maps in said
    }
    assert all(2 ** int(level[1]) == int(stride) for level, stride, _ in said)
    assert len(set(layers)) == len(layers)
    assert layers.count("rescale") == 1  # its own scaling, and no second one
    assert costs.params_trainable > 0
    assert part.MIN_SIZE_PX <= min(height_px, width_px) < part.INPUT_SIZE_PX[0]


@pytest.mark.parametrize("name", ["xception", "inception_v3", "inception_resnet_v2", "nasnet_mobile"])
def test_networks_that_do_not_pad_have_exact_levels_at_other_sizes(name: str) -> None:
    side = 320
    levels, _, _ = look_at(name, side, side)
    assert {level: size[0] * 2 ** int(level[1]) for level, size in levels.items()} == dict.fromkeys(
        levels, side
    )


@pytest.mark.parametrize("scaling", PREPROCESS)
def test_pixels_are_scaled_as_keras_does(scaling: Any) -> None:
    pixels = draw_pixels(2, 4, 4, 3)
    wanted = PREPROCESS[scaling](pixels.copy())
    x = keras.Input((4, 4, 3))
    found = keras.Model(x, scale_pixels(x, scaling))(pixels)
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-5, atol=1e-5)
    assert wanted.std() > 0.5


def test_efficientnet_v2_has_a_scaling_of_its_own() -> None:
    found = np.asarray(
        scale_pixels(keras.ops.convert_to_tensor([[[[0.0, 128.0, 255.0]]]]), "efficientnet_v2")
    )
    np.testing.assert_allclose(found.ravel(), [-1, 0, 255 / 128 - 1])


def test_scalings_survive_saving_and_exports(tmp_path: Path) -> None:
    """All of them in one small classifier: `.keras`, ONNX and LiteRT give what Keras gives."""
    keras.utils.set_random_seed(0)
    pixels, scaled = keras.Input((16, 16, 3), name="pixels"), []
    for scaling in ("tf", "torch", "caffe", "efficientnet_v2"):
        x = keras.Input((16, 16, 3))
        scale = keras.Model(x, scale_pixels(x, scaling), name=scaling)  # type: ignore[arg-type]
        features = keras.layers.Conv2D(3, 3)(scale(pixels))
        scaled.append(keras.layers.GlobalAveragePooling2D()(features))
    joined = keras.layers.Concatenate()(scaled)
    model = keras.Model(pixels, {"probabilities": keras.layers.Dense(5, activation="softmax")(joined)})
    pictures = draw_pixels(3, 16, 16, 3)
    wanted = np.asarray(model(pictures)["probabilities"])
    assert wanted.std() > 0.01
    save_network(model, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(pictures)["probabilities"]), wanted)
    paths = write_formats(model, ["onnx", "litert"], tmp_path, list("abcde"), pictures)
    for name, predict in load_formats(paths).items():
        found = predict(pictures)["probabilities"]
        np.testing.assert_allclose(found, wanted, atol=1e-5, err_msg=name)


@pytest.fixture
def keras_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's weight files come from this folder instead of the network."""
    from keras.src.utils import file_utils

    monkeypatch.setattr(
        file_utils, "get_file", lambda name, *_, **__: str(tmp_path / name.replace(".h5", ".weights.h5"))
    )
    return tmp_path


def test_efficientnet_scales_as_keras_does_with_its_weights(keras_files: Path) -> None:
    """Keras adds a layer to EfficientNet where the weights are ImageNet's: here one graph serves for all."""
    donor = keras.applications.EfficientNetB0(include_top=False, weights=None)
    values = donor.get_weights()
    # Keras's file: the means of the levels 0..1, and their spreads where variances belong.
    values[0], values[1] = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    donor.set_weights(values)
    donor.save_weights(keras_files / "efficientnetb0_notop.weights.h5")
    part = find_part("backbones", "efficientnet_b0")
    pixels = keras.Input((64, 96, 3), name="pixels")
    ours = keras.Model(pixels, part.build(pixels, part.Params(name="efficientnet_b0", weights="imagenet")))
    theirs = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(64, 96, 3))
    pictures = draw_pixels(2, 64, 96, 3)
    wanted = np.asarray(theirs(pictures))
    assert wanted.std() > 1e-6
    np.testing.assert_allclose(np.asarray(ours(pictures)["c5"]), wanted, rtol=1e-3, atol=1e-3 * wanted.std())
    assert look_at("efficientnet_b0", 64, 96)[2] == [layer.name for layer in ours.layers]
    assert not any(isinstance(layer, keras.layers.Normalization) for layer in ours.layers)


def test_inception_keeps_its_weights_where_it_pads(keras_files: Path) -> None:
    """The same kernels in the same layers, and inside of the picture the same first features."""
    donor = keras.applications.InceptionV3(include_top=False, weights=None)
    donor.save_weights(keras_files / "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.weights.h5")
    pixels = keras.Input((96, 96, 3), name="pixels")
    taps = {"c1": "conv2d.output", "c5": "output"}
    ours = keras.Model(pixels, rebuild_taps("InceptionV3", pixels, "imagenet", taps, "tf", pad_all=True))
    assert ours.layers[2].name == "conv2d"  # whatever was built before
    for mine, other in zip(ours.get_weights(), donor.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    pictures = draw_pixels(1, 96, 96, 3)
    first = next(layer for layer in donor.layers if isinstance(layer, keras.layers.Conv2D))
    valid = np.asarray(first(pictures / 127.5 - 1))  # (1, 47, 47, 32); "same" at an even side pads below only
    np.testing.assert_allclose(np.asarray(ours(pictures)["c1"])[:, :47, :47], valid, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "maps"),
    [
        ("mobilenet", {"alpha": 0.25}, (32, 64, 128, 256)),  # 128, 256, 512, 1024 / 4
        ("mobilenet", {"alpha": 0.5, "depth_multiplier": 2}, (64, 128, 256, 512)),
        ("mobilenet_v2", {"alpha": 0.5}, (6 * 16, 6 * 48, 1280)),  # 32 / 2, 96 / 2
        # 12 -> 16, 18 -> 24, 36 -> 40 maps (multiples of 8), expanded 4.5, 4, 6 times; 6 * 72.
        ("mobilenet_v3_small", {"alpha": 0.75}, (72, 96, 240, 432)),
        ("mobilenet_v3_large", {"minimalistic": True}, (72, 240, 672, 960)),
    ],
)
def test_options_change_the_network(name: str, options: dict[str, Any], maps: tuple[int, ...]) -> None:
    levels, costs, _ = look_at(name, 64, 64, **options)
    plain = look_at(name, 64, 64)[1]
    assert tuple(size[2] for size in levels.values()) == maps
    assert costs.params_total < plain.params_total
    part = find_part("backbones", name)
    params = part.Params(name=name, weights="none", **options)
    own, full = (
        count_unbuilt(lambda p=p: part.build_classifier(p))
        for p in (params, part.Params(name=name, weights="none"))
    )
    assert own.params_total < full.params_total


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobilenet", {"alpha": 0.35}, "one of 0.25 0.5 0.75 1.0: no other width has ImageNet weights"),
        ("mobilenet", {"depth_multiplier": 2}, "must be 1: no other multiplier"),
        ("mobilenet_v2", {"alpha": 0.4}, "one of 0.35 0.5 0.75 1.0 1.3 1.4"),
        ("mobilenet_v3_small", {"alpha": 0.5}, "one of 0.75 1.0: no other width"),
        ("mobilenet_v3_large", {"alpha": 0.75, "minimalistic": True}, "one of 1.0: no other width"),
    ],
)
def test_a_width_without_weights_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    part = find_part("backbones", name)
    with pytest.raises(ValidationError, match=message):
        part.Params(name=name, weights="imagenet", **options)
    part.Params(name=name, weights="none", **options)


def test_a_top_has_the_classes_asked_for() -> None:
    assert build_top("MobileNetV2", (96, 96, 3), 7, alpha=0.35).output_shape == (None, 7)


@pytest.mark.parametrize(
    ("kept", "reason"),
    [(None, "URL fetch failure on .* no network"), (b"\x89HDF\r\n\x1a\n cut off", "Unable to .*open file")],
    ids=["away", "cut off"],
)
def test_imagenet_weights_that_cannot_be_had_are_told_with_their_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: bytes | None, reason: str
) -> None:
    """A download that was killed leaves a part of the file, which Keras takes for the whole."""

    def fail(*_: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", fail)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    (tmp_path / "models").mkdir()
    if kept is not None:
        (tmp_path / "models" / file).write_bytes(kept)
    part = find_part("backbones", "mobilenet_v2")
    params = part.Params(name="mobilenet_v2", weights="imagenet", alpha=0.35)
    with pytest.raises(ValueError, match=rf"weights: imagenet: {reason}[\s\S]*~/.keras/models.* \.h5 file"):
        part.build(keras.Input((224, 224, 3)), params)
