"""Archives as data sets: unpacked once, whole or not at all; which folder they hold."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from glasshouse.sources.archives import UNPACKED, find_top, open_archive
from glasshouse.sources.example import SourceError
from glasshouse.sources.fetch import hash_file

from .files import FILES, KINDS, pack, read_tree, refuse


@pytest.mark.parametrize("kind", KINDS)
def test_archives_are_unpacked_once_below_their_hash(here: Path, kind: str) -> None:
    archive = pack(here / f"set.{kind}", FILES, ("set", "set/empty"))
    top = open_archive(archive, "none", "none")
    assert top == UNPACKED / hash_file(archive) / "set"
    assert {f"set/{name}": content for name, content in read_tree(top).items()} == FILES
    assert (top / "empty").is_dir()
    before = [path.stat().st_mtime_ns for path in sorted(top.rglob("*"))]
    assert open_archive(archive, "none", hash_file(archive)) == top
    assert [path.stat().st_mtime_ns for path in sorted(top.rglob("*"))] == before
    assert [path.name for path in UNPACKED.iterdir()] == [hash_file(archive)]


def pack_on_windows(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename, info.create_system = name, 0
            archive.writestr(info, b"" if name.endswith("\\") else b"picture")
    return path


def test_backslashes_of_windows_divide_folders(here: Path) -> None:
    """As .NET's ZipFile.CreateFromDirectory wrote them."""
    names = ["set\\", "set\\cat\\1.jpg", "set\\L\u00f6we\\2.jpg", "set\\Thumbs.db"]
    top = open_archive(pack_on_windows(here / "set.zip", names), "none", "none")
    assert top.name == "set" and sorted(read_tree(top)) == ["L\u00f6we/2.jpg", "Thumbs.db", "cat/1.jpg"]


@pytest.mark.parametrize("name", ["..\\evil", "set\\..\\..\\evil", "\\evil", "C:\\evil", "set/a\\evil"])
def test_backslashes_of_windows_lead_nowhere_else(here: Path, name: str) -> None:
    refuse(pack_on_windows(here / "set.zip", ["set\\a.jpg", name]), "may leave the folder")


def test_the_content_tells_the_kind_and_not_the_name(here: Path) -> None:
    for number, kind in enumerate(KINDS):
        archive = pack(here / f"set.{kind}", {**FILES, "set/n": bytes([number])})
        renamed = archive.rename(here / f"{kind}.dat")
        assert len(read_tree(open_archive(renamed, "none", "none"))) == 5


def test_a_folder_is_itself(here: Path) -> None:
    (here / "pictures").mkdir()
    assert open_archive(here / "pictures", "none", "none") == here / "pictures"
    with pytest.raises(SourceError, match=r"sha256 is of an archive, but .*pictures is a folder"):
        open_archive(here / "pictures", "none", "0" * 64)


def test_urls_are_fetched_checked_and_unpacked(here: Path) -> None:
    archive = pack(here / "set.zip", FILES)
    sha256 = hash_file(archive)
    top = open_archive(here / "nowhere", archive.as_uri(), sha256)
    assert len(read_tree(top)) == 4
    archive.unlink()
    assert open_archive(here / "nowhere", archive.as_uri(), sha256) == top  # it is there already
    refusal = "dataset.sha256 is none"
    with pytest.raises(SourceError, match=refusal):
        open_archive(here / "nowhere", archive.as_uri(), "none")


def test_missing_and_wrong_files_are_named(here: Path) -> None:
    assert "gone.zip does not exist" in refuse(here / "gone.zip", "gone.zip")
    archive = pack(here / "set.zip", FILES)
    message = refuse(archive, "has the SHA-256", sha256="0" * 64)
    assert hash_file(archive) in message and "0" * 64 in message
    for content, what in (
        (b"", "no archive"),
        (b"hello" * 200, "no archive"),
        (b"7z\xbc\xaf\x27\x1c" + b"0" * 99, "a 7z file"),
        (b"Rar!\x1a\x07" + b"0" * 99, "a rar file"),
        (b"\x28\xb5\x2f\xfd" + b"0" * 99, "a zstd file"),
        (gzip.compress(b"no tar" * 500), "damaged or cut off"),
    ):
        (here / "odd.bin").write_bytes(content)
        refuse(here / "odd.bin", f"odd.bin: it is {what}")


# The only folder


@pytest.mark.parametrize(
    "names, top",
    [
        (["set/cat/1.jpg", "set/dog/1.jpg"], "set"),
        (["VOCdevkit/VOC2007/JPEGImages/1.jpg", "VOCdevkit/VOC2007/Annotations/1.xml"], "VOCdevkit/VOC2007"),
        (["cat/1.jpg", "dog/1.jpg"], ""),
        (["cat/1.jpg", "cat/2.PNG"], ""),  # the only class
        (["set/cat/1.jpg"], "set"),  # the only class, in a folder
        (["cat/1.jpg", "__MACOSX/cat/._1.jpg", ".DS_Store"], ""),
        (["set/a/1.jpg", "set/b/1.jpg", "__MACOSX/set/._a"], "set"),
        (["export/1.jpg", "export/via.json"], "export"),  # labels beside pictures: no class
        (["set/pixels.npy", "set/labels.npy"], "set"),
        (["train/cat/1.jpg", "train/dog/1.jpg"], ""),
        (["set/train/cat/1.jpg"], "set"),
        (["set/cat/.hidden", "set/cat/1.jpg"], "set"),
        (["1.jpg"], ""),
        (["a/b/c/data.csv"], "a/b/c"),
    ],
)
def test_the_top_is_where_the_data_set_begins(here: Path, names: list[str], top: str) -> None:
    archive = pack(here / "set.zip", dict.fromkeys(names, b"x"))
    assert open_archive(archive, "none", "none") == UNPACKED / hash_file(archive) / top
    assert find_top(UNPACKED / hash_file(archive)) == UNPACKED / hash_file(archive) / top
