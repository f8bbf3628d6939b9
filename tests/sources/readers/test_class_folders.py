"""Class folders as people really keep them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.sources.catalog import open_source
from glasshouse.sources.example import Example, SourceError
from glasshouse.sources.readers.class_folders import ClassFolders, sort_naturally


def lay_out(root: Path, names: list[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def list_names(root: Path) -> list[str]:
    return [example.file_name for example in ClassFolders(root)]


def test_examples_carry_bytes_relative_name_and_label(tmp_path: Path) -> None:
    source = ClassFolders(lay_out(tmp_path, ["rose/a.jpg", "daisy/a.jpg"]))
    assert source.categories == ("daisy", "rose")
    assert list(source) == [
        Example("daisy/a.jpg", b"daisy/a.jpg", "daisy"),
        Example("rose/a.jpg", b"rose/a.jpg", "rose"),
    ]
    assert len(source) == 2 and list(source) == list(source)


def test_order_is_natural_and_nested_files_come_along(tmp_path: Path) -> None:
    names = ["a/10.jpg", "a/2.jpg", "a/01.jpg", "a/1.jpg", "a/sub/3.jpg", "a/Z.jpg", "a/deep/er/4.jpg"]
    assert list_names(lay_out(tmp_path, names)) == [
        "a/01.jpg", "a/1.jpg", "a/2.jpg", "a/10.jpg", "a/Z.jpg", "a/deep/er/4.jpg", "a/sub/3.jpg"
    ]  # fmt: skip


def test_order_is_not_the_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{label}/{sub}{number}.jpg" for label in "cab" for sub in ("", "s/") for number in (3, 12, 1)]
    expected = list_names(lay_out(tmp_path, names))
    walk, iterdir = os.walk, Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(iterdir(self), reverse=True)))
    monkeypatch.setattr(
        os,
        "walk",
        lambda *a, **k: ((place, inner, sorted(files)[::-1]) for place, inner, files in walk(*a, **k)),
    )
    assert list_names(tmp_path) == expected
    assert len(expected) == len(names)


def test_junk_is_passed_over_and_everything_else_is_offered(tmp_path: Path) -> None:
    junk = [
        "a/.DS_Store",
        "a/Thumbs.db",
        "a/desktop.ini",
        "a/._1.jpg",
        "a/.cache/x.jpg",
        "__MACOSX/a/1.jpg",
        ".git/x",
    ]
    kept = ["a/1.jpg", "a/notes.txt", "a/text.jpg", "a/noending"]
    assert sorted(list_names(lay_out(tmp_path, junk + kept))) == sorted(kept)
    assert ClassFolders(tmp_path).categories == ("a",)


def test_a_licence_beside_the_class_folders_does_no_harm(tmp_path: Path) -> None:
    assert list_names(lay_out(tmp_path, ["LICENSE.txt", "a/1.jpg"])) == ["a/1.jpg"]


def test_unicode_names_are_composed(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "größe/blüte é.jpg")
    source = ClassFolders(lay_out(tmp_path, [apart]))
    (example,) = source
    assert example.file_name == unicodedata.normalize("NFC", apart)
    assert source.categories == ("größe",) and example.label == "größe"


def test_names_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    lay_out(tmp_path, ["a/1.jpg"])
    (tmp_path / "a" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    with pytest.raises(SourceError, match=r"caf.*UTF-8"):
        ClassFolders(tmp_path)


def test_links_are_followed_and_a_loop_ends(tmp_path: Path) -> None:
    lay_out(tmp_path, ["far/b/2.jpg", "data/a/1.jpg"])
    (tmp_path / "data/a/linked").symlink_to(tmp_path / "far/b")
    (tmp_path / "data/a/round").symlink_to(tmp_path / "data/a")
    (tmp_path / "data/z").symlink_to(tmp_path / "far/b")
    assert list_names(tmp_path / "data") == ["a/1.jpg", "a/linked/2.jpg", "z/2.jpg"]


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "no sub-folders"),
        (["LICENSE.txt"], "no sub-folders"),
        (["1.jpg", "2.PNG", "a/1.jpg"], r"2 pictures outside any class folder \(1.jpg, 2.PNG\)"),
        (["a/1.jpg", "b/.DS_Store"], "without pictures.*b"),
    ],
)
def test_wrong_layouts_say_what_to_do(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        ClassFolders(lay_out(tmp_path, names))


def test_missing_folder_and_file_instead_of_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere does not exist"):
        ClassFolders(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match=r"file is a file"):
        ClassFolders(tmp_path / "file")


@given(st.lists(st.text("ab019./", max_size=6), max_size=8))
def test_natural_order_tells_every_two_names_apart(names: list[str]) -> None:
    keys = [sort_naturally(name) for name in names]
    assert len({str(key) for key in keys}) == len(set(names))
    assert sorted(keys) == [sort_naturally(name) for name in sorted(sorted(names), key=sort_naturally)]


def test_catalog_opens_folders_and_names_what_it_does_not_know(tmp_path: Path) -> None:
    lay_out(tmp_path, ["a/1.jpg"])
    dataset = SimpleNamespace(source="folder", path=str(tmp_path), format="class_folders")
    assert open_source(dataset, 7).categories == ("a",)
    for wrong in (SimpleNamespace(source="magic"), SimpleNamespace(source="folder", path=".", format="zip")):
        with pytest.raises(SourceError, match=r"magic|zip"):
            open_source(wrong, 7)


def test_catalog_opens_blooms_that_repeat_themselves() -> None:
    dataset = SimpleNamespace(source="blooms", blooms=SimpleNamespace(pictures=2, size_px=32))
    first, again = (list(open_source(dataset, 7)) for _ in range(2))
    assert len(first) == 2 and first == again
    assert first != list(open_source(dataset, 8))
