"""COCO JSON as COCO, CVAT, Labelbox and Roboflow write it, and as it arrives broken."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle
from pycocotools.coco import COCO

from glasshouse.geometry.rle import count_runs, decode_mask, encode_mask
from glasshouse.readers.coco import read
from glasshouse.sources.coco.files import split_by_name
from glasshouse.sources.coco.masks import (
    Outline,
    bound_intervals,
    rasterise_outlines,
    read_counts,
    write_counts,
)
from glasshouse.sources.example import LabelFault, ObjectLabel, SourceError
from glasshouse.sources.labelled import LabelledFiles

HEIGHT, WIDTH = 80, 100
ROSE, TULIP = {"id": 1, "name": "rose"}, {"id": 2, "name": "tulip"}
SQUARE = [10, 20, 30, 20, 30, 40, 10, 40]


def image(number: int, name: str = "", **keys: Any) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": name or f"{number}.jpg",
        "height": HEIGHT,
        "width": WIDTH,
        **keys,
    }


def label(number: int, image_id: int = 1, category_id: int = 1, **keys: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [10, 20, 30, 40],
        **keys,
    }


def build(
    images: list[Any] | None = None,
    annotations: list[Any] | None = None,
    categories: list[Any] | None = None,
    **keys: Any,
) -> dict[str, Any]:
    return {
        "images": [image(1)] if images is None else images,
        "annotations": [label(1)] if annotations is None else annotations,
        "categories": [ROSE, TULIP] if categories is None else categories,
        **keys,
    }


def write(root: Path, document: Any, name: str = "annotations.json", pictures: bool = True) -> Path:
    """The JSON (or raw bytes), and the pictures that it lists beside it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    for entry in document["images"] if pictures and not isinstance(document, bytes) else ():
        touch(path.parent, entry["file_name"])
    return root


def touch(root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"picture")


def list_objects(source: LabelledFiles) -> list[ObjectLabel]:
    return [item for file in source.files for item in file.objects]


def only_fault(source: LabelledFiles) -> LabelFault:
    (fault,) = source.faults
    return fault


def test_boxes_become_corners(tmp_path: Path) -> None:
    # x 10, y 20, width 30, height 40: corners (10, 20) and (40, 60).
    source = read(write(tmp_path, build([image(1), image(2)], info={}, licenses=[])), ())
    assert source.categories == ("rose", "tulip") and source.faults == ()
    first, negative = source.files
    assert first.objects == (
        ObjectLabel("rose", (10.0, 20.0, 40.0, 60.0), origin="annotations.json, annotations[0]"),
    )
    assert first.labelled_size == (HEIGHT, WIDTH) and first.split is None and first.label is None
    assert negative.objects == () and [example.picture for example in source] == [b"picture"] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_unicode_and_spaces(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(build([image(1, "zwei Blüten.jpg")]), ensure_ascii=False)
    touch(tmp_path, "zwei Blüten.jpg")
    source = read(write(tmp_path, text.encode(encoding)), ())
    assert [file.file_name for file in source.files] == ["zwei Blüten.jpg"]


def test_pictures_come_in_natural_order_and_one_base_name_may_lie_in_two_folders(tmp_path: Path) -> None:
    names = ["b/10.jpg", "b/2.jpg", "a/2.jpg", "a/1.jpg"]
    document = build([image(n, name) for n, name in enumerate(names)], [label(n, n) for n in range(4)])
    source = read(write(tmp_path, document), ())
    assert [file.file_name for file in source.files] == ["a/1.jpg", "a/2.jpg", "b/2.jpg", "b/10.jpg"]
    assert [item.origin[-2] for item in list_objects(source)] == ["3", "2", "1", "0"]


@pytest.mark.parametrize(
    "name, place",
    [
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_default.json", "images/default"),
        ("annotations/instances_default.json", "images"),
        ("export.json", "images"),
        ("result/export.json", "somewhere/else"),
    ],
)
def test_pictures_are_found_where_tools_put_them(tmp_path: Path, name: str, place: str) -> None:
    for folder in (place, "zzz"):
        touch(tmp_path, f"{folder}/{'1' if folder == place else '2'}.jpg")
    source = read(write(tmp_path, build(), name, pictures=False), ())
    assert [file.file_name for file in source.files] == [f"{place}/1.jpg"]
    assert only_fault(source).file_name == "zzz/2.jpg" and only_fault(source).kind == "picture_unlisted"


def test_instances_are_read_and_what_coco_keeps_beside_them_is_not(tmp_path: Path) -> None:
    write(tmp_path, build(), "annotations/instances_val2017.json", pictures=False)
    for name in ("captions_val2017", "person_keypoints_val2017", "notes"):
        write(tmp_path, {"images": 1}, f"annotations/{name}.json", pictures=False)
    touch(tmp_path, "val2017/1.jpg")
    assert [(file.file_name, file.split) for file in read(tmp_path, ()).files] == [("val2017/1.jpg", "valid")]


def test_json_of_other_purposes_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"classTitle": "x"}, "meta.json", pictures=False)
    write(tmp_path, b'["a", "b"]', "names.json")
    assert len(read(write(tmp_path, build()), ())) == 1


