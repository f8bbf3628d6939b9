"""Pascal VOC's files: XML that is not safe or not whole, and which picture each belongs to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from glasshouse.readers.voc import read
from glasshouse.sources.voc import xml_tree

from .files import SOUND, add, annotate, name_faults, only_fault, write

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [\n<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>\n<annotation><filename>&j;</filename></annotation>"
)


@pytest.mark.parametrize(
    "text, place, said",
    [
        ("<annotation>\n<object>\n</annotation>", "line 3", "mismatched tag"),
        ("", "line 1", "no element found"),
        ("half <", "line 1", "not well-formed"),
        ("<svg/>", "line 1", "<svg>"),
        (LAUGHS, "line 2", "entity 'a'"),
        (
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
            "line 1",
            "'x'",
        ),
        ('<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]><annotation/>', "line 1", "'x'"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><annotation>&x;</annotation>', "line 1", "'x'"),
        ('<?xml version="1.0" encoding="gb2312"?><annotation/>', "line 1", "encoding"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "line 1", "encoding"),
        ("<annotation>" + "<a>" * 500, "line 1", "deep"),
    ],
)
def test_files_that_are_no_safe_xml_are_set_aside_with_their_picture(
    tmp_path: Path, text: str, place: str, said: str
) -> None:
    add(tmp_path, "a", SOUND)
    add(tmp_path, "b", SOUND)
    write(tmp_path, "Annotations/b.xml", text)
    source = read(tmp_path, ())
    assert [file.file_name for file in source.files] == ["JPEGImages/a.jpg"]
    fault = only_fault(source)
    assert (fault.file_name, fault.place, fault.kind) == ("Annotations/b.xml", place, "annotation_unreadable")
    assert fault.picture == "JPEGImages/b.jpg" and fault.action == "set_aside" and said in fault.reason


def test_an_xml_whose_picture_is_missing_labels_no_picture_of_another_folder(tmp_path: Path) -> None:
    add(tmp_path / "one", "a", SOUND)
    add(tmp_path / "one", "b", SOUND)
    write(tmp_path, "two/JPEGImages/a.jpg")
    (tmp_path / "one/JPEGImages/a.jpg").unlink()
    source = read(tmp_path, ())
    assert [file.file_name for file in source.files] == ["one/JPEGImages/b.jpg"]
    missing, unlabelled = sorted(source.faults, key=lambda fault: fault.file_name)
    assert (missing.file_name, missing.kind) == ("one/Annotations/a.xml", "picture_missing")
    assert (unlabelled.file_name, unlabelled.kind) == ("two/JPEGImages/a.jpg", "annotation_missing")


def test_a_doctype_without_entities_and_other_encodings_are_read(tmp_path: Path) -> None:
    text = annotate(("Blüte & Knospe", (11, 21, 30, 40)))
    for stem, encoding in (("a", "utf-16"), ("b", "latin-1"), ("c", "utf-8-sig"), ("d", "cp1252")):
        declared = "utf-8" if encoding == "utf-8-sig" else encoding
        add(tmp_path, stem)
        head = f'<?xml version="1.0" encoding="{declared}"?><!DOCTYPE annotation>\n'
        write(tmp_path, f"Annotations/{stem}.xml", (head + text).encode(encoding))
    source = read(tmp_path, ())
    assert source.categories == ("Blüte & Knospe",) and source.faults == () and len(source) == 4


def test_a_file_beyond_all_measure_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(tmp_path, "a", SOUND)
    add(tmp_path, "b", SOUND, SOUND, SOUND)
    monkeypatch.setattr(xml_tree, "MAX_BYTES", 300)
    assert "at most 300" in only_fault(read(tmp_path, ())).reason


def test_unreadable_xml_is_set_aside(tmp_path: Path) -> None:
    add(tmp_path, "a", SOUND)
    write(tmp_path, "JPEGImages/b.jpg")
    (tmp_path / "Annotations/b.xml").symlink_to(tmp_path / "nowhere.xml")
    fault = only_fault(read(tmp_path, ()))
    assert "cannot be read" in fault.reason and fault.picture == "JPEGImages/b.jpg"


def test_the_xmls_own_name_counts_before_a_stale_filename(tmp_path: Path) -> None:
    add(tmp_path, "a", SOUND, name="a.jpg")
    add(tmp_path, "b", SOUND, name="a.jpg")  # renamed with its picture, as people do
    add(tmp_path, "c", SOUND, name="gone.jpg")
    add(tmp_path, "d", SOUND, name="D:\\photos\\d.JPG")
    add(tmp_path, "e", SOUND, name="e")  # early LabelImg wrote no suffix
    source = read(tmp_path, ())
    assert len(source) == 5 and all(len(file.objects) == 1 for file in source.files)
    assert name_faults(source) == [
        ("Annotations/b.xml", "", "filename_differs", "repaired"),
        ("Annotations/c.xml", "", "filename_differs", "repaired"),
    ]


def test_filename_counts_where_no_picture_has_the_xmls_name(tmp_path: Path) -> None:
    write(tmp_path, "photos/a b.jpg")
    write(tmp_path, "labels/7.xml", annotate(SOUND, name="a b.jpg"))
    write(tmp_path, "labels/8.xml", annotate(SOUND, name="gone.jpg"))
    write(tmp_path, "labels/9.xml", annotate(SOUND))
    source = read(tmp_path, ())
    assert [file.file_name for file in source.files] == ["photos/a b.jpg"]
    assert name_faults(source) == [
        ("labels/8.xml", "", "picture_missing", "set_aside"),
        ("labels/9.xml", "", "picture_missing", "set_aside"),
    ]
    assert "gone.jpg" in source.faults[0].reason


def test_oxfords_trimaps_are_no_pictures(tmp_path: Path) -> None:
    for stem in ("Abyssinian_1", "beagle_2"):
        write(tmp_path, f"images/{stem}.jpg")
        write(tmp_path, f"annotations/trimaps/{stem}.png")
        write(tmp_path, f"annotations/trimaps/._{stem}.png")
    write(tmp_path, "annotations/xmls/Abyssinian_1.xml", annotate(SOUND, name="Abyssinian_1.jpg"))
    source = read(tmp_path, ())
    assert [file.file_name for file in source.files] == ["images/Abyssinian_1.jpg"]
    assert name_faults(source) == [("images/beagle_2.jpg", "", "annotation_missing", "set_aside")]


def test_two_suffixes_are_told_apart_by_filename_or_not_at_all(tmp_path: Path) -> None:
    for stem, name in (("a", "a.png"), ("b", "")):
        write(tmp_path, f"{stem}.jpg")
        write(tmp_path, f"{stem}.png")
        write(tmp_path, f"{stem}.xml", annotate(SOUND, name=name))
    source = read(tmp_path, ())
    assert [file.file_name for file in source.files] == ["a.png"]
    assert Counter(fault.kind for fault in source.faults) == {"annotation_missing": 3, "picture_missing": 1}
    assert any("b.jpg, b.png" in fault.reason for fault in source.faults)


def test_two_annotations_of_one_picture_cost_only_that_picture(tmp_path: Path) -> None:
    add(tmp_path, "a", SOUND)
    add(tmp_path, "b", SOUND)
    write(tmp_path, "Annotations/copy of b.xml", annotate(("tulip", (5, 5, 9, 9)), name="b.jpg"))
    source = read(tmp_path, ())
    assert [file.file_name for file in source.files] == ["JPEGImages/a.jpg"] and source.categories == (
        "rose",
    )
    assert name_faults(source) == [
        ("Annotations/b.xml", "", "annotation_twice", "set_aside"),
        ("Annotations/copy of b.xml", "", "annotation_twice", "set_aside"),
    ]
    assert {fault.picture for fault in source.faults} == {"JPEGImages/b.jpg"}


def test_one_base_name_in_two_folders_in_every_layout(tmp_path: Path) -> None:
    names = [
        "JPEGImages/one/1.jpg",
        "JPEGImages/two/1.jpg",
        "VOC2012/JPEGImages/1.jpg",
        "train/1.jpg",
        "été ü/1.jpg",
    ]
    labels = [
        "Annotations/one/1.xml",
        "Annotations/two/1.xml",
        "VOC2012/Annotations/1.xml",
        "train/1.xml",
        "été ü/1.xml",
    ]
    for number, (name, label) in enumerate(zip(names, labels, strict=True)):
        write(tmp_path, name)
        write(tmp_path, label, annotate((f"c{number}", (11, 21, 30, 40)), name="1.jpg"))
    source = read(tmp_path, ())
    assert {file.file_name: file.objects[0].label for file in source.files} == {
        name: f"c{number}" for number, name in enumerate(names)
    }
    assert source.faults == ()
