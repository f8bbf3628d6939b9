"""groups.csv beside labels of any format."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.sources.example import SourceError
from glasshouse.sources.groups import apply_groups
from glasshouse.sources.labelled import LabelledFile, LabelledFiles

NAMES = ("x/1.jpg", "y/1.jpg", "y/2.jpg", "ä.jpg")


def build(**groups: str) -> LabelledFiles:
    files = (LabelledFile(name, Path(name), "cat", group=groups.get(name[0])) for name in NAMES)
    return LabelledFiles(("cat",), tuple(files))


def group(folder: Path, text: str, **groups: str) -> tuple[list[str | None], list[tuple[str, str]]]:
    (folder / "groups.csv").write_text(text)
    source = apply_groups(build(**groups), folder)
    assert [file.file_name for file in source.files] == list(NAMES)
    return [file.group for file in source.files], [(fault.place, fault.kind) for fault in source.faults]


def test_without_a_file_nothing_changes(tmp_path: Path) -> None:
    source = build()
    assert apply_groups(source, tmp_path) is source


def test_groups_by_path_and_by_the_only_base_name(tmp_path: Path) -> None:
    text = "file_name,group\nx/1.jpg,a\ny\\1.jpg,b\n2.jpg,a\n./ä.jpg,\n2.jpg,a\n"
    assert group(tmp_path, text) == (["a", "b", "a", None], [])


def test_rows_without_picture_are_set_aside(tmp_path: Path) -> None:
    text = "file_name;group\n1.jpg;a\ngone.jpg;a\n../2.png;a\n;a\n2.jpg;b;c\n"
    kinds = [
        "delimiter",
        "picture_missing",
        "picture_missing",
        "picture_missing",
        "picture_missing",
        "field_count",
    ]
    places = ["", "line 2", "line 3", "line 4", "line 5", "line 6"]
    assert group(tmp_path, text) == ([None] * 4, list(zip(places, kinds, strict=True)))


@pytest.mark.parametrize(
    "text, message",
    [
        ("x/1.jpg,a\n", "groups.csv: no header. Expected .*file_name,group; found 'x/1.jpg,a'"),
        ("file_name,x\n", "the column group is missing"),
        ("file_name,group\nx/1.jpg,a\nx/1.jpg,b\n", "x/1.jpg has the group 'a' in line 2 and 'b' in line 3"),
        ("file_name,group\nä.jpg,b\n", "ä.jpg has the group 'b', and 'z' in its labels"),
    ],
)
def test_critical(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        group(tmp_path, text, ä="z")


def test_groups_of_the_labels_stay(tmp_path: Path) -> None:
    assert group(tmp_path, "file_name,group\nä.jpg,z\nx/1.jpg,a\n", ä="z", y="q")[0] == ["a", "q", "q", "z"]
