"""Where a backbone's first weights come from, and what is said where they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from glasshouse.models.backbones import csp_compact, fashion_cnn, mobilenet_v2
from glasshouse.models.pretrained import load_backbone_weights
from glasshouse.params import builtin_weights_path, check

REPOSITORY = Path(__file__).parents[2]
SHARED = (
    REPOSITORY.parent / "shared/weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
)
SIDE = 96


def compact(weights: str | Path) -> csp_compact.Params:
    return csp_compact.Params(name="csp_compact", weights=str(weights))


def mobile(weights: str | Path, alpha: float = 0.35) -> mobilenet_v2.Params:
    return mobilenet_v2.Params(name="mobilenet_v2", weights=str(weights), alpha=alpha)


def build(part: Any, params: Any) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    return keras.Model(pixels, part.build(pixels, params), name="backbone")


@pytest.fixture(scope="module")
def small() -> Any:
    return build(csp_compact, compact("none"))


@pytest.fixture(scope="module")
def wide() -> Any:
    return build(mobilenet_v2, mobile("none"))


def arrays_of(backbone: Any) -> dict[str, np.ndarray]:
    return {weight.path: np.asarray(weight).copy() for weight in backbone.weights}


@pytest.fixture
def restored(small: Any, wide: Any) -> Any:
    """The networks of this module as they were before the test."""
    before = [(network, network.get_weights()) for network in (small, wide)]
    yield
    for network, weights in before:
        network.set_weights(weights)


def scramble(backbone: Any, seed: int = 5) -> dict[str, np.ndarray]:
    """Other weights, as a training would leave them; returns them."""
    rng = np.random.default_rng(seed)
    backbone.set_weights([rng.uniform(0.1, 1, value.shape) for value in backbone.get_weights()])
    return arrays_of(backbone)


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


def write_legacy(backbone: Any, path: Path, skip: str = "", root: str = "") -> None:
    """The `.h5` format of keras.applications: a group a layer, which lists its arrays in an attribute."""
    with h5py.File(path, "w") as file:
        top = file.create_group(root) if root else file
        layers = [layer for layer in backbone.layers if layer.name != skip]
        top.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = top.create_group(layer.name)
            group.attrs["weight_names"] = [f"{weight.path}:0".encode() for weight in layer.weights]
            for weight in layer.weights:
                group.create_dataset(f"{weight.path}:0", data=np.asarray(weight))


def test_none_leaves_the_initial_weights(small: Any) -> None:
    before = arrays_of(small)
    load_backbone_weights(small, compact("none"))
    assert_same(arrays_of(small), before)


def test_builtin_weights_ship_for_the_compact_backbone(small: Any, restored: None) -> None:
    before = arrays_of(small)
    load_backbone_weights(small, compact("builtin"))
    after = arrays_of(small)
    # Trained: nothing is as it began, not even scales (1), shifts (0) and moving statistics (0, 1).
    assert [name for name in after if np.array_equal(after[name], before[name])] == []
    assert all(np.isfinite(value).all() for value in after.values())
    assert builtin_weights_path("csp_compact").stat().st_size < 8e6
    # A network that computes: what it taps of noise varies from place to place and map to map.
    levels = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE, 3)).astype(np.float32)
    assert all(0.01 < np.asarray(tap).std() < 100 for tap in small(levels).values())


def test_a_file_of_the_same_backbone_comes_back_to_the_bit(
    small: Any, restored: None, tmp_path: Path
) -> None:
    wanted = scramble(small)
    small.save_weights(tmp_path / "own.weights.h5")
    scramble(small, 6)
    load_backbone_weights(small, compact(tmp_path / "own.weights.h5"))
    assert_same(arrays_of(small), wanted)


def test_a_file_fits_whatever_its_writer_called_the_layers(
    small: Any, restored: None, tmp_path: Path
) -> None:
    """Automatic names count the layers of a process, so that they differ from one to the next."""
    wanted = scramble(small)
    path = tmp_path / "own.weights.h5"
    small.save_weights(path)
    with h5py.File(path, "a") as file:
        for group in file["layers"].values():
            group["vars"].attrs["name"] = "other_" + group["vars"].attrs["name"]
    scramble(small, 6)
    load_backbone_weights(small, compact(path))
    assert_same(arrays_of(small), wanted)


@pytest.mark.parametrize("root", ["", "model_weights"])
def test_a_file_of_keras_applications_is_read_by_name(
    wide: Any, restored: None, tmp_path: Path, root: str
) -> None:
    wanted = scramble(wide)
    write_legacy(wide, tmp_path / "legacy.h5", root=root)
    scramble(wide, 6)
    load_backbone_weights(wide, mobile(tmp_path / "legacy.h5"))
    assert_same(arrays_of(wide), wanted)


@pytest.mark.skipif(not SHARED.is_file(), reason="no weight file of keras.applications beside the project")
def test_the_published_file_is_read_by_name(wide: Any, restored: None) -> None:
    load_backbone_weights(wide, mobile(SHARED))
    found = arrays_of(wide)
    with h5py.File(SHARED) as file:
        for layer in ("Conv1", "block_13_expand_BN", "Conv_1_bn"):
            held = file[layer][layer]
            assert len(held)
            for name in held:
                assert np.array_equal(found[f"{layer}/{name.removesuffix(':0')}"], held[name][()])


def test_imagenet_weights_are_taken_from_the_cache_of_keras(
    wide: Any, restored: None, tmp_path: Path, run_python: Any
) -> None:
    """In a process of its own: Keras looks at KERAS_HOME when it is imported."""
    wanted = scramble(wide)
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    (tmp_path / "home/models").mkdir(parents=True)
    write_legacy(wide, tmp_path / "home/models" / name)
    code = "\n".join(
        (
            "import keras, numpy",
            "from glasshouse.models.backbones.mobilenet_v2 import Params, build",
            "from glasshouse.models.pretrained import load_backbone_weights",
            "params = Params(name='mobilenet_v2', weights='imagenet', alpha=0.35)",
            f"pixels = keras.Input(({SIDE}, {SIDE}, 3))",
            "backbone = keras.Model(pixels, build(pixels, params))",
            "load_backbone_weights(backbone, params)",
            "arrays = {weight.path.replace('/', '|'): numpy.asarray(weight) for weight in backbone.weights}",
            "numpy.savez('found.npz', **arrays)",
        )
    )
    done = run_python("-c", code, cwd=tmp_path, KERAS_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "found.npz") as found:
        assert_same({name.replace("|", "/"): found[name] for name in found.files}, wanted)


def write_text(backbone: Any, path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def write_without_a_layer(backbone: Any, path: Path) -> None:
    backbone.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/conv2d_3"]  # Keras numbers them in the order of the graph


def write_with_a_layer_more(backbone: Any, path: Path) -> None:
    backbone.save_weights(path)
    with h5py.File(path, "a") as file:
        group = file.create_group("layers/dense/vars")
        group.attrs["name"] = "predictions"
        group.create_dataset("0", data=np.zeros((256, 5)))


def write_another_width(backbone: Any, path: Path) -> None:
    backbone.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 8), np.float32)


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("data/weights/own.weights.h5", False),
        ("data/weights/linked.weights.h5", False),
        ("data/weights/../../own.weights.h5", True),
        ("{root}/data/weights/own.weights.h5", False),
        ("{root}/own.weights.h5", True),
    ],
)
def test_a_file_whose_changes_nothing_sees_is_warned_of(
    small: Any,
    name: str,
    warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "weights"
    folder.mkdir(parents=True)
    for path in (tmp_path / "own.weights.h5", folder / "own.weights.h5"):
        small.save_weights(path)
    (folder / "linked.weights.h5").symlink_to(tmp_path / "own.weights.h5")
    load_backbone_weights(small, compact(Path(name.format(root=tmp_path))))
    assert ("lies outside of data/weights" in capsys.readouterr().err) is warned


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (write_text, "is no HDF5 file"),
        (
            write_without_a_layer,
            r"another network.* 1 layers differ, first stage2_csp_unit1a_conv: the file has no such layer, "
            r"the backbone \(3, 3, 16, 16\)\.",
        ),
        (
            write_with_a_layer_more,
            r"another network.* 1 layers differ, first predictions: the file has \(256, 5\), the backbone "
            r"no such layer\.",
        ),
        (
            write_another_width,
            r"another network.* 1 layers differ, first stem_conv: the file has \(3, 3, 3, 8\), the backbone "
            r"\(3, 3, 3, 16\)\.",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_layers(
    small: Any, tmp_path: Path, write: Callable[[Any, Path], None], words: str
) -> None:
    before = arrays_of(small)
    path = tmp_path / "other.weights.h5"
    write(small, path)
    with pytest.raises(ValueError, match=rf"model\.backbone\.weights: .*other\.weights\.h5 .*{words}"):
        load_backbone_weights(small, compact(path))
    assert_same(arrays_of(small), before)


def test_weights_of_another_backbone_are_refused(small: Any, wide: Any, tmp_path: Path) -> None:
    wide.save_weights(tmp_path / "wide.weights.h5")
    with pytest.raises(ValueError, match=r"another network.*stem_conv"):
        load_backbone_weights(small, compact(tmp_path / "wide.weights.h5"))
    write_legacy(wide, tmp_path / "short.h5", skip="block_3_expand")
    with pytest.raises(ValueError, match=r" 1 layers differ, first block_3_expand: the file has no such"):
        load_backbone_weights(wide, mobile(tmp_path / "short.h5"))
    write_legacy(small, tmp_path / "small.h5")
    with pytest.raises(ValueError, match=r"another network.* first Conv1: .*; then bn_Conv1, "):
        load_backbone_weights(wide, mobile(tmp_path / "small.h5"))


def test_random_states_of_dropout_are_no_weights(tmp_path: Path) -> None:
    """Published files have none, and those of `save_weights` have them: both fit."""
    params = fashion_cnn.Params(name="fashion_cnn", weights=str(tmp_path / "own.weights.h5"))
    network = build(fashion_cnn, params)
    assert len(network.variables) > len(network.weights)
    wanted = scramble(network)
    network.save_weights(tmp_path / "own.weights.h5")
    write_legacy(network, tmp_path / "published.h5")
    for name in ("own.weights.h5", "published.h5"):
        scramble(network, 6)
        load_backbone_weights(network, params.model_copy(update={"weights": str(tmp_path / name)}))
        assert_same(arrays_of(network), wanted)


def test_a_missing_file_is_named(small: Any, wide: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"needs the file .*gone\.weights\.h5, which does not exist"):
        load_backbone_weights(small, compact(tmp_path / "gone.weights.h5"))
    with pytest.raises(FileNotFoundError, match=r"'builtin' for 'mobilenet_v2' needs the file"):
        load_backbone_weights(wide, mobile("builtin"))


BACKBONE = "    name: csp_compact         # a file in src/glasshouse/models/backbones/\n    weights: builtin "


@pytest.mark.parametrize(
    ("block", "faults"),
    [
        ("name: csp_compact\n    weights: imagenet ", {"model.backbone.weights": "never trained"}),
        ("name: mobilenet_v2\n    weights: builtin ", {"model.backbone.weights": "no weights of mobilenet"}),
        ("name: xception\n    weights: builtin ", {"model.backbone.weights": "no weights of xception ship"}),
        (
            "name: mobilenet_v2\n    alpha: 0.4\n    weights: imagenet ",
            {"model.backbone.alpha": "one of 0.35 0.5 0.75 1.0 1.3 1.4"},
        ),
        ("name: mobilenet_v2\n    alpha: 0.4\n    weights: none ", {}),
        ("name: mobilenet_v2\n    alpha: 1\n    weights: imagenet ", {}),
        ("name: csp_compact\n    weights: none ", {}),
        (
            "name: resnet18\n    weights: imagenet ",
            {"model.backbone.weights": "no ImageNet weights of resnet18: use none or a .weights.h5"},
        ),
        ("name: resnet18\n    weights: builtin ", {"model.backbone.weights": "no weights of resnet18 ship"}),
        ("name: resnet3\n    weights: none ", {"model.backbone.name": "Did you mean 'resnet34'?"}),
        (
            "name: lenet5\n    weights: none ",
            {
                "model.backbone.name": "no maps of exactly 1/8, 1/16 and 1/32 of the picture's sides",
                "model.neck.name": "which a neck joins: set none. Got 'top_down' (text) instead.",
            },
        ),
    ],
)
def test_a_backbone_that_cannot_be_had_is_a_fault_of_the_parameters(
    tmp_path: Path, block: str, faults: dict[str, str]
) -> None:
    text = (REPOSITORY / "params.yaml").read_text()
    assert BACKBONE in text
    text = text.replace(BACKBONE, f"    {block}").replace("seed: 7 ", "seed: -7 ")
    (tmp_path / "params.yaml").write_text(text)
    seed, *found = check(tmp_path / "params.yaml")
    assert seed.key == "seed"  # everything is said at once
    assert [fault.key for fault in found] == list(faults)
    for fault in found:
        assert faults[fault.key] in fault.message
        wanted = fault.key.rpartition(".")[2]
        assert text.splitlines()[(fault.line or 0) - 1].strip().startswith(wanted)
