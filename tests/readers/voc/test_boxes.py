"""Pascal VOC as the devkit, LabelImg and Roboflow write it: boxes, flags, sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.readers.voc import count_from_zero, read

from .files import SOUND, add, describe, name_faults, only_fault, write


def test_pixels_from_one_become_edges(tmp_path: Path) -> None:
    # Pixels 11..30, counted from 1, both ends included, are 20 pixels: edges 10..30.
    add(tmp_path, "a", SOUND)
    source = read(tmp_path, ())
    (file,) = source.files
    assert source.categories == ("rose",) and source.faults == ()
    assert file.file_name == "JPEGImages/a.jpg" and file.labelled_size == (80, 100) and file.label is None
    (item,) = file.objects
    assert item.box_xyxy_px == (10, 20, 30, 40) and not item.is_crowd
    assert item.origin == "Annotations/a.xml, object 1 (line 4)"
    assert [example.picture for example in source] == [b"picture"]


def test_a_box_over_the_whole_picture_covers_it_exactly(tmp_path: Path) -> None:
    add(tmp_path, "a", ("rose", (1, 1, 100, 80)))
    assert read(tmp_path, ()).files[0].objects[0].box_xyxy_px == (0, 0, 100, 80)


@pytest.mark.parametrize(
    "stored, edges",
    [
        ((11, 30), (10, 30)),
        ((11, 11), (11, 11)),
        ((30, 11), (30, 10)),
        ((-4, 30), (-5, 30)),
        ((0, 30), (0, 30)),
    ],
)
def test_first_and_last_pixel_become_edges(stored: tuple[float, float], edges: tuple[float, float]) -> None:
    # Reversed 30..11 is 11..30 swapped: once put right, 10..30.
    assert count_from_zero(*stored) == edges


def test_a_set_numbered_from_zero_stays_as_it_is(tmp_path: Path) -> None:
    add(tmp_path, "a", ("rose", (0, 0, 30, 40)), ("rose", (0, 5, 100, 80)), ("rose", (1, 5, 9, 9)))
    source = read(tmp_path, ())
    assert [item.box_xyxy_px for item in source.files[0].objects] == [
        (0, 0, 30, 40),
        (0, 5, 100, 80),
        (1, 5, 9, 9),
    ]
    assert source.faults == ()


def test_few_zeros_among_ones_are_a_mix_that_is_counted_once(tmp_path: Path) -> None:
    add(tmp_path, "a", ("rose", (1, 1, 30, 40)))
    add(tmp_path, "b", ("rose", (1, 7, 30, 40)), ("rose", (0, 9, 30, 40)))
    source = read(tmp_path, ())
    assert [item.box_xyxy_px for item in source.files[1].objects] == [(0, 6, 30, 40), (0, 8, 30, 40)]
    fault = only_fault(source)
    assert (fault.kind, fault.action) == ("numbering_mixed", "repaired")
    assert (fault.file_name, fault.place) == ("Annotations/b.xml", "object 2 (line 6)")
    assert "1 corners lie at 0" in fault.reason and "3 at 1" in fault.reason


def test_difficult_is_crowd_and_parts_are_passed_over(tmp_path: Path) -> None:
    part = f"<part><name>head</name><bndbox>{'<xmin>1</xmin>'}</bndbox></part>"
    flags = [f"<difficult>{flag}</difficult><truncated>1</truncated>{part}" for flag in ("0", "1", "", "2")]
    add(tmp_path, "a", *(describe("cat", (11, 21, 30, 40), flag) for flag in flags))
    source = read(tmp_path, ())
    assert [item.is_crowd for item in source.files[0].objects] == [False, True, False, False]
    assert source.categories == ("cat",)
    assert name_faults(source) == [
        ("Annotations/a.xml", "object 4 (line 10)", "difficult_unknown", "repaired")
    ]


def test_vocs_own_order_of_tags_and_fractions(tmp_path: Path) -> None:
    box = "<xmax>30.5</xmax><xmin>1e1</xmin><ymax>4</ymax><ymin> 2. </ymin>"
    add(tmp_path, "a", f"<object><bndbox>{box}</bndbox><name>x</name></object>")
    assert read(tmp_path, ()).files[0].objects[0].box_xyxy_px == (9, 1, 30.5, 4)


@pytest.mark.parametrize(
    "broken, kind, said",
    [
        (describe("", (1, 2, 3, 4)), "label_missing", "<name>"),
        ("<object><bndbox/></object>", "label_missing", "<name>"),
        ("<object><name>rose</name><polygon/></object>", "box_missing", "<polygon>"),
        (
            describe("rose", (1, 2, 3, 4)).replace("</object>", "<bndbox/></object>"),
            "box_twice",
            "2 <bndbox>",
        ),
        (describe("rose", ("", 2, 3, 4)), "coordinate_missing", "<xmin> missing"),
        (describe("rose", (1, 2, "ten", 4)), "coordinate_not_numeric", "<xmax> 'ten'"),
        (describe("rose", (1, 2, "1_0", 4)), "coordinate_not_numeric", "<xmax> '1_0'"),
        (describe("rose", (1, "1,5", 3, 4)), "coordinate_not_numeric", "<ymin> '1,5'"),
    ],
)
def test_broken_objects_are_set_aside_with_their_line(
    tmp_path: Path, broken: str, kind: str, said: str
) -> None:
    add(tmp_path, "a", SOUND, broken, SOUND)
    source = read(tmp_path, ())
    fault = only_fault(source)
    assert (fault.file_name, fault.place, fault.kind) == ("Annotations/a.xml", "object 2 (line 6)", kind)
    assert fault.action == "set_aside" and said in fault.reason and fault.picture == "JPEGImages/a.jpg"
    assert len(source.files[0].objects) == 2


def test_not_a_number_is_passed_on_for_the_guard(tmp_path: Path) -> None:
    add(tmp_path, "a", ("rose", ("nan", 21, "inf", 40)))
    x_min, _, x_max, _ = read(tmp_path, ()).files[0].objects[0].box_xyxy_px
    assert x_min != x_min and x_max == float("inf")


@pytest.mark.parametrize("size", [None, "", "<width>0</width><height>80</height>", "<width>wide</width>"])
def test_without_a_size_the_pictures_own_counts(tmp_path: Path, size: str | None) -> None:
    add(tmp_path, "a", SOUND, size=size)
    source = read(tmp_path, ())
    assert source.files[0].labelled_size is None and len(source.files[0].objects) == 1
    assert (only_fault(source).kind, only_fault(source).action) == ("size_missing", "repaired")


def test_no_object_is_a_negative_and_no_xml_is_a_fault(tmp_path: Path) -> None:
    add(tmp_path, "a", SOUND)
    add(tmp_path, "b")
    write(tmp_path, "JPEGImages/c.jpg")
    write(tmp_path, "SegmentationClass/a.png")
    source = read(tmp_path, ())
    assert [(file.file_name, len(file.objects)) for file in source.files] == [
        ("JPEGImages/a.jpg", 1),
        ("JPEGImages/b.jpg", 0),
    ]
    assert name_faults(source) == [("JPEGImages/c.jpg", "", "annotation_missing", "set_aside")]
