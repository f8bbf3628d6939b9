from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.config import Config

from glasshouse.comparison.plan import Plan
from glasshouse.comparison.workplace import Source, WorkplaceError, look_at, make_environment, prepare

MakePlan = Callable[..., Plan]


def source_of(root: Path) -> Source:
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and ".glasshouse" not in path.parts and ".git" not in path.parts
    )
    return Source(root, tuple(names), root / ".dvc/cache")


def test_copy_follows_the_project_and_keeps_its_own(tiny: Path, plan: MakePlan) -> None:
    (tiny / "dvc.lock").write_text("stages: {}\n")
    (tiny / "src").mkdir()
    (tiny / "src/room.py").write_text("X = 1\n")
    entry = plan(tiny, "mobilenet_v2").entries[0]
    folder = prepare(source_of(tiny), entry)
    assert (folder / "params.yaml").read_text() == entry.text
    assert (folder / "dvc.lock").read_text() == "stages: {}\n"
    assert str(tiny / ".dvc/cache") in (folder / ".dvc/config.local").read_text()
    made = folder / "models/model.keras"
    made.parent.mkdir()
    made.write_text("made here")
    (folder / "dvc.lock").write_text("its own\n")
    (tiny / "src/room.py").unlink()
    (tiny / "pipeline/stage.py").write_text("X = 2\n")
    time_before = (folder / "dvc.yaml").stat().st_mtime_ns
    assert prepare(source_of(tiny), entry) == folder
    assert not (folder / "src").exists()
    assert (folder / "pipeline/stage.py").read_text() == "X = 2\n"
    assert (folder / "dvc.yaml").stat().st_mtime_ns == time_before
    assert (made.read_text(), (folder / "dvc.lock").read_text()) == ("made here", "its own\n")


@pytest.mark.parametrize("name", ["a #b", "a, b", "it's", 'so "so" #2'])
def test_the_cache_of_a_project_in_a_folder_of_any_name(tiny: Path, plan: MakePlan, name: str) -> None:
    root = tiny.rename(tiny.parent / name)
    folder = prepare(source_of(root), plan(root, "mobilenet_v2").entries[0])
    assert Config(str(folder / ".dvc"))["cache"]["dir"] == str(root / ".dvc/cache")


def test_names_that_are_no_text(tiny: Path, plan: MakePlan) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (tiny / name).write_text("X = 1\n")
    source = look_at(tiny)
    assert name in source.files
    for _ in range(2):
        assert (prepare(source, plan(tiny, "mobilenet_v2").entries[0]) / name).read_text() == "X = 1\n"


def with_path(entry: object, path: str) -> object:
    params = entry.params  # type: ignore[attr-defined]
    dataset = params.dataset.model_copy(update={"source": "folder", "path": path})
    text = entry.text.replace("path: data/pictures", f"path: {path}")  # type: ignore[attr-defined]
    return dataclasses.replace(entry, params=params.model_copy(update={"dataset": dataset}), text=text)  # type: ignore[type-var]


def test_pictures_are_reached_and_never_copied_or_touched(tiny: Path, plan: MakePlan) -> None:
    photo = tiny / "data/photos/a.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_text("photo")
    plain = plan(tiny, "mobilenet_v2").entries[0]
    entry = with_path(plain, "data/photos")
    folder = prepare(source_of(tiny), entry)  # type: ignore[arg-type]
    assert (folder / "data/photos").is_symlink() and (folder / "data/photos/a.jpg").read_text() == "photo"
    prepare(source_of(tiny), plain)  # now the photos are files of the project like others
    assert not (folder / "data/photos").is_symlink() and (folder / "data/photos/a.jpg").is_file()
    prepare(source_of(tiny), entry)  # type: ignore[arg-type]
    assert (folder / "data/photos").is_symlink() and photo.read_text() == "photo"


def test_pictures_outside_of_the_project(tiny: Path, plan: MakePlan) -> None:
    outside = tiny.parent / "photos"
    outside.mkdir()
    folder = prepare(source_of(tiny), with_path(plan(tiny, "mobilenet_v2").entries[0], "../photos"))  # type: ignore[arg-type]
    assert f"path: {outside}" in (folder / "params.yaml").read_text()


def test_something_in_the_way_of_a_link(tiny: Path, plan: MakePlan) -> None:
    (tiny / "data/photos").mkdir(parents=True)
    entry = with_path(plan(tiny, "mobilenet_v2").entries[0], "data/photos")
    (tiny / ".glasshouse/compare" / entry.folder / "data/photos").mkdir(parents=True)  # type: ignore[attr-defined]
    with pytest.raises(WorkplaceError, match="in the way of a link"):
        prepare(source_of(tiny), entry)  # type: ignore[arg-type]


def test_no_git(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    with pytest.raises(WorkplaceError, match="those that git knows"):
        look_at(tiny)


def test_environment_leads_into_the_copy(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    environment = make_environment(tiny, "sqlite:////x.db", live=False)
    assert environment["PYTHONPATH"] == f"{tiny / 'src'}:/elsewhere"
    assert environment["MLFLOW_TRACKING_URI"] == "sqlite:////x.db" and environment["GLASSHOUSE_LIVE"] == "0"
    assert "GIT_DIR" not in environment
