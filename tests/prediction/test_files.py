from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from glasshouse.prediction.batch import write_whole
from glasshouse.prediction.files import NAME_BYTES, choose_out, is_written, list_pictures, show


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
    os.symlink(tmp_path / "gone", tmp_path / "broken too.jpg")
    os.mkfifo(tmp_path / "pipe")
    found = list_pictures([tmp_path / "b.dat", tmp_path, tmp_path / "a.jpg"])
    assert [file.path.name for file in found.pictures] == [
        "b.dat", "a.jpg", "broken too.jpg", "broken.jpg", "pipe.jpg"
    ]  # fmt: skip
    assert (found.others, found.unlisted) == (1, [])  # the link back is no folder that cannot be listed


def test_drawn_pictures_lie_below_their_folder_where_several_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "here/a.jpeg", "there/a.jpg", "b.JPEG")
    monkeypatch.chdir(tmp_path / "here")
    found = list_pictures([Path("."), Path("../there"), Path("../b.JPEG")]).pictures
    assert [file.target.as_posix() for file in found] == ["here/a.jpg", "there/a.jpg", "b.jpg"]
    assert [file.target.as_posix() for file in list_pictures([Path(".")]).pictures] == ["a.jpg"]


def test_a_drawn_picture_and_a_folder_never_want_the_same_place(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a.png.jpg/c.jpg", "B.JPG", "b.jpg/d.jpg", "b.jpg/e.jpg/f.jpg")
    targets = {
        file.name[len(f"{tmp_path}/") :]: str(file.target) for file in list_pictures([tmp_path]).pictures
    }
    assert targets == {
        "a.png": "a.png-2.jpg",
        "a.png.jpg/c.jpg": "a.png.jpg/c.jpg",
        "B.JPG": "B-2.jpg",
        "b.jpg/d.jpg": "b.jpg/d.jpg",
        "b.jpg/e.jpg/f.jpg": "b.jpg/e.jpg/f.jpg",
    }


def test_a_long_name_is_cut_and_stays_apart(tmp_path: Path) -> None:
    names = [f"{'x' * 240}{end}" for end in ("1.jpg", "2.jpg", "2.JPG", ".png")] + [f"{'ж' * 125}.png"]
    touch(tmp_path, *names)
    targets = {file.path.name: str(file.target) for file in list_pictures([tmp_path]).pictures}
    assert len({target.casefold() for target in targets.values()}) == len(names)
    assert all(
        len(os.fsencode(target)) <= NAME_BYTES and target.endswith(".jpg") for target in targets.values()
    )
    assert not any(target.endswith("-3.jpg") for target in targets.values())  # two are alike but for a suffix
    touch(tmp_path / "other", names[0])
    (alone,) = list_pictures([tmp_path / "other"]).pictures
    assert str(alone.target) == targets[names[0]]  # whatever lies beside it
    touch(tmp_path / "longest", longest := f"{'x' * (NAME_BYTES - 4)}.jpg")
    assert [str(file.target) for file in list_pictures([tmp_path / "longest"]).pictures] == [longest]


def test_no_name_begins_like_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "=1+1.jpg", "@x/-y.jpg", "a/=b.jpg")
    found = list_pictures([Path("=1+1.jpg"), Path("@x"), Path("a")]).pictures
    assert [file.name for file in found] == ["./=1+1.jpg", "./@x/-y.jpg", "a/=b.jpg"]
    assert all(Path(file.name).is_file() for file in found)
    touch(tmp_path, *(names := [f"{mark}1.jpg" for mark in "=+-@\t\r"]))
    assert [file.name for file in list_pictures([Path(name) for name in names]).pictures] == [
        f"./{name}" for name in names
    ]


def test_a_folder_that_cannot_be_listed_hinders_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "closed/b.jpg", "open/c.jpg")
    listed = os.scandir

    def scan(place: str) -> object:
        if str(place).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return listed(place)

    monkeypatch.setattr(os, "scandir", scan)
    found = list_pictures([tmp_path])
    assert [file.path.name for file in found.pictures] == ["a.jpg", "c.jpg"]
    wanted = (f"{tmp_path}/closed", "cannot be listed: Permission denied")
    assert found.unlisted == [wanted]
    with pytest.raises(ValueError, match=r"no picture in .*closed cannot be listed: Permission denied"):
        list_pictures([tmp_path / "closed"])


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
    (tmp_path / "link").symlink_to("away")
    (tmp_path / "predictions-2").write_text("a file")
    assert choose_out(None) == Path("predictions-3")
    for taken, said in (("mine", "not empty"), ("file", "no folder"), ("link", "no folder")):
        with pytest.raises(ValueError, match=f"--out {taken} is there already and is {said}"):
            choose_out(Path(taken))
    (tmp_path / "empty").mkdir()
    assert [choose_out(Path(name)) for name in ("empty", "new/deep")] == [Path("empty"), Path("new/deep")]


def test_what_an_earlier_run_wrote_is_read_only_where_it_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "sub/found/predictions.csv", "sub/found/explained/a.jpg", "pictures/b.jpg")
    found = list_pictures([tmp_path])
    assert [file.path.name for file in found.pictures] == ["a.jpg", "b.jpg"]
    assert found.earlier == [f"{tmp_path}/sub/found"]
    touch(
        tmp_path,
        *(f"{name}/{part}" for name in ("p-10", "p-9") for part in ("predictions.csv", "pictures/a")),
    )
    assert list_pictures([tmp_path]).earlier == [
        f"{tmp_path}/{name}" for name in ("p-9", "p-10", "sub/found")
    ]
    named = list_pictures([tmp_path / "sub/found"])
    assert ([file.path.name for file in named.pictures], named.earlier) == (["a.jpg"], [])
    with pytest.raises(ValueError, match=r"found was passed over: an earlier run wrote it\.$"):
        list_pictures([tmp_path / "sub"])


@pytest.mark.parametrize("table", ["predictions.json", "predictions.csv", "coco_results.json"])
@pytest.mark.parametrize("drawn", ["pictures", "explained"])
def test_one_table_and_one_folder_of_pictures_are_what_a_run_wrote(
    table: str, drawn: str, tmp_path: Path
) -> None:
    touch(tmp_path, f"found/{drawn}/a.jpg")
    assert not is_written(tmp_path / "found")
    touch(tmp_path, f"found/{table}")
    assert is_written(tmp_path / "found")


def test_a_linked_folder_is_walked(tmp_path: Path) -> None:
    touch(tmp_path, "away/a.jpg", "in/b.jpg")
    (tmp_path / "in/link").symlink_to(tmp_path / "away")
    names = [file.path.relative_to(tmp_path).as_posix() for file in list_pictures([tmp_path / "in"]).pictures]
    assert names == ["in/b.jpg", "in/link/a.jpg"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    """For a moment it is a longer one, and file systems take 255 bytes."""
    touch(tmp_path, f"{'x' * 240}.png")
    (file,) = list_pictures([tmp_path]).pictures
    assert len(file.target.name) == NAME_BYTES
    write_whole(tmp_path / file.target, b"drawn")


def test_a_path_is_always_text() -> None:
    assert show(Path(os.fsdecode(b"a\xff"))) == "a\ufffd"
