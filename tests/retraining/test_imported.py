"""Imports that are cut off while DVC fetches, with DVC itself and a bucket that is a folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from glasshouse.retraining import imported
from glasshouse.retraining.imported import LEFT, MARK
from glasshouse.retraining.programs import ProgramFailed
from glasshouse.retraining.shelf import DataFault, fetch_pictures

TRACKED = Path("data/photos.dvc")
DVC = Path(sys.executable).with_name("dvc")


def read(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def fill(bucket: Path, **files: str) -> None:
    shutil.rmtree(bucket, ignore_errors=True)
    for name, content in files.items():
        path = bucket / "rose" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    fill(tmp_path / "bucket", a="A", b="B")
    return tmp_path / "bucket"


@pytest.fixture
def root(tmp_path: Path, bucket: Path) -> Path:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    for words in (
        ("git", "init", "--quiet"),
        (DVC, "init", "--quiet"),
        (DVC, "import-url", "--quiet", bucket, "data/photos"),
    ):
        subprocess.run(words, cwd=root, check=True)
    return root


@pytest.fixture
def cut(root: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a run be killed when DVC has emptied the folder, and has fetched some files and a part of one."""

    def fetch(*names: str) -> None:
        def update(root: Path, *words: str) -> str:
            assert words == ("dvc", "update", TRACKED.as_posix())
            shutil.rmtree(root / "data/photos")
            (root / "data/photos/rose").mkdir(parents=True)
            for name in names:
                shutil.copy(bucket / "rose" / name, root / "data/photos/rose")
            (root / "data/photos/rose/.Qz8x.tmp").write_text("half")
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(imported, "ask", update)
            with pytest.raises(KeyboardInterrupt):
                fetch_pictures(root, TRACKED, None)

    return fetch


@pytest.mark.parametrize("times", [1, 3])
def test_an_import_that_was_cut_off_is_made_again(root: Path, bucket: Path, cut: Any, times: int) -> None:
    fill(bucket, b="B", moved="A", new="N")
    for _ in range(times):
        cut("moved.jpg", "new.jpg")
        assert len(list((root / LEFT).rglob("new.jpg"))) <= 1
    said = fetch_pictures(root, TRACKED, None)
    assert said == "data/photos.dvc: asked where it was imported from: there is something new"
    assert read(root / "data/photos") == read(bucket)
    assert not (root / MARK).exists() and not (root / LEFT).exists()
    assert fetch_pictures(root, TRACKED, None).endswith("it is the same")


def test_what_a_person_put_there_meanwhile_is_kept(root: Path, bucket: Path, cut: Any) -> None:
    fill(bucket, a="A", b="B", new="N")
    cut("a.jpg", "new.jpg")
    (root / "data/photos/rose/mine.jpg").write_text("M")
    (root / "data/photos/rose/new.jpg").write_text("another")
    said = fetch_pictures(root, TRACKED, None)
    assert said.endswith(f"there is something new; 2 files that lay here and not there are in {LEFT}")
    assert read(root / "data/photos") == read(bucket)
    kept = read(root / LEFT)
    assert sorted((Path(name).name, text) for name, text in kept.items()) == [
        ("mine.jpg", "M"),
        ("new.jpg", "another"),
    ]
    again = fetch_pictures(root, TRACKED, None)
    assert again.endswith(f"it is the same; 2 files that lay here and not there are in {LEFT}")
    assert read(root / LEFT) == kept


def test_a_source_that_is_away_moves_nothing(root: Path, bucket: Path) -> None:
    before, away = read(bucket), bucket.with_name("away")
    bucket.rename(away)
    for _ in range(2):
        with pytest.raises(ProgramFailed, match="does not exist"):
            fetch_pictures(root, TRACKED, None)
    assert not (root / MARK).exists() and not (root / LEFT).exists()
    assert read(root / "data/photos") == before
    away.rename(bucket)
    assert fetch_pictures(root, TRACKED, None).endswith("it is the same")


def test_a_person_s_files_where_nothing_was_cut_off_stop_it(root: Path, bucket: Path) -> None:
    (root / "data/photos/rose/a.jpg").rename(root / "data/photos/rose/moved.jpg")
    (root / "data/photos/rose/mine.jpg").write_text("M")
    with pytest.raises(DataFault, match="data/photos is imported, and holds files that were put"):
        fetch_pictures(root, TRACKED, None)
    assert (root / "data/photos/rose/mine.jpg").read_text() == "M"
