"""Pictures by the names in labels: what is missing stays missing, whatever has its base name elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.sources.example import SourceError
from glasshouse.sources.listing import list_files
from glasshouse.sources.picture_index import PictureIndex


def index(folder: Path, *names: str) -> PictureIndex:
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return PictureIndex(folder)


@pytest.mark.parametrize(
    "label, places, found",
    [
        ("one.jpg", (), "a/one.jpg"),  # the only one of its name
        ("ONE.JPG", (), "a/one.jpg"),
        ("two.jpg", ("b",), "b/two.jpg"),
        ("a/two.jpg", (), "a/two.jpg"),
        (r"b\two.jpg", (), "b/two.jpg"),
        ("/home/ann/pictures/a/two.jpg", (), "a/two.jpg"),  # its folder is here, though two have its name
        (r"C:\pictures\B\two.jpg", (), "b/two.jpg"),
        ("/home/ann/elsewhere/one.jpg", (), "a/one.jpg"),
        ("../a/deep/three.jpg", (), "a/deep/three.jpg"),
        ("a/three.jpg", (), "a/deep/three.jpg"),  # below the folder that it names
        ("photo.heic", (), "photo.heic"),
    ],
)  # fmt: skip
def test_names_that_find_their_picture(
    tmp_path: Path, label: str, places: tuple[str, ...], found: str
) -> None:
    files = ("a/one.jpg", "a/two.jpg", "b/two.jpg", "a/deep/three.jpg", "photo.heic")
    assert index(tmp_path, *files).find(label, *places) == found


@pytest.mark.parametrize(
    "label, places, said",
    [
        ("b/one.jpg", (), "no picture 'b/one.jpg' in b/; .*(a/one.jpg)"),  # b/ is here, and has no one.jpg
        ("/home/ann/b/one.jpg", (), "no picture .* in b/"),
        ("one.jpg", ("b",), "no picture 'one.jpg' in b/"),  # the file with the labels lies in b/
        ("train/images/four.jpg", (), "in train/images/"),  # valid/images/ agrees in one part, this in two
        ("two.jpg", (), "could be any of a/two.jpg, b/two.jpg"),
        ("nine.jpg", (), "there is no picture 'nine.jpg' in the folder"),
        ("a/plain", (), "'a/plain' has no suffix of a picture"),
    ],
)
def test_the_labels_of_a_missing_picture_go_to_no_other(
    tmp_path: Path, label: str, places: tuple[str, ...], said: str
) -> None:
    files = ("a/one.jpg", "a/two.jpg", "b/two.jpg", "a/plain", "train/images/1.jpg", "valid/images/four.jpg")
    with pytest.raises(LookupError, match=said):
        index(tmp_path, *files).find(label, *places)


def test_two_names_of_one_look_hide_no_picture(tmp_path: Path) -> None:
    (tmp_path / "caf\u00e9.jpg").touch()
    (tmp_path / "cafe\u0301.jpg").touch()
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system takes both forms for one name")
    with pytest.raises(SourceError, match=r"two 'café.jpg'.*Unicode form"):
        list_files(tmp_path)