def test_roboflows_folders_are_splits_and_its_heading_category_goes(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "flowers", "supercategory": "none"},
        {"id": 1, "name": "tulip", "supercategory": "flowers"},
        {"id": 5, "name": "rose", "supercategory": "flowers"},
    ]
    for folder, stem in (("train", "a"), ("valid", "b"), ("test", "c")):
        document = build([image(0, f"{stem}.jpg")], [label(0, 0, 5)], categories)
        write(tmp_path, document, f"{folder}/_annotations.coco.json")
    source = read(tmp_path, ())
    assert source.categories == ("tulip", "rose")
    assert [(file.file_name, file.split, file.objects[0].label) for file in source.files] == [
        ("test/c.jpg", "test", "rose"),
        ("train/a.jpg", "train", "rose"),
        ("valid/b.jpg", "valid", "rose"),
    ]
    assert (only_fault(source).kind, only_fault(source).place) == ("category_heads_others", "categories[0]")
    assert "'flowers'" in only_fault(source).reason and only_fault(source).action == "repaired"


def test_a_heading_category_that_labels_something_stays(tmp_path: Path) -> None:
    categories = [{**ROSE, "name": "plant"}, {**TULIP, "supercategory": "plant"}]
    source = read(write(tmp_path, build(categories=categories)), ())
    assert source.categories == ("plant", "tulip") and source.faults == ()


@pytest.mark.parametrize(
    "name, split",
    [
        ("annotations/instances_train2017.json", "train"),
        ("instances_val2014.json", "valid"),
        ("x/test.json", "test"),
        ("valid/_annotations.coco.json", "valid"),
        ("val2017/labels.json", "valid"),
        ("instances_trainval.json", None),
        ("train_or_test.json", None),
        ("latest/fittest.json", None),
    ],
)
def test_splits_are_words_of_the_path(name: str, split: str | None) -> None:
    assert split_by_name(name) == split


def test_the_pictures_folder_gives_the_split_where_the_json_does_not(tmp_path: Path) -> None:
    document = build([image(1, "train/a.jpg"), image(2, "val/a.jpg"), image(3, "other/a.jpg")])
    assert [file.split for file in read(write(tmp_path, document), ()).files] == [None, "train", "valid"]


def test_group_is_kept(tmp_path: Path) -> None:
    document = build([image(1, group="plant 7"), image(2, group=3), image(3, group=None)])
    assert [file.group for file in read(write(tmp_path, document), ()).files] == ["plant 7", "3", None]


def test_categories_come_by_id_or_as_classes_say(tmp_path: Path) -> None:
    categories = [{"id": 90, "name": "a"}, {"id": 7, "name": "z"}, {"id": 8, "name": "m"}]
    write(tmp_path, build(annotations=[label(1, 1, 90)], categories=categories))
    assert read(tmp_path, ()).categories == ("z", "m", "a")
    assert read(tmp_path, ("b", "a")).categories == ("b", "a")
    with pytest.raises(SourceError, match=r"annotations.json, annotations\[0\]: label 'a' is none.*'aa'"):
        read(tmp_path, ("aa",))


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
        (build(annotations=[label(1, "1")]), r"none of the 1 annotations.*they are numbers, this is text"),
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
    with pytest.raises(SourceError, match="none of the pictures"):
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


def test_ids_may_be_texts_and_whole_floats(tmp_path: Path) -> None:
    document = build(
        [image("cl0", "a.jpg"), image(2.0, "b.jpg")],  # type: ignore[arg-type]
        [label(1, "cl0", "x"), label("q", 2, "x"), {**label(3, 2, "x"), "id": None}],  # type: ignore[arg-type]
        [{"id": "x", "name": "rose"}],
    )
    source = read(write(tmp_path, document), ())
    assert [len(file.objects) for file in source.files] == [1, 2] and source.faults == ()


