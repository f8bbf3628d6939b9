"""Pascal VOC as the devkit, LabelImg and Roboflow write it, and as it arrives broken."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.readers.voc import count_from_zero, read
from glasshouse.sources.example import LabelFault, SourceError
from glasshouse.sources.labelled import LabelledFiles
from glasshouse.sources.voc import xml_tree

REPOSITORY = Path(__file__).parents[2]
BCCD = REPOSITORY.parent / "shared/data/bccd_voc"
Corners = tuple[object, object, object, object]
SOUND = ("rose", (11, 21, 30, 40))


def write(root: Path, name: str, text: str | bytes = b"picture") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def describe(label: str, corners: Corners, extra: str = "") -> str:
    x_min, y_min, x_max, y_max = corners
    box = f"<xmin>{x_min}</xmin><ymin>{y_min}</ymin><xmax>{x_max}</xmax><ymax>{y_max}</ymax>"
    return f"<object>\n<name>{escape(label)}</name>{extra}<bndbox>{box}</bndbox></object>"


def annotate(
    *objects: tuple[str, Corners] | str,
    name: str = "",
    size: str | None = "<width>100</width><height>80</height>",
) -> str:
    parts = [item if isinstance(item, str) else describe(*item) for item in objects]
    sized = "" if size is None else f"<size>{size}</size>"
    return "\n".join(["<annotation>", f"<filename>{escape(name)}</filename>", sized, *parts, "</annotation>"])


def add(root: Path, stem: str, *objects: tuple[str, Corners] | str, **keys: str | None) -> None:
    """A picture and its annotation in the devkit's layout."""
    write(root, f"JPEGImages/{stem}.jpg")
    write(root, f"Annotations/{stem}.xml", annotate(*objects, **keys))  # type: ignore[arg-type]


def name_faults(source: LabelledFiles) -> list[tuple[str, str, str, str]]:
    return [(fault.file_name, fault.place, fault.kind, fault.action) for fault in source.faults]


def only_fault(source: LabelledFiles) -> LabelFault:
    (fault,) = source.faults
    return fault


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
