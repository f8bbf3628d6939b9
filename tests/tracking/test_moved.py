"""A project's folder that is moved or copied takes its files in MLflow along."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import glasshouse
from glasshouse.export.stamp import stamp
from glasshouse.inputs.recipe import Recipe
from glasshouse.tracking.aliases import CHAMPION, Registry
from glasshouse.tracking.moved import bring_along
from glasshouse.tracking.store import Store, StoreAway, locate_store
from glasshouse.tracking.sync import sync

RECIPE = Recipe("classify", ("red", "green", "blue"), 8, 8, "stretch", 0)
NAME = "blooms-detector"


@pytest.fixture
def champion(stored: Any) -> Path:
    """The folder of a project whose version 1 is the champion."""
    stored.make_outputs()
    stamp([stored.root / "exports/model.onnx"], RECIPE)
    stored.lock()
    sync(stored.root)
    Registry(locate_store(stored.root), NAME).point(CHAMPION, "1")
    return Path(stored.root)


def files_of(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def dump(root: Path) -> str:
    connection = sqlite3.connect(root / "mlflow.db")
    text = "\n".join(connection.iterdump())
    connection.close()
    return text


def train_anew(root: Path, make_project: Any) -> None:
    """Another state, finished."""
    project = make_project.__new__(make_project)
    project.root = root
    project.set("seed: 7", "seed: 8")
    project.lock()


def test_a_moved_project_goes_on_where_it_is(
    champion: Path, tmp_path: Path, make_project: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "other folder" / "50 % moved"
    new.parent.mkdir()
    champion.rename(new)
    capsys.readouterr()
    assert glasshouse.load(f"models:/{NAME}@champion", root=new).name.endswith("(version 1)")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"moved or copied here from {champion}" in told and str(new) in told
    registry = Registry(locate_store(new), NAME)
    version = registry.find(CHAMPION)
    assert version is not None
    assert registry.fetch(version, "params.yaml", tmp_path).read_bytes() == (new / "params.yaml").read_bytes()
    train_anew(new, make_project)
    assert sync(new).version == f"{NAME} version 2"
    assert capsys.readouterr().err == ""  # told once
    assert not champion.exists()
    assert len(list(new.glob("mlruns/models/*/artifacts/model.onnx"))) == 2
    assert champion.as_uri() not in dump(new)


def test_a_copy_leaves_the_original_alone(champion: Path, tmp_path: Path, make_project: Any) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(champion, copy)
    before = files_of(champion)
    train_anew(copy, make_project)
    sync(copy)
    assert files_of(champion) == before
    assert len(list(copy.glob("mlruns/models/*"))) == 2
    assert champion.as_uri() not in dump(copy)


def test_mlflows_own_experiment_comes_along(champion: Path, tmp_path: Path) -> None:
    """MLflow gives it the path of the folder in which the database was made, not its address."""
    connection = sqlite3.connect(champion / "mlflow.db")
    own = f"{champion}/mlruns/0"
    connection.execute("UPDATE experiments SET artifact_location = ? WHERE name = 'Default'", (own,))
    connection.commit()
    connection.close()
    new = champion.rename(tmp_path / "moved")
    Registry(locate_store(new), NAME)
    assert f"{new}/mlruns/0" in dump(new) and own not in dump(new)


@pytest.mark.parametrize("original", ["there", "gone"])
@pytest.mark.parametrize("left", ["all", "one"])
def test_files_that_did_not_come_along_are_told(
    champion: Path, tmp_path: Path, original: str, left: str, make_project: Any
) -> None:
    """Nothing is written to the other folder, and the addresses stay as long as files lie there alone."""
    copy = tmp_path / "copy"
    shutil.copytree(champion, copy)
    shutil.rmtree(copy / ("mlruns" if left == "all" else "mlruns/models"))
    if original == "gone":
        shutil.rmtree(champion)
    before = dump(copy)
    train_anew(copy, make_project)
    if (original, left) == ("gone", "one"):  # deleted by somebody: no address leads to it any more
        assert sync(copy).version == f"{NAME} version 2"
        return
    with pytest.raises(StoreAway, match=rf"{champion}/mlruns, .* are not in {copy}/mlruns: copy"):
        sync(copy)
    assert dump(copy) == before
    assert champion.exists() == (original == "there")
    if original == "there":
        shutil.copytree(champion / "mlruns", copy / "mlruns", dirs_exist_ok=True)
        assert sync(copy).version == f"{NAME} version 2"


def test_models_of_a_shared_database_outlive_the_worktree_that_made_the_first(
    stored: Any, tmp_path: Path, make_project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shutil.copy(stored.root / "mlflow.db", shared / "runs.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}/runs.db")
    worktrees = [tmp_path / name for name in ("first", "second")]
    for worktree in worktrees:
        worktree.mkdir()
        make_project(worktree).make_outputs()
        assert sync(worktree).version == f"{NAME} version 1"
    shutil.rmtree(worktrees[0])
    registry = Registry(locate_store(worktrees[1]), NAME)
    version = registry.read("1")
    assert version is not None
    network = registry.fetch_network(version, tmp_path)
    assert network.read_bytes() == (worktrees[1] / "exports/model.onnx").read_bytes()
    assert not (worktrees[1] / "mlruns").exists()


def test_a_database_that_two_projects_share_is_left_alone(
    champion: Path, tmp_path: Path, make_project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLFLOW_TRACKING_URI of one leads to the database of the other, which has an experiment whose files lie
    with the one: so made by earlier releases."""
    other = tmp_path / "other"
    other.mkdir()
    project = make_project(other)
    project.set("experiment: glasshouse", "experiment: another")
    project.make_outputs()
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{champion}/mlflow.db")
        sync(other, Store(f"sqlite:///{champion}/mlflow.db", (other / "mlruns").as_uri()))
        before = dump(champion)
        Registry(locate_store(other), NAME)
        Registry(locate_store(champion), NAME)
        sync(other)
    assert list(other.glob("mlruns/*")) and dump(champion) == before
    sync(champion)


def test_of_two_commands_at_once_one_rewrites(champion: Path, tmp_path: Path) -> None:
    new = champion.rename(tmp_path / "moved")
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: bring_along(new / "mlflow.db", (new / "mlruns").as_uri()), range(8)))
    assert len([sentence for sentence in told if sentence]) == 1
    assert champion.as_uri() not in dump(new)


def test_a_moved_database_that_cannot_be_written_is_told(champion: Path, tmp_path: Path) -> None:
    new = tmp_path / "read-only"
    champion.rename(new)
    with (new / "mlflow.db").open("r+b") as file:
        file.seek(18)  # the version that may write it: of a later one SQLite writes nothing, whoever asks
        file.write(b"\x03")
    with pytest.raises(StoreAway, match="that file cannot be written") as caught:
        glasshouse.load(f"models:/{NAME}@champion", root=new)
    told = str(caught.value)
    assert f"moved or copied here from {champion}, whither addresses in {new / 'mlflow.db'}" in told
    assert "`glasshouse runs sync`" in told