@pytest.mark.parametrize(
    "value, is_crowd, faults",
    [(1, True, 0), (0, False, 0), (True, True, 0), (None, False, 0), ("yes", False, 1), (2, False, 1)],
)
def test_crowds(tmp_path: Path, value: Any, is_crowd: bool, faults: int) -> None:
    source = read(write(tmp_path, build(annotations=[label(1, iscrowd=value)])), ())
    assert list_objects(source)[0].is_crowd is is_crowd
    assert [fault.kind for fault in source.faults] == ["iscrowd_unknown"] * faults


# Masks


def draw_blob(seed: int) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    centre = np.random.default_rng(seed).uniform(0, 80, 2)
    return ((x - centre[0]) ** 2 + 2 * (y - centre[1]) ** 2 < 900) ^ (x % 9 == 0)


def test_run_lengths_compressed_or_not_are_one_mask(tmp_path: Path) -> None:
    mask = draw_blob(1)
    rle = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    forms = [rle["counts"].decode(), count_runs(mask), [0, 0, *count_runs(mask)]]
    annotations = [
        label(n, segmentation={"size": [HEIGHT, WIDTH], "counts": counts}, iscrowd=1, bbox=[])
        for n, counts in enumerate(forms)
    ]
    source = read(write(tmp_path, build(annotations=annotations)), ())
    x, y, width, height = oracle.toBbox(rle)
    for item in list_objects(source):
        assert item.is_crowd and item.mask == encode_mask(mask)
        assert item.box_xyxy_px == (x, y, x + width, y + height)
    assert {(fault.kind, fault.action) for fault in source.faults} == {("box_from_mask", "repaired")}


@pytest.mark.parametrize(
    "segmentation, kind, said",
    [
        ({"size": [HEIGHT, WIDTH], "counts": [1, 2]}, "mask_malformed", "80 x 100 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": [-1, 8001]}, "mask_malformed", "80 x 100 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": [10**30]}, "mask_malformed", "whole numbers"),
        ({"size": [HEIGHT, WIDTH], "counts": [1, "x"]}, "mask_malformed", "whole numbers"),
        ({"size": [HEIGHT, WIDTH], "counts": ""}, "mask_malformed", "80 x 100 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": "P"}, "mask_malformed", "cut off"),
        ({"size": [HEIGHT, WIDTH], "counts": "ü "}, "mask_malformed", "no compressed run lengths"),
        ({"size": [HEIGHT, WIDTH], "counts": "o" * 40 + "0"}, "mask_malformed", "no picture has"),
        ({"size": [HEIGHT, WIDTH]}, "mask_malformed", "counts is missing"),
        ({"size": [WIDTH, HEIGHT], "counts": [8000]}, "mask_malformed", "its image has 80 x 100"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "mask_malformed", "1000000000"),
        ({"counts": [8000]}, "mask_malformed", "size is not"),
        ({"size": [HEIGHT, WIDTH], "counts": [8000]}, "mask_empty", "no pixel"),
        ("a.png", "mask_malformed", "neither polygons nor"),
        ([SQUARE, SQUARE[:4]], "polygon_malformed", "2 points"),
        ([SQUARE, SQUARE[:7]], "polygon_malformed", "7 numbers"),
        ([SQUARE, [1, 2, 3, 4, 5, "6"]], "polygon_malformed", "'6'"),
        ([SQUARE, [1, 2, 3, 4, 5, 1e300]], "polygon_malformed", "1e+300"),
        ([SQUARE, None], "polygon_malformed", "None"),
        ([[200, 200, 210, 200, 210, 210]], "mask_empty", "no pixel"),
    ],
)
def test_a_broken_mask_is_left_out_and_the_box_stays(
    tmp_path: Path, segmentation: Any, kind: str, said: str
) -> None:
    source = read(write(tmp_path, build(annotations=[label(1, segmentation=segmentation)])), ())
    fault = only_fault(source)
    assert (fault.kind, fault.action) == (kind, "set_aside") and said in fault.reason
    assert fault.place.startswith("annotations[0].segmentation")
    (item,) = list_objects(source)
    assert item.box_xyxy_px == (10, 20, 40, 60)
    sound = isinstance(segmentation, list) and SQUARE in segmentation
    assert (item.mask is not None) is sound


