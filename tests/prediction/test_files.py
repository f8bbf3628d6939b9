from __future__ import annotations

import os
from pathlib import Path

import pytest

from glasshouse.prediction.files import choose_out, list_pictures, show


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_folders_are_walked_in_natural_order_and_other_files_counted(tmp_path: Path) -> None:
    touch(tmp_path, "b/10.jpg", "b/9.JPG", "a.png", "words.txt", ".hidden.jpg", "b/.git/x.jpg", "Thumbs.db")
    found = list_pictures([tmp_path])
    assert [file.path.relative_to(tmp_path).as_posix() for file in found.pictures] == [
        "a.png",
        "b/9.JPG",
        "b/10.jpg",
    ]
    assert [file.target.as_posix() for file in found.pictures] == ["a.png.jpg", "b/9.jpg", "b/10.jpg"]
    assert found.others == 1


def test_same_names_never_share_a_target(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "one/x/a.jpg",
        "two/x/a.jpg",
        "one/x/a.JPEG",
        "one/x/A.jpg",
        "one/x/a.png",
        "one/x/a.png.jpg",
    )
    for arguments in ([tmp_path / "one/x", tmp_path / "two/x"], [tmp_path], [*(tmp_path).rglob("*.*")]):
        targets = [file.target.as_posix().casefold() for file in list_pictures(arguments).pictures]
        assert len(set(targets)) == len(targets) == 6
        assert all(target.endswith(".jpg") and ".." not in target for target in targets)


def test_each_file_once_and_a_named_file_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.dat")
    os.symlink(tmp_path, tmp_path / "loop")
    os.symlink(tmp_path / "a.jpg", tmp_path / "c.jpg")
    os.symlink(tmp_path / "gone", tmp_path / "broken.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = list_pictures([tmp_path / "b.dat", tmp_path, tmp_path / "a.jpg"])
    assert [file.path.name for file in found.pictures] == ["b.dat", "a.jpg"]


def test_names_of_any_script_and_of_none(tmp_path: Path) -> None:
    touch(tmp_path, "чашка/花.jpg")
    odd = os.fsencode(tmp_path) + b"/\xff.jpg"
    with open(odd, "wb") as stream:
        stream.write(b"x")
    names = [file.name.rpartition("/")[2] for file in list_pictures([tmp_path]).pictures]
    assert names == ["花.jpg", "\ufffd.jpg"]
    assert all(name.encode() for name in names)


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture in"):
        list_pictures([tmp_path])
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        list_pictures([tmp_path / "away"])


def test_no_folder_with_something_in_it_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert choose_out(None) == Path("predictions")
    touch(tmp_path, "predictions/mine.txt", "mine/x", "file")
    (tmp_path / "predictions-2").write_text("a file")
    assert choose_out(None) == Path("predictions-3")
    for taken in ("mine", "file"):
        with pytest.raises(ValueError, match=f"--out {taken} is there already and is not empty"):
            choose_out(Path(taken))
    (tmp_path / "empty").mkdir()
    assert [choose_out(Path(name)) for name in ("empty", "new/deep")] == [Path("empty"), Path("new/deep")]


def test_a_path_is_always_text() -> None:
    assert show(Path(os.fsdecode(b"a\xff"))) == "a\ufffd"
