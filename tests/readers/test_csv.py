"""Tables as people and their spreadsheets write them."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.readers.csv import read
from glasshouse.sources.example import Example, SourceError

BOXES = "file_name,label,x_min_px,y_min_px,x_max_px,y_max_px"


def lay_out(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else (content or name).encode())
    return root


def test_a_table_that_is_called_annotations_counts_beside_one_of_a_split(tmp_path: Path) -> None:
    tables = {"annotations.csv": "file_name,label\na.jpg,cat\n", "train.csv": "file_name,label\nb.jpg,dog\n"}
    source = read(lay_out(tmp_path, {"a.jpg": "", "b.jpg": "", **tables}), ())
    assert [(file.file_name, file.label, file.split) for file in source.files] == [("a.jpg", "cat", None)]
    assert [(fault.kind, fault.picture) for fault in source.faults] == [("not_labelled", "b.jpg")]


def test_classes_of_pictures(tmp_path: Path) -> None:
    text = "file_name,label\n10.jpg,dog\n2.jpg,cat\n"
    source = read(lay_out(tmp_path, {"2.jpg": "", "10.jpg": "", "labels.csv": text}), ())
    assert list(source) == [Example("2.jpg", b"2.jpg", "cat"), Example("10.jpg", b"10.jpg", "dog")]
    assert source.categories == ("cat", "dog") and not source.faults


def test_objects_and_negatives(tmp_path: Path) -> None:
    text = f"{BOXES}\na.jpg,cat,1,2.5,3,4\nb.jpg,,,,,\na.jpg,dog,-1,nan,1e2,4\n"
    source = read(lay_out(tmp_path, {"a.jpg": "", "b.jpg": "", "labels.csv": text}), ())
    first, second = source.files
    assert [thing.label for thing in first.objects] == ["cat", "dog"] and first.label is None
    assert first.objects[0].box_xyxy_px == (1, 2.5, 3, 4)
    assert first.objects[1].origin == "labels.csv, line 4" and first.objects[1].box_xyxy_px[2] == 100
    assert second.objects == () and not source.faults


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("IMAGE,Class,XMin,YMin,XMax,YMax,Set,width,height,note\na.jpg,cat,1,2,3,4,val,9,8,hello\n", []),
        (
            "filename;label;xmin;ymin;xmax;ymax;split;width;height\na.jpg;cat;1;2;3;4;valid;9;8\n",
            ["delimiter"],
        ),
        (
            "path\tlabel\tx1\ty1\tx2\ty2\tsubset\twidth_px\theight_px\r\na.jpg\tcat\t1\t2\t3\t4\tVAL\t9\t8\r\n",
            ["delimiter"],
        ),
        (
            f"\ufeff{BOXES},split,width_px,height_px\n\n a.jpg , cat,1, 2,3,4,validation,9,8\n",
            ["byte_order_mark"],
        ),
        (f'{BOXES},split,width_px,height_px\n"a.jpg","cat","1","2","3","4","valid","9","8"\n', []),
    ],
)
def test_spreadsheets(tmp_path: Path, text: str, kinds: list[str]) -> None:
    source = read(lay_out(tmp_path, {"a.jpg": "", "t.csv": text}), ())
    (file,) = source.files
    assert (file.split, file.labelled_size) == ("valid", (8, 9))
    assert [(thing.label, thing.box_xyxy_px) for thing in file.objects] == [("cat", (1, 2, 3, 4))]
    assert [(fault.kind, fault.action) for fault in source.faults] == [(kind, "repaired") for kind in kinds]


def test_utf_16_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    text = "file_name\tlabel\nä.jpg\tgrün\n".encode("utf-16")
    source = read(lay_out(tmp_path, {"ä.jpg": "", "t.csv": text}), ())
    assert source.categories == ("grün",) and len(source) == 1


@pytest.mark.parametrize(
    "row, kind, words",
    [
        ("a.jpg,cat,1,2,3", "field_count", "5 fields, and the header has 6"),
        ("a.jpg,cat,1,2,3,4,5", "field_count", "7 fields"),
        ('a.jpg,cat,"1,5",2,3,4', "decimal_comma", "x_min_px is '1,5'"),
        ("a.jpg,cat,1,2,3,", "box_incomplete", "y_max_px is empty"),
        ("a.jpg,cat,,,,", "box_incomplete", "x_min_px is empty"),
        ("a.jpg,cat,one,2,3,4", "not_a_number", "'one'"),
        ("a.jpg,cat,1_0,2,3,4", "not_a_number", "'1_0'"),
        ("a.jpg,,1,2,3,4", "label_missing", "no label"),
        ("a.jpg,,1,,,", "label_missing", "no label"),  # no negative: something was meant
        ("gone.jpg,cat,1,2,3,4", "picture_missing", "'gone.jpg'"),
        ("../a2.jpg,cat,1,2,3,4", "picture_missing", "a2"),
        (",cat,1,2,3,4", "picture_missing", "names no picture"),
    ],
)
def test_faulty_rows_are_set_aside_and_the_others_stay(
    tmp_path: Path, row: str, kind: str, words: str
) -> None:
    lay_out(tmp_path, {"a2.jpg": ""})
    text = f"{BOXES}\na.jpg,cat,1,2,3,4\n{row}\na.jpg,cat,1,2,3,5\n"
    source = read(lay_out(tmp_path / "in", {"a.jpg": "", "t.csv": text}), ())
    assert [len(file.objects) for file in source.files] == [2]
    (fault,) = source.faults
    assert (fault.file_name, fault.place, fault.kind, fault.action) == ("t.csv", "line 3", kind, "set_aside")
    assert re.search(words, fault.reason)


def test_rows_of_spaces_are_none_and_empty_groups_hold_nothing_together(tmp_path: Path) -> None:
    text = "file_name,label,group\na.jpg,cat,\n ,  , \nb.jpg,dog,\nc.jpg,dog,x\n"
    source = read(lay_out(tmp_path, {"a.jpg": "", "b.jpg": "", "c.jpg": "", "t.csv": text}), ())
    assert [file.group for file in source.files] == [None, None, "x"] and not source.faults


def test_pictures_without_a_sound_row_are_listed_and_no_negatives(tmp_path: Path) -> None:
    text = f"{BOXES}\na.jpg,cat,1,2,3,4\nb.jpg,cat,1,2,3,x\n"
    source = read(lay_out(tmp_path, {"a.jpg": "", "b.jpg": "", "c.jpg": "", "t.csv": text}), ())
    assert [file.file_name for file in source.files] == ["a.jpg"]
    assert [(fault.file_name, fault.kind) for fault in source.faults] == [
        ("t.csv", "not_a_number"),
        ("b.jpg", "no_row_left"),
        ("c.jpg", "not_labelled"),
    ]


def test_a_row_twice_or_with_a_malformed_size_or_without_label(tmp_path: Path) -> None:
    text = "file_name,label,width,height\na.jpg,cat,,\na.jpg,cat,,\nb.jpg,,,\na.jpg,cat,9,0\n"
    source = read(lay_out(tmp_path, {"a.jpg": "", "b.jpg": "", "t.csv": text}), ())
    assert [(fault.place, fault.kind) for fault in source.faults] == [
        ("line 3", "row_twice"),
        ("line 4", "label_missing"),
        ("line 5", "size_malformed"),
        ("", "no_row_left"),
    ]


HEAD = "file_name,label,split,group\n"


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "holds no table of labels"),
        ({"t.csv": "a.jpg,cat\n"}, r"t.csv: no header. Expected .*file_name,label.*; found 'a.jpg,cat'"),
        ({"t.csv": b"\n"}, "no header.*found ''"),
        ({"t.csv": "file_name\na.jpg\n"}, "the column label is missing"),
        ({"t.csv": "file_name,label,xmin,ymin,xmax\na.jpg,cat,1,2,3\n"}, "the column y_max_px is missing"),
        ({"t.csv": "file_name,label,width\na.jpg,cat,1\n"}, "width_px and height_px go together"),
        ({"t.csv": "file_name,label,Label\na.jpg,cat,cat\n"}, "label and Label .* both mean label"),
        ({"t.csv": "image,filename,label\na.jpg,a.jpg,cat\n"}, "image and filename .* both mean file_name"),
        (
            {"t.csv": "file_name,label,spilt\na.jpg,cat,train\n"},
            "column 'spilt' .* unknown; if it means split",
        ),
        (
            {"t.csv": HEAD + "a.jpg,cat,trian,\n"},
            "t.csv, line 2: split 'trian' is unknown. Did you mean 'train'",
        ),
        (
            {"t.csv": HEAD + "a.jpg,cat,,\na.jpg,dog,,\n"},
            "a.jpg has the label 'cat' in line 2 and 'dog' in line 3",
        ),
        (
            {"t.csv": HEAD + "a.jpg,cat,train,\na.jpg,cat,test,\n"},
            "split 'train' in line 2 and 'test' in line 3",
        ),
        ({"t.csv": HEAD + "a.jpg,cat,,x\na.jpg,cat,,\n"}, "group 'x' in line 2 and 'none' in line 3"),
        (
            {"t.csv": HEAD + "a.jpg,crow,,\n"},
            "t.csv, line 2: label 'crow' is none of dataset.classes. Did you mean 'cow'",
        ),
        ({"t.csv": HEAD + 'a.jpg,"cat,,\n'}, "t.csv: line 2: .*quotation mark"),
        ({"t.csv": b"file_name,label\na.jpg,\xff\n"}, "t.csv is not UTF-8 text .byte 22."),
        ({"t.csv": HEAD + "gone.jpg,cat,,\n"}, "no row of the table .* can be used. The first fault: .*gone"),
        ({"t.csv": HEAD, "u.csv": HEAD}, "several files that could be the table of labels .*: t.csv, u.csv"),
        ({"labels.csv": HEAD, "annotations.csv": HEAD}, "several files"),
        (
            {"train.csv": HEAD + "a.jpg,cat,,\n", "test.csv": HEAD + "a.jpg,cat,,\n"},
            "a.jpg is in test.csv, line 2, and in train.csv, line 2",
        ),
        ({"train.csv": HEAD + "a.jpg,cat,test,\n"}, "train.csv, line 2: split 'test' in the table of train"),
        ({"data/t.csv": HEAD}, "belongs into .* itself, .* Found data/t.csv"),
        ({"t.csv": "image_id,bbox,source\na,1,x\n"}, "column label is missing among image_id, bbox, source"),
        (
            {"t.csv": f"{BOXES}\na.jpg,cat,0.1,0,0.5,1\na.jpg,dog,0.2,0.2,0.4,1.0\n"},
            "t.csv, line 2: this box and all others lie within 0..1: .* pixels are wanted",
        ),
        (
            {"t.csv": 'image,label\na.jpg,"[{""x"": 10.0, ""rectanglelabels"": [""cat""]}]"\n'},
            "t.csv, line 2: the label is JSON .*: export as COCO",
        ),
    ],
)
def test_critical(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(lay_out(tmp_path, {"a.jpg": "", **files}), ("cat", "dog", "cow"))


def test_which_table_is_read(tmp_path: Path) -> None:
    good = "file_name,label\na.jpg,cat\n"
    source = read(
        lay_out(tmp_path / "x", {"a.jpg": "", "labels.csv": good, "o.csv": "x", "groups.csv": "y"}), ()
    )
    assert len(source) == 1 and not source.faults
    files = {
        "train/a.jpg": "",
        "valid/a.jpg": "",
        "train/_annotations.csv": good,
        "valid/_annotations.csv": good,
    }
    source = read(lay_out(tmp_path / "y", files), ())
    assert [(file.file_name, file.split) for file in source.files] == [
        ("train/a.jpg", "train"),
        ("valid/a.jpg", "valid"),
    ]
    files = {"images/a.jpg": "", "images/b.jpg": "", "train.csv": good, "val.csv": good.replace("a", "b", 1)}
    files["val.csv"] = "file_name,label\nb.jpg,cat\n"
    source = read(lay_out(tmp_path / "z", files), ())
    assert [(file.file_name, file.split) for file in source.files] == [
        ("images/a.jpg", "train"),
        ("images/b.jpg", "valid"),
    ]


def test_tables_of_splits_by_a_word_of_their_names(tmp_path: Path) -> None:
    table = "filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,64,48,cat,1,2,30,40\n"
    files = {"images/train/1.jpg": "", "images/val/1.jpg": "", "test/1.jpg": ""}
    tables = {"train_labels.csv": table, "val_labels.csv": table, "test_labels.csv": table}
    source = read(lay_out(tmp_path, {**files, **tables}), ())
    assert not source.faults
    assert {file.file_name: file.split for file in source.files} == {
        "images/train/1.jpg": "train",
        "images/val/1.jpg": "valid",
        "test/1.jpg": "test",
    }


def test_names_as_kaggle_writes_them(tmp_path: Path) -> None:
    files = {"train/0a.b.jpg": "", "train/7.png": "", "test/8.jpg": ""}
    text = "image_id,label\n0a.b,cat\n7,dog\n9,dog\n"
    source = read(lay_out(tmp_path, {**files, "t.csv": text}), ())
    assert [(file.file_name, file.label) for file in source.files] == [
        ("train/0a.b.jpg", "cat"),
        ("train/7.png", "dog"),
    ]
    assert [(fault.kind, fault.place) for fault in source.faults] == [
        ("picture_missing", "line 4"),
        ("not_labelled", ""),
    ]
    (tmp_path / "t.csv").write_text("image_id;filename;label\n7;0a.b.jpg;cat\n")
    assert [file.file_name for file in read(tmp_path, ()).files] == ["train/0a.b.jpg"]


def test_the_same_base_name_in_two_folders(tmp_path: Path) -> None:
    text = "file_name,label\nx/1.jpg,cat\ny/1.jpg,dog\n1.jpg,dog\n"
    source = read(lay_out(tmp_path, {"x/1.jpg": "", "y/1.jpg": "", "t.csv": text}), ("dog", "cat"))
    assert [(file.file_name, file.label) for file in source.files] == [("x/1.jpg", "cat"), ("y/1.jpg", "dog")]
    assert source.categories == ("dog", "cat")
    assert "could be any of x/1.jpg, y/1.jpg" in source.faults[0].reason


def test_rows_of_a_missing_picture_go_to_no_other(tmp_path: Path) -> None:
    rows = "a/1.jpg,cat,1,1,9,9\na/2.jpg,cat,1,1,9,9\nb/1.jpg,dog,2,2,8,8\n"
    files = {"a/2.jpg": "", "b/1.jpg": "", "labels.csv": f"{BOXES}\n{rows}"}
    source = read(lay_out(tmp_path, files), ())
    assert [(file.file_name, len(file.objects)) for file in source.files] == [("a/2.jpg", 1), ("b/1.jpg", 1)]
    (fault,) = source.faults
    assert (fault.place, fault.kind) == ("line 2", "picture_missing")
    assert "no picture 'a/1.jpg' in a/" in fault.reason and "b/1.jpg" in fault.reason


@pytest.mark.parametrize("names", [("1.jpg", "b/1.jpg"), ("b/1.jpg", "1.jpg"), ("x/1.jpg", "y/1.jpg")])
def test_one_picture_under_two_names_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    rows = "".join(f"{name},cat,1,1,9,9\n" for name in names)
    with pytest.raises(SourceError, match=r"labels.csv, line 3: .* \(line 2\) would both be b/1.jpg"):
        read(lay_out(tmp_path, {"b/1.jpg": "", "labels.csv": f"{BOXES}\n{rows}"}), ())
    same = "b/1.jpg,cat,1,1,9,9\n./b\\1.jpg,cat,2,2,8,8\n"
    (tmp_path / "labels.csv").write_text(f"{BOXES}\n{same}")
    assert len(read(tmp_path, ()).files[0].objects) == 2


CELL = st.text("aé,;\t\"' 1\n\u2028", min_size=1, max_size=5).filter(lambda cell: cell.strip() == cell)
NUMBER = st.floats(-1e5, 1e5) | st.integers(-9, 9).map(float)
THING = st.tuples(CELL, NUMBER, NUMBER, NUMBER, NUMBER)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.integers(0, 50), st.lists(THING, max_size=3), min_size=1, max_size=5),
    st.sampled_from(",;\t"),
)
def test_what_is_written_is_read(
    content: dict[int, list[tuple[str, float, float, float, float]]], mark: str
) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=mark)
    writer.writerow(BOXES.split(","))
    for number, things in content.items():
        writer.writerows([(f"{number}.jpg", *thing) for thing in things] or [(f"{number}.jpg", *[""] * 5)])
    writer.writerow(("x.jpg", "pixels", 1, 2, 3, 4))  # where all lie within 0..1, they are shares
    with tempfile.TemporaryDirectory() as place:
        files: dict[str, str | bytes] = {f"{number}.jpg": "" for number in (*content, "x")}
        source = read(lay_out(Path(place), {**files, "t.csv": stream.getvalue()}), ())
    assert [fault.kind for fault in source.faults] == ["delimiter"] * (mark != ",")
    found = {file.file_name: [(one.label, *one.box_xyxy_px) for one in file.objects] for file in source.files}
    assert found.pop("x.jpg") == [("pixels", 1, 2, 3, 4)]
    assert found == {f"{number}.jpg": things for number, things in content.items()}


def test_100_000_rows_take_seconds(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    rows = (f"{number % 1000}.jpg,cat,1,2,3,{number}" for number in range(100_000))
    (tmp_path / "t.csv").write_text("\n".join([BOXES, *rows]))
    start = time.process_time()
    source = read(tmp_path, ())
    assert time.process_time() - start < 10
    assert sum(len(file.objects) for file in source.files) == 100_000
