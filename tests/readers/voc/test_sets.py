"""Whole sets in Pascal VOC: splits, classes, written and read back, BCCD, and spoilt anywhere."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.readers.voc import read
from glasshouse.sources.example import SourceError

from .files import BCCD, SOUND, add, annotate, describe, name_faults, write


def test_lists_and_folders_give_the_splits(tmp_path: Path) -> None:
    for stem in ("a", "b", "c", "d", "e f"):
        add(tmp_path, f"{stem}", SOUND)
    write(tmp_path, "ImageSets/Main/train.txt", "\ufeffa\n\nc \n")
    write(tmp_path, "ImageSets/Main/val.txt", "b.jpg 1\r\n")
    write(tmp_path, "ImageSets/Main/test.txt", "e f\n")
    write(tmp_path, "ImageSets/Main/trainval.txt", "a\nb\nc\nd\ngone\n")
    write(tmp_path, "ImageSets/Main/rose_train.txt", "d 1\n")
    for folder in ("train", "valid", "test", "misc"):
        write(tmp_path, f"more/{folder}/x.jpg")
        write(tmp_path, f"more/{folder}/x.xml", annotate(SOUND))
    source = read(tmp_path, ())
    assert {Path(file.file_name).stem: file.split for file in source.files[:5]} == {
        "a": "train", "b": "valid", "c": "train", "d": None, "e f": "test"
    }  # fmt: skip
    assert {Path(file.file_name).parts[1]: file.split for file in source.files[5:]} == {
        "train": "train", "valid": "valid", "test": "test", "misc": None
    }  # fmt: skip
    assert source.faults == ()


def test_lists_speak_of_their_own_devkit(tmp_path: Path) -> None:
    for year, split in (("VOC2007", "train"), ("VOC2012", "test")):
        add(tmp_path / "VOCdevkit" / year, "1", SOUND)
        write(tmp_path, f"VOCdevkit/{year}/ImageSets/Main/{split}.txt", "1\n")
    assert [file.split for file in read(tmp_path, ()).files] == ["train", "test"]


def test_a_name_listed_in_vain_is_counted(tmp_path: Path) -> None:
    add(tmp_path, "a", SOUND)
    write(tmp_path, "ImageSets/Main/val.txt", "a\ngone\n")
    assert name_faults(read(tmp_path, ())) == [
        ("ImageSets/Main/val.txt", "line 2", "listed_picture_missing", "set_aside")
    ]


@pytest.mark.parametrize(
    "lists, message",
    [
        (
            {"train": "a\n", "test": "b\na\n"},
            r"test.txt, line 2.*a.jpg.*train.*line 1|train.txt, line 1.*test",
        ),
        (
            {"train": "1\n"},
            r"train.txt, line 1: '1' could be any of JPEGImages/one/1.jpg, JPEGImages/two/1.jpg",
        ),
        ({"val": b"a\n\xff\n"}, r"val.txt, line 2: not UTF-8"),
    ],
)
def test_lists_that_contradict_themselves_are_critical(
    tmp_path: Path, lists: dict[str, str | bytes], message: str
) -> None:
    for stem in ("a", "b", "one/1", "two/1"):
        add(tmp_path, stem, SOUND)
    for name, text in lists.items():
        write(tmp_path, f"ImageSets/Main/{name}.txt", text)
    with pytest.raises(SourceError, match=message):
        read(tmp_path, ())


def test_classes_give_the_order_and_catch_a_typo(tmp_path: Path) -> None:
    add(tmp_path, "a", ("tulip", (11, 21, 30, 40)), SOUND)
    assert read(tmp_path, ()).categories == ("rose", "tulip")
    assert read(tmp_path, ("tulip", "daisy", "rose")).categories == ("tulip", "daisy", "rose")
    with pytest.raises(SourceError, match=r"Annotations/a.xml, object 1 \(line 4\): label 'tulip'.*'tulips'"):
        read(tmp_path, ("rose", "tulips"))


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "no XML"),
        ({"a.jpg": ""}, "no XML"),
        ({"a.xml": "<annotation/>"}, "none of the XML files.*a.xml: no picture"),
        ({"a.xml": "<annotation>", "a.jpg": ""}, "none of the XML.*a.xml, line 1: not well-formed"),
        ({"a.xml": "<annotation/>", "a.jpg": ""}, "dataset.classes: no XML holds a usable <object>"),
    ],
)
def test_nothing_to_read_is_said(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        write(tmp_path, name, text)
    with pytest.raises(SourceError, match=message):
        read(tmp_path, ())


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        read(tmp_path / "nowhere", ())


WORDS = (
    st.text("abüé 12.", min_size=1, max_size=6).map(str.strip).filter(lambda text: text[:1] not in ("", "."))
)


SIDES = st.tuples(st.integers(1, 90), st.integers(1, 90)).filter(lambda pair: pair[0] + 1 < pair[1])


THINGS = st.lists(
    st.tuples(st.sampled_from(["rose", "a & b", "größe"]), SIDES, SIDES, st.booleans()), max_size=4
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(WORDS, THINGS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_what_is_written_as_voc_is_read_back(pictures: dict[str, list], shuffle: random.Random) -> None:
    with TemporaryDirectory() as place:
        stems = list(pictures)
        shuffle.shuffle(stems)
        for stem in stems:
            parts = [
                describe(label, (x[0] + 1, y[0] + 1, x[1], y[1]), f"<difficult>{int(hard)}</difficult>")
                for label, x, y, hard in pictures[stem]
            ]
            add(Path(place), stem, *parts, name=f"{stem}.jpg")
        source = read(Path(place), ("rose", "a & b", "größe"))
        assert source.faults == () and source == read(Path(place), ("rose", "a & b", "größe"))
    found = {
        file.file_name: [(item.label, item.box_xyxy_px, item.is_crowd) for item in file.objects]
        for file in source.files
    }
    assert found == {
        f"JPEGImages/{stem}.jpg": [(label, (x[0], y[0], x[1], y[1]), hard) for label, x, y, hard in things]
        for stem, things in pictures.items()
    }


def read_plainly(path: Path) -> Sequence[tuple[str, tuple[int, ...]]]:
    return [
        (
            item.findtext("name", ""),
            tuple(int(item.findtext(f"bndbox/{tag}", "")) for tag in ("xmin", "ymin", "xmax", "ymax")),
        )
        for item in ET.parse(path).getroot().findall("object")
    ]


@pytest.mark.skipif(not BCCD.is_dir(), reason="shared/data/bccd_voc is not on this machine")
def test_bccd_agrees_with_a_plain_reading() -> None:
    source = read(BCCD, ())
    assert len(source) == 364 and source.categories == ("Platelets", "RBC", "WBC") and source.faults == ()
    counts = Counter(item.label for file in source.files for item in file.objects)
    assert counts == {"RBC": 4155, "WBC": 372, "Platelets": 361}
    assert Counter(file.split for file in source.files) == {"train": 205, "valid": 87, "test": 72}
    flat = []
    for file in source.files:
        plain = read_plainly(BCCD / "BCCD/Annotations" / f"{Path(file.file_name).stem}.xml")
        for item, (label, (x_min, y_min, x_max, y_max)) in zip(file.objects, plain, strict=True):
            assert item.label == label
            if (x_min, y_min) == (x_max, y_max):
                flat.append(item.origin)
                assert item.box_xyxy_px[:2] == item.box_xyxy_px[2:]
            else:
                assert item.box_xyxy_px == (x_min - 1, y_min - 1, x_max, y_max)
    assert flat == [
        "BCCD/Annotations/BloodImage_00338.xml, object 13 (line 158)",
        "BCCD/Annotations/BloodImage_00343.xml, object 4 (line 50)",
    ]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_whatever_is_done_to_a_file_there_is_a_fault_or_a_data_set(data: st.DataObject) -> None:
    text = bytearray(annotate(SOUND, ("tulip", (1, 2, 3, 4)), name="a.jpg").encode())
    for _ in range(data.draw(st.integers(1, 4))):
        low = data.draw(st.integers(0, len(text)))
        text[low : low + data.draw(st.integers(0, 6))] = data.draw(
            st.binary(max_size=4)
            | st.sampled_from([b"<", b">", b"&a;", b"<object>", b"<!DOCTYPE a [", b"-", b"1e999", b"nan"])
        )
    with TemporaryDirectory() as folder:
        add(Path(folder), "sound", SOUND)
        add(Path(folder), "a")
        write(Path(folder), "Annotations/a.xml", bytes(text))
        source = read(Path(folder), ())
    assert len(source) + sum(fault.kind == "annotation_unreadable" for fault in source.faults) == 2