def test_a_polygon_along_pixel_edges_covers_just_those_pixels(tmp_path: Path) -> None:
    annotations = [
        {**label(1, segmentation=[SQUARE]), "bbox": None},
        label(2, segmentation=SQUARE),
        label(3, segmentation=[SQUARE, [20, 30, 50, 30, 50, 50, 20, 50]]),
        label(5, segmentation=[SQUARE, [12, 22, 28, 22, 28, 26, 12, 26], [12, 30, 28, 30, 28, 34, 12, 34]]),
        label(4, segmentation=[[-50, -50, 500, -50, 500, 500, -50, 500]]),
    ]
    source = read(write(tmp_path, build(annotations=annotations)), ())
    expected = np.zeros((5, HEIGHT, WIDTH), bool)
    expected[:4, 20:40, 10:30] = True
    expected[2, 30:50, 20:50] = True  # 20 x 20 + 20 x 30 - 10 x 10 = 900
    expected[4] = True
    assert expected.sum((1, 2)).tolist() == [400, 400, 900, 400, 8000]
    for item, mask in zip(list_objects(source), expected, strict=True):
        assert item.mask == encode_mask(mask)
    assert list_objects(source)[0].box_xyxy_px == (10, 20, 30, 40)
    assert only_fault(source).kind == "box_from_mask"


def test_pixels_are_those_whose_centres_lie_inside() -> None:
    rng = np.random.default_rng(3)
    triangles = [rng.uniform(-10, 60, (3, 2)) for _ in range(100)]
    y, x = np.mgrid[:40, :50] + 0.5
    drawn = rasterise_outlines([Outline([points], 40, 50) for points in triangles])
    for points, text in zip(triangles, write_counts([(runs, 40, 50) for runs in drawn]), strict=True):
        turns = [
            (after[0] - here[0]) * (y - here[1]) - (after[1] - here[1]) * (x - here[0])
            for here, after in zip(points, np.roll(points, -1, axis=0), strict=True)
        ]
        inside = np.all(np.array(turns) > 0, axis=0) | np.all(np.array(turns) < 0, axis=0)
        assert (decode_mask(text, 40, 50) == inside).all()


def test_polygons_agree_with_pycocotools() -> None:
    # It draws on a grid of a fifth of a pixel, so outlines differ by up to as much.
    rng = np.random.default_rng(5)
    outlines = []
    for _ in range(200):
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 40)))
        radius = rng.uniform(15, 60, len(angle))
        corners = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        outlines.append(Outline([corners + rng.uniform(60, 260, 2)], 320, 320))
    texts = write_counts([(runs, 320, 320) for runs in rasterise_outlines(outlines)])
    mine, theirs = [], []
    for outline, text in zip(outlines, texts, strict=True):
        mine.append({"size": [320, 320], "counts": text.encode()})
        theirs.append(oracle.frPyObjects([outline.polygons[0].ravel().tolist()], 320, 320)[0])
    ious = [oracle.iou([one], [other], [0])[0, 0] for one, other in zip(mine, theirs, strict=True)]
    areas = np.array(
        [[oracle.area(one), oracle.area(other)] for one, other in zip(mine, theirs, strict=True)], float
    )
    assert min(ious) > 0.93 and np.mean(ious) > 0.985
    assert abs(areas[:, 0].sum() / areas[:, 1].sum() - 1) < 0.002


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32)), max_size=4))
def test_runs_and_bitmaps_are_the_same_masks(sizes: list[tuple[int, int, int]]) -> None:
    masks = [np.random.default_rng(seed).random((h, w)) < seed % 5 / 4 for h, w, seed in sizes]
    texts = [encode_mask(mask) for mask in masks]
    runs = [read_counts(text, *mask.shape) for text, mask in zip(texts, masks, strict=True)]
    assert write_counts([(one, *mask.shape) for one, mask in zip(runs, masks, strict=True)]) == texts
    for one, mask in zip(runs, masks, strict=True):
        assert (read_counts(count_runs(mask), *mask.shape) == one).all()
        if mask.any():
            rows, columns = np.nonzero(mask)
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert bound_intervals(one, len(mask)) == box


# Whole data sets

