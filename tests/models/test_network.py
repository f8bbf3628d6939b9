"""Backbone, neck and head put together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.models.backbones import csp_compact, mobilenet_v2
from glasshouse.models.heads import anchor_free, classify
from glasshouse.models.necks import none, top_down

HEIGHT, WIDTH, CLASSES = 64, 96, 3
POINTS = 8 * 12 + 4 * 6 + 2 * 3  # cells of the strides 8, 16, 32


def detector(weights: str = "none", channels: int = 16) -> Any:
    return SimpleNamespace(
        task="detect",
        backbone=csp_compact.Params(name="csp_compact", weights=weights),
        neck=top_down.Params(name="top_down", channels=channels),
        head=anchor_free.Params(name="anchor_free"),
    )


def classifier(weights: str = "none") -> Any:
    return SimpleNamespace(
        task="classify",
        backbone=mobilenet_v2.Params(name="mobilenet_v2", weights=weights, alpha=0.35),
        neck=none.Params(name="none"),
        head=classify.Params(name="classify", dropout=0.5),
    )


def build(model: Any, **more: Any) -> Any:
    import keras

    from glasshouse.models.network import build_network

    keras.utils.set_random_seed(3)
    return build_network(model, height_px=HEIGHT, width_px=WIDTH, classes=CLASSES, **more)


@pytest.fixture(scope="module")
def detecting() -> Any:
    return build(detector())


@pytest.fixture(scope="module")
def classifying() -> Any:
    return build(classifier())


@pytest.fixture(params=["detecting", "classifying"])
def network(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def draw_pixels(count: int = 2) -> np.ndarray:
    levels = np.random.default_rng(0).integers(0, 256, (count, HEIGHT, WIDTH, 3))
    return levels.astype(np.float32)


def to_arrays(values: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in values.items()}


def assert_equal(one: Any, other: Any) -> None:
    one, other = to_arrays(one), to_arrays(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_detector_says_something_of_every_cell(detecting: Any) -> None:
    raw = to_arrays(detecting.full(draw_pixels()))
    assert {name: value.shape for name, value in raw.items()} == {
        "distances": (2, POINTS, 4),
        "logits": (2, POINTS, CLASSES),
    }
    assert {value.dtype for value in raw.values()} == {np.dtype("float32")}
    assert tuple(raw) == detecting.head.outputs
    # At the start every class has a score of about 0.01, so that background does not drown the first steps.
    assert np.median(1 / (1 + np.exp(-raw["logits"]))) == pytest.approx(0.01, rel=0.5)


def test_a_classifier_says_one_thing_of_a_picture(classifying: Any) -> None:
    raw = classifying.full(draw_pixels())
    assert raw["logits"].shape == (2, CLASSES)
    decoded = np.asarray(classifying.head.decode(raw)["probabilities"])
    assert decoded.sum(axis=1) == pytest.approx(1.0)
    # Dropout sleeps outside of training.
    assert_equal(raw, classifying.full(draw_pixels()))


def test_the_parts_make_the_whole(network: Any) -> None:
    pixels = draw_pixels()
    assert_equal(network.full(pixels), network.top(network.backbone(pixels)))
    owned = [id(weight) for part in (network.backbone, network.top) for weight in part.weights]
    assert sorted(owned) == sorted(id(weight) for weight in network.full.weights)


@pytest.mark.parametrize(
    ("name", "side_px", "options"),
    [("fashion_cnn", 28, {}), ("lenet5", 28, {"pad_px": 2}), ("alexnet", 227, {}), ("resnet18", 50, {})],
)
def test_a_classifier_takes_sides_of_any_stride(name: str, side_px: int, options: dict[str, int]) -> None:
    from glasshouse.models.catalog import find_part
    from glasshouse.models.network import build_network

    backbone = find_part("backbones", name).Params(name=name, weights="none", **options)
    model: Any = SimpleNamespace(
        task="classify",
        backbone=backbone,
        neck=none.Params(name="none"),
        head=classify.Params(name="classify"),
    )
    network = build_network(model, height_px=side_px, width_px=side_px, classes=CLASSES)
    logits = np.asarray(network.full(np.zeros((2, side_px, side_px, 3), np.float32))["logits"])
    assert logits.shape == (2, CLASSES)
    assert np.isfinite(logits).all()


def test_every_weight_has_a_name_of_its_own(network: Any) -> None:
    paths = [weight.path for weight in network.full.weights]
    assert len(set(paths)) == len(paths)


def test_a_picture_does_not_see_its_neighbours(network: Any) -> None:
    pixels = draw_pixels(3)
    alone = network.full(pixels[1:2])
    assert_equal(alone, {name: np.asarray(value)[1:2] for name, value in network.full(pixels).items()})


def test_a_graph_gives_what_eager_code_gives(network: Any) -> None:
    import tensorflow as tf

    run = tf.function(lambda pixels: network.full(pixels, training=False))
    assert_equal(run(tf.constant(draw_pixels())), network.full(draw_pixels()))


def test_a_network_eats_levels_from_0_to_255(detecting: Any) -> None:
    """Stem by hand: (255 / 127.5 - 1) = 1 and (0 / 127.5 - 1) = -1 meet the kernel, inside of the padding."""
    import keras

    stem = detecting.backbone.get_layer("stem_conv")
    run = keras.Model(detecting.backbone.input, stem.output)
    summed = np.asarray(stem.kernel).sum(axis=(0, 1, 2))
    for level, scaled in ((255.0, 1.0), (0.0, -1.0), (127.5, 0.0)):
        out = np.asarray(run(np.full((1, HEIGHT, WIDTH, 3), level, np.float32)))
        assert out[0, 5, 7] == pytest.approx(summed * scaled, abs=1e-4)


def test_mobilenet_v2_is_the_published_network_on_its_own_preprocessing(classifying: Any) -> None:
    import keras

    published = keras.applications.MobileNetV2(
        input_shape=(HEIGHT, WIDTH, 3), alpha=0.35, include_top=False, weights=None
    )
    published.set_weights(classifying.backbone.get_weights())
    pixels = draw_pixels()
    wanted = published(keras.applications.mobilenet_v2.preprocess_input(pixels.copy()))
    np.testing.assert_allclose(classifying.backbone(pixels)["c5"], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("first", "free", "fixed"),
    [
        (None, (), ("stem", "stage2", "stage3", "stage4", "stage5")),
        ("all", ("stem", "stage2", "stage3", "stage4", "stage5"), ()),
        ("stage4", ("stage4", "stage5"), ("stem", "stage2", "stage3")),
        ("stage5_csp", ("stage5_csp",), ("stem", "stage2", "stage3", "stage4", "stage5_down")),
        (
            "stage5_down_bn",
            ("stage5_down_bn", "stage5_csp"),
            ("stem", "stage2", "stage3", "stage4", "stage5_down_conv"),
        ),
    ],
)
def test_layers_from_the_named_one_on_are_free(
    detecting: Any, first: str | None, free: tuple[str, ...], fixed: tuple[str, ...]
) -> None:
    from glasshouse.models.network import freeze

    freeze(detecting, "stage3" if first is None else None)  # whatever was before
    freeze(detecting, first)
    learning = {weight.path for weight in detecting.full.trainable_weights}
    kernels = [
        weight.path for weight in detecting.backbone.weights if weight.path.endswith(("kernel", "gamma"))
    ]
    for path in kernels:
        assert path.startswith(free) != path.startswith(fixed), path
        assert (path in learning) == path.startswith(free), path
    assert {weight.path for weight in detecting.top.trainable_weights} <= learning


def test_frozen_batch_norm_stays_out_of_training(detecting: Any) -> None:
    from glasshouse.models.network import freeze

    freeze(detecting, "all", batch_norm="frozen")
    learning = {weight.path for weight in detecting.backbone.trainable_weights}
    assert learning == {w.path for w in detecting.backbone.weights if w.path.endswith("kernel")}
    pixels = draw_pixels()
    assert_equal(detecting.backbone(pixels, training=True), detecting.backbone(pixels, training=False))
    freeze(detecting, "all")
    trained = np.asarray(detecting.backbone(pixels, training=True)["c5"])
    assert np.abs(trained - np.asarray(detecting.backbone(pixels, training=False)["c5"])).max() > 0.01


@pytest.mark.parametrize("name", ["stage9", "", "stage", "Stage4"])
def test_an_unknown_block_is_named_with_those_there_are(detecting: Any, name: str) -> None:
    from glasshouse.models.network import freeze

    with pytest.raises(ValueError, match=rf"unfreeze_from.*block '{name}'.*stem, stage2_down"):
        freeze(detecting, name)


def test_weights_from_a_file_need_no_pretrained_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, detecting: Any
) -> None:
    from glasshouse.models import pretrained

    monkeypatch.setattr(pretrained, "builtin_weights_path", lambda name: tmp_path / f"{name}.weights.h5")
    assert_equal(
        {w.path: w for w in build(detector("builtin"), load_weights=False).full.weights},
        {w.path: w for w in build(detector()).full.weights},
    )
    with pytest.raises(FileNotFoundError, match=r"'builtin' for 'csp_compact'.*csp_compact\.weights\.h5"):
        build(detector("builtin"))


def test_a_written_network_loads_without_this_project(network: Any, tmp_path: Path) -> None:
    import keras

    from glasshouse.models.archive import save_network

    save_network(network.full, tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras", compile=False)
    assert [tensor.name for tensor in loaded.inputs] == ["pixels"]
    assert loaded.inputs[0].shape == (None, HEIGHT, WIDTH, 3)
    assert_equal(loaded(draw_pixels()), network.full(draw_pixels()))
