"""COCO as it arrives broken: what is critical, what is set aside, what is passed on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.readers.coco import read
from glasshouse.sources.coco.files import find_id
from glasshouse.sources.example import SourceError

from .files import (
    ROSE,
    SQUARE,
    TULIP,
    build,
    image,
    label,
    list_objects,
    only_fault,
    touch,
    write,
)

# What is critical


@pytest.mark.parametrize(
    "document, message",
    [
        (b'{"images": [\n1,,2]}', r"annotations.json, line 2, column 3: not JSON"),
        (b"", r"line 1, column 1: not JSON"),
        (b'{"images": "\xff"}', r"line 1: not UTF-8"),
        (b"[" * 100_000, r"cannot be read as JSON"),
        (b'{"images": ' + b"9" * 5000 + b"}", r"cannot be read as JSON"),
        (b"[]", r"holds a list; COCO is an object with images, annotations, categories"),
        ({"images": []}, r"the key 'annotations', 'categories' is missing"),
        ({"x": 1}, r"'images', 'annotations', 'categories' is missing.*has x"),
        (build() | {"annotations": {}}, r"annotations is an object; it must be a list"),
        (build([image(1), image(1, "b.jpg")]), r"images\[1\]: id 1 is that of images\[0\]"),
        (build([image(1), image(2, "1.jpg")]), r"images\[1\]: file_name '1.jpg' is that of images\[0\]"),
        (build([image(1), image(2, "./1.jpg")]), r"images\[1\]: 1.jpg is the picture of .*images\[0\]"),
        (build([{"file_name": "1.jpg"}]), r"images\[0\]: id is missing"),
        (build([{"id": True, "file_name": "1.jpg"}]), r"images\[0\]: id is a truth value"),
        (build([{"id": 1, "file_name": "1.jpg"}, 3]), r"images\[1\]: is the number 3"),
        (build(categories=[ROSE, {**TULIP, "id": 1}]), r"categories\[1\]: id 1 is that of categories\[0\]"),
        (build(categories=[ROSE, {"id": 2, "name": "rose "}]), r"categories\[1\]: name 'rose' is that of"),
        (build(categories=[{"id": 1, "name": ""}]), r"categories\[0\]: name is the text ''"),
        (build(annotations=[], categories=[]), r"categories is empty"),
        (build(annotations=[label(4), label(4)]), r"annotations\[1\]: id 4 is that of annotations\[0\]"),
        (
            build(annotations=[label(1, 8), label(2, 9)]),
            r"none of the 2 annotations has a image_id.*number 8",
        ),
        (build(annotations=[label(1, "a")]), r"none of the 1 annotations.*they are numbers, this is text"),
        (build(annotations=[label(1, 1, 17)]), r"none of the 1 annotations has a category_id.*1 to 2"),
        (
            build(annotations=[label(1, 1, 0), label(2, 1, 1)]),
            r"1 to 2 in categories, but 0 to 1 in annotations: a 0-based / 1-based mix",
        ),
        (
            build(annotations=[label(1, 1, 2), label(2, 1, 3)]),
            r"1 to 2 in categories, but 2 to 3 in annotations: a 0-based / 1-based mix",
        ),
    ],
)
def test_files_that_contradict_themselves_are_critical(tmp_path: Path, document: Any, message: str) -> None:
    touch(tmp_path, "1.jpg")
    write(tmp_path, document, pictures=False)
    with pytest.raises(SourceError, match=message):
        read(tmp_path, ())


def test_files_that_contradict_each_other_are_critical(tmp_path: Path) -> None:
    write(tmp_path, build(), "instances_train.json")
    write(tmp_path, build(categories=[ROSE, {**TULIP, "name": "lily"}]), "instances_val.json")
    with pytest.raises(SourceError, match=r"_val.json.*_train.json: id 2 is 'tulip' there and 'lily' here"):
        read(tmp_path, ())
    write(tmp_path, build(categories=[ROSE]), "instances_val.json")
    with pytest.raises(SourceError, match=r"id 2 is 'tulip' there and missing here"):
        read(tmp_path, ())
    write(tmp_path, build(), "instances_val.json")
    with pytest.raises(SourceError, match=r"_val.json, images\[0\]: 1.jpg is the picture of .*_train.json"):
        read(tmp_path, ())


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no JSON file"):
        read(tmp_path, ())
    write(tmp_path, build(), pictures=False)
    with pytest.raises(SourceError, match=r"none of the pictures .* The first: there is no picture '1.jpg'"):
        read(tmp_path, ())
    with pytest.raises(SourceError, match="nowhere"):
        read(tmp_path / "nowhere", ())


# What is set aside or repaired, the rest going on


@pytest.mark.parametrize(
    "broken, place, kind, said",
    [
        (label(2, 9), "annotations[1].image_id", "image_unknown", "number 9"),
        (label(2, 1, 3), "annotations[1].category_id", "category_unknown", "0-based / 1-based mix"),
        (label(2, 1, 0), "annotations[1].category_id", "category_unknown", "0-based / 1-based mix"),
        (label(2, 1, 40), "annotations[1].category_id", "category_unknown", "1 to 2"),
        ({"id": 2, "bbox": [1, 2, 3, 4]}, "annotations[1].image_id", "image_unknown", "missing"),
        ({"id": 2, "image_id": 1}, "annotations[1].category_id", "category_unknown", "missing"),
        (label(2, [1]), "annotations[1].image_id", "image_unknown", "a list"),
        ("box", "annotations[1]", "annotation_malformed", "the text 'box'"),
        (label(2, bbox=[1, 2, 3]), "annotations[1].bbox", "box_malformed", "3 numbers"),
        (label(2, bbox=[1, 2, 3, 4, 5]), "annotations[1].bbox", "box_malformed", "5 numbers"),
        (label(2, bbox=[1, 2, "3", 4]), "annotations[1].bbox", "box_malformed", "'3'"),
        (label(2, bbox=[1, 2, None, 4]), "annotations[1].bbox", "box_malformed", "None"),
        (label(2, bbox=[1, 2, True, 4]), "annotations[1].bbox", "box_malformed", "True"),
        (label(2, bbox=[1, 2, 10**400, 4]), "annotations[1].bbox", "box_malformed", "1000"),
        (label(2, bbox="1 2 3 4"), "annotations[1].bbox", "box_malformed", "the text '1 2 3 4'"),
        (label(2, bbox=None), "annotations[1].bbox", "box_missing", "missing"),
        (label(2, bbox=[], segmentation=[]), "annotations[1].bbox", "box_missing", "missing"),
    ],
)
def test_one_broken_annotation_is_set_aside(
    tmp_path: Path, broken: Any, place: str, kind: str, said: str
) -> None:
    source = read(write(tmp_path, build(annotations=[label(1), broken, label(3, 1, 2)])), ())
    assert [item.origin[-15:] for item in list_objects(source)] == [" annotations[0]", " annotations[2]"]
    fault = only_fault(source)
    assert (fault.file_name, fault.place, fault.kind) == ("annotations.json", place, kind)
    assert fault.action == "set_aside" and said in fault.reason


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_passed_on_for_the_guard(tmp_path: Path, value: str) -> None:
    text = json.dumps(build()).replace("[10, 20, 30, 40]", f"[{value}, 20, -30, 40]")
    touch(tmp_path, "1.jpg")
    source = read(write(tmp_path, text.encode()), ())
    assert not np.isfinite(list_objects(source)[0].box_xyxy_px[0]) and source.faults == ()


def test_negative_sides_are_passed_on_reversed(tmp_path: Path) -> None:
    source = read(write(tmp_path, build(annotations=[label(1, bbox=[40, 20, -30, 40])])), ())
    assert list_objects(source)[0].box_xyxy_px == (40, 20, 10, 60)


def test_a_missing_picture_takes_its_annotations_along(tmp_path: Path) -> None:
    write(tmp_path, build([image(1), image(2)], [label(1), label(2, 2)]), pictures=False)
    touch(tmp_path, "1.jpg")
    source = read(tmp_path, ())
    assert len(list_objects(source)) == 1
    assert (only_fault(source).place, only_fault(source).kind) == ("images[1]", "picture_missing")
    assert "'2.jpg'" in only_fault(source).reason


@pytest.mark.parametrize(
    "size",
    [{"height": None}, {"width": 0}, {"height": -3}, {"width": "100"}, {"height": 1.5}, {"width": 10**9}],
)
def test_without_a_size_the_pictures_own_counts_and_polygons_have_nowhere_to_be_drawn(
    tmp_path: Path, size: dict[str, Any]
) -> None:
    document = build([image(1, **size)], [label(1, segmentation=[SQUARE])])
    source = read(write(tmp_path, document), ())
    assert source.files[0].labelled_size is None and list_objects(source)[0].mask is None
    assert [(fault.kind, fault.action) for fault in source.faults] == [
        ("size_missing", "repaired"),
        ("mask_empty", "set_aside"),
    ]
    assert "cannot be drawn: its image has no width and height" in source.faults[1].reason


def test_ids_may_be_texts_and_whole_floats(tmp_path: Path) -> None:
    document = build(
        [image("cl0", "a.jpg"), image(2.0, "b.jpg")],  # type: ignore[arg-type]
        [label(1, "cl0", "x"), label("q", 2, "x"), {**label(3, 2, "x"), "id": None}],  # type: ignore[arg-type]
        [{"id": "x", "name": "rose"}],
    )
    source = read(write(tmp_path, document), ())
    assert [len(file.objects) for file in source.files] == [1, 2] and source.faults == ()


def test_an_annotation_needs_no_id_so_that_any_will_do(tmp_path: Path) -> None:
    annotations = [{**label(1), "id": identity} for identity in (1, [1], {}, {}, 0.5, 0.5, True, True)]
    source = read(write(tmp_path, build(annotations=annotations)), ())
    assert len(list_objects(source)) == len(annotations) and source.faults == ()


def test_texts_of_numbers_are_the_numbers_as_via_exports_them(tmp_path: Path) -> None:
    document = build([image(0, "a.jpg"), image(1, "b.jpg")], [label(1, "0"), label(2, "1"), label(3, "1")])  # type: ignore[arg-type]
    source = read(write(tmp_path, document), ())
    assert [len(file.objects) for file in source.files] == [1, 2]
    assert (only_fault(source).kind, only_fault(source).place) == ("id_is_text", "annotations[0].image_id")
    assert only_fault(source).action == "repaired" and "the text '0'" in only_fault(source).reason


@pytest.mark.parametrize(
    "value, is_crowd, faults",
    [(1, True, 0), (0, False, 0), (True, True, 0), (None, False, 0), ("yes", False, 1), (2, False, 1)],
)
def test_crowds(tmp_path: Path, value: Any, is_crowd: bool, faults: int) -> None:
    source = read(write(tmp_path, build(annotations=[label(1, iscrowd=value)])), ())
    assert list_objects(source)[0].is_crowd is is_crowd
    assert [fault.kind for fault in source.faults] == ["iscrowd_unknown"] * faults


@pytest.mark.parametrize("text", ["9" * 5000, "²", "1.0", " 1", "-1", ""])
def test_a_reference_that_is_no_numbers_text_stays_what_it_is(text: str) -> None:
    assert find_id(text, {1, -1, 2}) == text
