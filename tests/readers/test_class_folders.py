"""Class folders as people really keep them."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.readers.class_folders import read
from glasshouse.sources.catalog import open_source
from glasshouse.sources.example import Example, SourceError
from glasshouse.sources.listing import sort_naturally, spell


def lay_out(root: Path, names: list[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def list_names(root: Path) -> list[str]:
    return [example.file_name for example in read(root, ())]


def test_examples_carry_bytes_relative_name_and_label(tmp_path: Path) -> None:
    source = read(lay_out(tmp_path, ["rose/a.jpg", "daisy/a.jpg"]), ())
    assert source.categories == ("daisy", "rose")
    assert list(source) == [
        Example("daisy/a.jpg", b"daisy/a.jpg", "daisy"),
        Example("rose/a.jpg", b"rose/a.jpg", "rose"),
    ]
    assert len(source) == 2 and list(source) == list(source)


def test_two_class_folders_of_one_look_hide_no_pictures(tmp_path: Path) -> None:
    lay_out(tmp_path, ["caf\u00e9/1.jpg", "cafe\u0301/2.jpg", "tea/3.jpg"])
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system takes both forms for one name")
    with pytest.raises(SourceError, match=r"two 'café'.*Unicode form"):
        read(tmp_path, ())


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
        "._2.jpg",
        "__MACOSX/a/1.jpg",
        ".git/x",
    ]
    kept = ["a/1.jpg", "a/notes.txt", "a/text.jpg", "a/noending"]
    assert sorted(list_names(lay_out(tmp_path, junk + kept))) == sorted(kept)
    assert read(tmp_path, ()).categories == ("a",)


def test_a_licence_beside_the_class_folders_does_no_harm(tmp_path: Path) -> None:
    assert list_names(lay_out(tmp_path, ["LICENSE.txt", "a/1.jpg"])) == ["a/1.jpg"]


def test_unicode_names_are_composed(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "größe/blüte é.jpg")
    source = read(lay_out(tmp_path, [apart]), ())
    (example,) = source
    assert example.file_name == unicodedata.normalize("NFC", apart)
    assert source.categories == ("größe",) and example.label == "größe"


def test_names_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    lay_out(tmp_path, ["a/1.jpg"])
    (tmp_path / "a" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    with pytest.raises(SourceError, match=r"caf.*UTF-8"):
        read(tmp_path, ())


def test_links_to_files_are_followed_and_the_folder_itself_may_be_one(tmp_path: Path) -> None:
    lay_out(tmp_path, ["far/2.jpg", "data/a/1.jpg"])
    (tmp_path / "data/a/linked.jpg").symlink_to(tmp_path / "far/2.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert list_names(tmp_path / "link") == ["a/1.jpg", "a/linked.jpg"]


@pytest.mark.parametrize("link, target", [("z", "far/b"), ("a/linked", "far/b"), ("a/round", "data/a")])
def test_links_to_folders_are_refused(tmp_path: Path, link: str, target: str) -> None:
    """DVC takes no digest of what lies behind: a change there would re-run nothing."""
    lay_out(tmp_path, ["far/b/2.jpg", "data/a/1.jpg"])
    (tmp_path / "data" / link).symlink_to(tmp_path / target)
    with pytest.raises(SourceError, match=f"data/{link} is a link to a folder"):
        read(tmp_path / "data", ())


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "no sub-folders"),
        (["LICENSE.txt"], "no sub-folders"),
        (
            ["1.jpg", "2.PNG", "a/1.jpg"],
            r"2 pictures outside any class folder \(1.jpg, 2.PNG\).*dataset.format",
        ),
        (["a/1.jpg", "b/.DS_Store"], "without pictures.*b"),
    ],
)
def test_wrong_layouts_say_what_to_do(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(lay_out(tmp_path, names), ())


@pytest.mark.parametrize(
    "names, message",
    [
        (["images/a.jpg", "annotations/a.xml"], "images/ is where other layouts keep their pictures"),
        (["JPEGImages/a.jpg", "Annotations/a.xml"], "JPEGImages/ is where .* name another dataset.format"),
        (
            ["images/rose/a.jpg", "meta/train.txt"],
            "images/ .* If it holds the class folders, set dataset.path",
        ),
        (["train/images/a.jpg", "train/labels/a.txt"], "images/ is where other layouts"),
        (["train/n1/images/a.jpg", "val/images/b.jpg"], "images/ is where other layouts"),
        (
            ["seg_train/seg_train/rose/a.jpg", "seg_test/seg_test/rose/b.jpg"],
            "seg_test/, seg_train/ are parts",
        ),
        (["train/seg_train/rose/a.jpg", "test/seg_test/rose/b.jpg"], "seg_test/, seg_train/ are parts"),
        (["train2017/a.jpg", "val2017/b.jpg", "annotations/c.json"], "train2017/, val2017/ are parts"),
        (["train/a.jpg", "test/b.jpg", "docs/c.jpg"], "test/, train/ are parts of a data set"),
        (["val/cat/1.jpg", "test/cat/2.jpg"], "test/, val/ are parts of a data set"),
        (["Pets/cat/1.jpg", "Pets/dog/1.jpg"], r"Pets/, .* \(cat, dog\): .* set dataset.path to .*/Pets,"),
        (["a/a/banana/1.jpg", "a/a/dog/1.jpg"], r"a/, .* \(banana, dog\): .* set dataset.path to .*/a/a,"),
        (["train/x/cat/1.jpg", "test/x/dog/1.jpg"], r"x/, .* \(cat, dog\): .* move them out of x/"),
    ],
)
def test_folders_of_other_layouts_are_no_classes(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(lay_out(tmp_path, names), ())


@pytest.mark.parametrize(
    "names",
    [
        ["rose/1.jpg", "rose/close-up/2.jpg"],
        ["rose/wild/1.jpg"],
        ["test tube/1.jpg", "train station/2.jpg"],
        ["test 1/1.jpg", "train 2/2.jpg"],
        ["train/1.jpg"],
    ],
)
def test_classes_that_only_look_like_another_layout(tmp_path: Path, names: list[str]) -> None:
    assert list_names(lay_out(tmp_path, names)) == names


def test_missing_folder_and_file_instead_of_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere does not exist"):
        read(tmp_path / "nowhere", ())
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match=r"file is a file"):
        read(tmp_path / "file", ())


SPLITS = ["train/cat/1.jpg", "train/dog/1.jpg", "test/dog/2.jpg", "val/cat/10.jpg", "val/cat/9.jpg"]


def test_folders_of_splits(tmp_path: Path) -> None:
    source = read(lay_out(tmp_path, SPLITS), ())
    assert source.categories == ("cat", "dog")
    assert [(file.file_name, file.label, file.split) for file in source.files] == [
        ("train/cat/1.jpg", "cat", "train"),
        ("train/dog/1.jpg", "dog", "train"),
        ("val/cat/9.jpg", "cat", "valid"),
        ("val/cat/10.jpg", "cat", "valid"),
        ("test/dog/2.jpg", "dog", "test"),
    ]
    (tmp_path / "test/cat").mkdir()
    assert read(tmp_path, ()) == source


@pytest.mark.parametrize(
    "names, message",
    [
        ([*SPLITS, "docs/x/1.jpg"], r"folders of splits \(.*train/.*\) and others beside them \(docs/\)"),
        ([*SPLITS, "valid/cat/1.jpg"], "two folders of .* mean one split: .*val.*valid"),
        ([*SPLITS, "train/loose.jpg"], "train holds 1 pictures outside any class folder"),
        ([*SPLITS, "1.jpg", "test/3.jpg"], "outside any class folder"),
        ([*SPLITS, "val/bird/.DS_Store"], "without pictures in any split of .*: bird"),
        (["train/1.jpg", "test/1.jpg"], "are splits without class folders"),
        ([*SPLITS, "validation/.hidden"], "two folders"),
    ],
)
def test_folders_of_splits_that_say_too_little(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(lay_out(tmp_path, names), ())


def test_a_class_of_trains_is_no_split(tmp_path: Path) -> None:
    source = read(lay_out(tmp_path, ["train/steam/1.jpg", "bus/1.jpg", "car/1.jpg"]), ())
    assert source.categories == ("bus", "car", "train")
    assert {file.split for file in source.files} == {None}


def test_classes_are_ordered_and_checked(tmp_path: Path) -> None:
    lay_out(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
    assert read(tmp_path, ("dog", "cat", "bird")).categories == ("dog", "cat", "bird")
    with pytest.raises(SourceError, match=r"class folder dog/: label 'dog' .* Did you mean 'dogs'"):
        read(tmp_path, ("cat", "dogs"))


def test_a_file_that_cannot_be_read_says_so_and_the_others_go_on(tmp_path: Path) -> None:
    lay_out(tmp_path, ["a/1.jpg", "a/3.jpg"])
    (tmp_path / "a/2.jpg").symlink_to(tmp_path / "nowhere.jpg")
    one, two, three = read(tmp_path, ())
    assert two.picture == b"" and two.unreadable == "cannot be read: No such file or directory"
    assert one.unreadable is None and three.picture == b"a/3.jpg"


NAME = st.text("ab é_1-", min_size=1, max_size=5).filter(lambda name: name.strip() == name)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAME, st.sets(NAME, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_is_written_is_read(content: dict[str, set[str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        names = [f"{label}/{name}.jpg" for label, inner in content.items() for name in inner]
        found = list(read(lay_out(Path(place), names), ()))
    assert {
        (spell(label), spell(f"{label}/{name}.jpg")) for label, inner in content.items() for name in inner
    } == {(example.label, example.file_name) for example in found}
    assert len(found) == len(names) and all(
        spell(example.picture.decode()) == example.file_name for example in found
    )


@given(st.lists(st.text("ab019./", max_size=6), max_size=8))
def test_natural_order_tells_every_two_names_apart(names: list[str]) -> None:
    keys = [sort_naturally(name) for name in names]
    assert len({str(key) for key in keys}) == len(set(names))
    assert sorted(keys) == [sort_naturally(name) for name in sorted(sorted(names), key=sort_naturally)]


def test_catalog_opens_folders_with_their_groups(tmp_path: Path) -> None:
    lay_out(tmp_path, ["a/1.jpg"])
    (tmp_path / "groups.csv").write_text("file_name,group\na/1.jpg,x\n")
    dataset = SimpleNamespace(
        source="folder", path=str(tmp_path), format="class_folders", url="none", sha256="none", classes=()
    )
    source = open_source(dataset, 7)
    assert source.categories == ("a",) and [example.group for example in source] == ["x"]


def test_catalog_opens_blooms_that_repeat_themselves() -> None:
    dataset = SimpleNamespace(source="blooms", blooms=SimpleNamespace(pictures=2, size_px=32))
    first, again = (list(open_source(dataset, 7)) for _ in range(2))
    assert len(first) == 2 and first == again
    assert first != list(open_source(dataset, 8))
