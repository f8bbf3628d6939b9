from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import errno
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SEED_AND_BUILD = """
import keras

def build(width=4, blocks=2):
    keras.utils.set_random_seed(5)
    inner_input = keras.Input((16, 16, 3))
    x = inner_input
    for _ in range(blocks):
        x = keras.layers.Conv2D(width, 3, padding="same")(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation("silu")(x)
    inner = keras.Model(inner_input, x)
    pixels = keras.Input((16, 16, 3), name="pixels")
    x = keras.layers.GlobalAveragePooling2D()(inner(pixels))
    return keras.Model(pixels, {"probabilities": keras.layers.Dense(3, name="chosen")(x)})
"""
OTHER_PROCESS = """
import sys
from glasshouse.models.archive import save_network
build(); keras.layers.Dense(2); keras.Sequential([keras.layers.Dense(1)])  # moves the name counters on
model = build()
model.compile("adam", {"probabilities": "mse"})
model.fit(keras.ops.zeros((1, 16, 16, 3)), {"probabilities": keras.ops.zeros((1, 3))}, epochs=0, verbose=0)
save_network(model, sys.argv[1])
"""


@pytest.fixture(scope="module")
def build() -> Any:
    namespace: dict[str, Any] = {}
    exec(SEED_AND_BUILD, namespace)
    return namespace["build"]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def predict(model: Any) -> Any:
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    return np.asarray(model(pixels)["probabilities"])


def test_another_process_with_another_past_writes_the_same_bytes(build: Any, tmp_path: Path) -> None:
    from glasshouse.models.archive import save_network

    save_network(build(), tmp_path / "here.keras")
    subprocess.run(
        [sys.executable, "-c", SEED_AND_BUILD + OTHER_PROCESS, tmp_path / "there.keras"],
        env={**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    assert digest(tmp_path / "here.keras") == digest(tmp_path / "there.keras")


def test_loaded_network_predicts_the_same_and_saves_to_the_same_bytes(build: Any, tmp_path: Path) -> None:
    import keras

    from glasshouse.models.archive import save_network

    build()
    model = build()
    names = [layer.name for layer in model.layers]
    save_network(model, tmp_path / "deep" / "a.keras")
    assert [layer.name for layer in model.layers] == names
    loaded = keras.models.load_model(tmp_path / "deep" / "a.keras")
    np.testing.assert_array_equal(predict(loaded), predict(model))
    assert loaded.get_layer("chosen").units == 3  # a name that somebody gave stays
    save_network(loaded, tmp_path / "b.keras")
    assert digest(tmp_path / "deep" / "a.keras") == digest(tmp_path / "b.keras")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.keras"]


def test_other_weights_trainability_or_layers_give_other_bytes(build: Any, tmp_path: Path) -> None:
    from glasshouse.models.archive import save_network

    plain, frozen, moved, deeper = build(), build(), build(), build(blocks=3)
    frozen.get_layer("chosen").trainable = False
    weights = moved.get_weights()
    weights[-1] += 1e-6
    moved.set_weights(weights)
    digests = set()
    for number, model in enumerate((plain, frozen, moved, deeper)):
        save_network(model, tmp_path / f"{number}.keras")
        digests.add(digest(tmp_path / f"{number}.keras"))
    assert len(digests) == 4


def test_optimizer_state_stays_out(build: Any, tmp_path: Path) -> None:
    from glasshouse.models.archive import count_arrays, save_network

    model = build()
    model.compile("adam", {"probabilities": "mse"})
    model.optimizer.build(model.trainable_variables)
    save_network(model, tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        assert count_arrays(Path(archive.extract("model.weights.h5", tmp_path))) == len(model.weights)
        assert json.loads(archive.read("config.json"))["compile_config"] == {}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_failed_writing_leaves_the_old_file(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glasshouse.models import archive

    path = tmp_path / "a.keras"
    path.write_bytes(b"old")

    def fail(_: Path, notes: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(archive, "rewrite_archive", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        archive.save_network(build(), path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_weights_go_into_the_same_architecture_only(build: Any, tmp_path: Path) -> None:
    from glasshouse.models.archive import load_weights_into, save_network

    saved, other = build(), build()
    other.set_weights([weight + 1.0 for weight in other.get_weights()])
    save_network(saved, tmp_path / "a.keras")
    assert not np.array_equal(predict(other), predict(saved))
    load_weights_into(other, tmp_path / "a.keras")
    np.testing.assert_array_equal(predict(other), predict(saved))
    with pytest.raises(ValueError, match=r"a\.keras holds another architecture"):
        load_weights_into(build(width=5), tmp_path / "a.keras")
    for blocks in (1, 3):
        with pytest.raises(ValueError, match=r"a\.keras holds 14 arrays"):
            load_weights_into(build(blocks=blocks), tmp_path / "a.keras")
    with pytest.raises(FileNotFoundError, match=r"no network file .*missing\.keras"):
        load_weights_into(saved, tmp_path / "missing.keras")


def test_weights_are_not_sought_inside_the_zip(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each jump back reads the file again from its start: minutes for a large network."""
    from glasshouse.models.archive import load_weights_into, save_network

    save_network(build(), tmp_path / "a.keras")

    def seek(*_: Any) -> int:
        raise AssertionError("a jump in a compressed file")

    monkeypatch.setattr(zipfile.ZipExtFile, "seek", seek)
    load_weights_into(build(), tmp_path / "a.keras")


def test_random_states_of_dropout_are_not_asked_for(tmp_path: Path) -> None:
    """A Dropout has a variable, the state of its draws, that no file of weights holds."""
    import keras

    from glasshouse.models.archive import load_weights_into, save_network

    def build(seed: int) -> Any:
        keras.utils.set_random_seed(seed)
        numbers = keras.Input((8,))
        x = keras.layers.Dropout(0.5)(keras.layers.Dense(3)(numbers))
        return keras.Model(numbers, keras.layers.Dense(2)(x))

    saved, other = build(1), build(2)
    assert len(saved.variables) == len(saved.weights) + 1
    save_network(saved, tmp_path / "a.keras")
    load_weights_into(other, tmp_path / "a.keras")
    for ours, theirs in zip(saved.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_only_networks_with_a_graph_and_keras_names_are_written(build: Any, tmp_path: Path) -> None:
    from glasshouse.models.archive import save_network

    with pytest.raises(ValueError, match=r"must end in \.keras. Got 'a\.h5'"):
        save_network(build(), tmp_path / "a.h5")
    with pytest.raises(TypeError, match="Got dict"):
        save_network({}, tmp_path / "a.keras")


def test_object_ids_are_counted_and_precision_policies_lose_theirs() -> None:
    from glasshouse.models.archive import number_objects

    config = [{"shared_object_id": 99}, {"a": {"shared_object_id": 7}}, {"shared_object_id": 99}]
    assert number_objects(config, {}) == [
        {"shared_object_id": 1},
        {"a": {"shared_object_id": 2}},
        {"shared_object_id": 1},
    ]
    assert number_objects({"class_name": "DTypePolicy", "shared_object_id": 5}, {}) == {
        "class_name": "DTypePolicy"
    }