NAMES = st.text("abüé 12", min_size=1, max_size=6).map(str.strip).filter(bool)
NUMBERS = st.floats(-20, 120, allow_nan=False).map(lambda value: round(value, 2))
THINGS = st.lists(
    st.tuples(
        st.sampled_from([3, 9, 11]), NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.booleans(), st.integers(0, 9)
    ),
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.tuples(st.sampled_from(["", "sub/"]), NAMES), THINGS, min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_what_is_written_as_coco_is_read_back(pictures: dict[Any, Any], shuffle: random.Random) -> None:
    images = [image(n, f"{folder}{stem}.png") for n, (folder, stem) in enumerate(pictures)]
    things = [(n, thing) for n, objects in enumerate(pictures.values()) for thing in objects]
    annotations = [
        label(
            number, n, category, bbox=[x, y, w, h], iscrowd=int(crowd),
            segmentation={"size": [HEIGHT, WIDTH], "counts": encode_mask(draw_blob(seed))},
        )
        for number, (n, (category, x, y, w, h, crowd, seed)) in enumerate(things)
    ]  # fmt: skip
    shuffle.shuffle(images)
    categories = [{"id": n, "name": f"c{n}"} for n in (11, 3, 9)]
    with TemporaryDirectory() as place:
        source = read(write(Path(place), build(images, annotations, categories)), ())
        assert source == read(Path(place), ()) and source.faults == ()
    assert source.categories == ("c3", "c9", "c11")
    found = {
        file.file_name: [(item.label, item.box_xyxy_px, item.is_crowd, item.mask) for item in file.objects]
        for file in source.files
    }
    assert found == {
        f"{folder}{stem}.png": [
            (f"c{category}", (x, y, x + w, y + h), crowd, encode_mask(draw_blob(seed)))
            for category, x, y, w, h, crowd, seed in objects
        ]
        for (folder, stem), objects in pictures.items()
    }


def test_pycocotools_reads_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    annotations = []
    for number in range(1, 60):
        x, y = rng.uniform(5, 40, 2)
        width, height = rng.uniform(10, 35, 2)
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        annotations.append(
            label(
                number,
                int(rng.integers(1, 6)),
                int(rng.integers(1, 3)),
                bbox=[x, y, width, height],
                segmentation=[corners],
            )
        )
    write(tmp_path, build([image(n) for n in range(1, 6)], annotations))
    theirs = COCO(str(tmp_path / "annotations.json"))
    source = read(tmp_path, ())
    for number, file in enumerate(source.files, 1):
        entries = theirs.loadAnns(theirs.getAnnIds(imgIds=[number]))
        assert len(entries) == len(file.objects) > 0
        for item, entry in zip(file.objects, entries, strict=True):
            x, y, width, height = entry["bbox"]
            assert item.box_xyxy_px == (x, y, x + width, y + height)
            assert item.label == theirs.cats[entry["category_id"]]["name"]
            mask = {"size": [HEIGHT, WIDTH], "counts": (item.mask or "").encode()}
            assert oracle.iou([mask], [theirs.annToRLE(entry)], [0])[0, 0] > 0.9


def test_a_hundred_thousand_annotations_take_seconds(tmp_path: Path) -> None:
    images = [image(n) for n in range(1000)]
    annotations = [label(n, n % 1000, n % 2 + 1) for n in range(100_000)]
    write(tmp_path, build(images, annotations))
    start = time.process_time()
    source = read(tmp_path, ())
    assert time.process_time() - start < 10
    assert Counter(len(file.objects) for file in source.files) == {100: 1000}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_stands_at_any_key_there_is_a_sentence_or_a_data_set(data: st.DataObject) -> None:
    runs = {"size": [HEIGHT, WIDTH], "counts": [10, 20, 7970]}
    annotations = [label(1, segmentation=runs), label(2, 2, segmentation=[SQUARE])]
    document = deepcopy(build([image(1, group="a"), image(2)], annotations))
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = document
        while True:
            key = data.draw(
                st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place))))
            )
            deeper = place[key]
            if not isinstance(deeper, dict | list) or not deeper or data.draw(st.integers(0, 4)) == 0:
                place[key] = data.draw(VALUES)
                break
            place = deeper
    with TemporaryDirectory() as folder:
        for name in ("1.jpg", "2.jpg"):
            touch(Path(folder), name)
        try:
            source = read(write(Path(folder), document, pictures=False), ())
        except SourceError as error:
            assert "annotations.json" in str(error) or "dataset." in str(error)
        else:
            for item in list_objects(source):
                assert item.mask is None or decode_mask(item.mask, HEIGHT, WIDTH).any()
