"""VIA's regions: shapes, classes, and those that cannot be used, in every form of its files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.geometry.rle import decode_mask
from glasshouse.readers.via import read
from glasshouse.sources.example import SourceError
from glasshouse.sources.via.regions import read_shape

from .files import HEADER, RECT, entry, export, lay_out, one, read_regions, region, row, write_csv

FORMS = {
    "export of 2.x": {"via.json": export(one, entry("b.jpg"))},
    "project of 2.x": {
        "p.json": json.dumps({"_via_settings": {}, "_via_img_metadata": {"k": one, "l": entry("b.jpg")}})
    },
    "version 1": {
        "via.json": json.dumps(
            {"k": {**one, "regions": dict(enumerate(one["regions"]))}, "l": entry("b.jpg")}
        )
    },
    "csv": {
        "via.csv": write_csv(
            [
                row("a.jpg", 2, 0, RECT, {"class": "cat"}),
                row("b.jpg", 0, 0, {}, {}),
                row("a.jpg", 2, 1, {**RECT, "x": 0}, {"class": "dog"}),
            ]
        )
    },
    "csv of version 1": {
        "via.csv": write_csv(
            [
                row("a.jpg", 2, 0, RECT, {"class": "cat"}),
                row("a.jpg", 2, 1, {**RECT, "x": 0}, {"class": "dog"}),
                row("b.jpg", 0, 0, {}, {}),
            ],
            f"#{HEADER}",
        )
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(tmp_path: Path, form: str) -> None:
    source = read(lay_out(tmp_path, {"a.jpg": "", "b.jpg": "", **FORMS[form]}), ())
    first, second = source.files
    assert [(thing.label, thing.box_xyxy_px) for thing in first.objects] == [
        ("cat", (10, 5, 30, 35)),
        ("dog", (0, 5, 20, 35)),
    ]
    assert second.objects == () and source.categories == ("cat", "dog") and not source.faults
    assert first.labelled_size == (50, 100) and first.objects[0].mask is None


def test_origins_lead_to_the_region(tmp_path: Path) -> None:
    source = read_regions(tmp_path, region(), region())
    assert source.files[0].objects[1].origin == "via.json, a.jpg1.regions[1]"


@pytest.mark.parametrize(
    "shape, box, pixels",
    [
        ({"name": "circle", "cx": 20, "cy": 20, "r": 10}, (10, 10, 30, 30), np.pi * 100),
        ({"name": "ellipse", "cx": 20, "cy": 20, "rx": 10, "ry": 5}, (10, 15, 30, 25), np.pi * 50),
        (
            {"name": "ellipse", "cx": 20, "cy": 20, "rx": 10, "ry": 5, "theta": np.pi / 2},
            (15, 10, 25, 30),
            np.pi * 50,
        ),
        (
            {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [5, 5, 15, 15]},
            (10, 5, 30, 15),
            200,
        ),
    ],
)
def test_shapes_become_boxes_and_masks(
    tmp_path: Path, shape: dict[str, Any], box: tuple[int, ...], pixels: float
) -> None:
    thing = read_regions(tmp_path, region(shape)).files[0].objects[0]
    assert np.allclose(thing.box_xyxy_px, box) and thing.mask is not None
    assert abs(decode_mask(thing.mask, 50, 100).sum() - pixels) <= 0.05 * pixels


def test_a_circle_without_a_radius_has_no_area_and_no_mask() -> None:
    none, small = (read_shape({"name": "circle", "cx": 20, "cy": 20, "r": radius}) for radius in (0, 0.5))
    assert none.box_xyxy_px == (20, 20, 20, 20) and none.fill((40, 40)) is None
    assert small.box_xyxy_px == (19.5, 19.5, 20.5, 20.5) and small.fill((40, 40)) is not None


LINE = {"all_points_x": [1, 2], "all_points_y": [1, 2]}


@pytest.mark.parametrize(
    "faulty, kind, words",
    [
        (region({"name": "polygon", **LINE}), "too_few_points", "needs 3 points. Got 2"),
        (
            region({"name": "polygon", "all_points_x": [1, 1, 1], "all_points_y": [2, 2, 2]}),
            "too_few_points",
            "Got 1",
        ),
        (region({"name": "polygon", "all_points_x": [1, 2]}), "points_missing", "of one length"),
        (region({"name": "polyline", **LINE}), "shape_unknown", "'polyline' encloses nothing"),
        (region({"name": "point", "cx": 1, "cy": 1}), "shape_unknown", "'point'"),
        (region({}), "shape_unknown", "None"),
        (region({"name": "rect", "x": 1, "y": 1, "width": 3}), "key_missing", "height is missing"),
        (region({**RECT, "x": "10"}), "not_a_number", "'10'"),
        (region({**RECT, "x": None}), "not_a_number", "None"),
        (region({**RECT, "x": float("nan")}), "not_finite", "nan"),
        (region({**RECT, "x": 1e300}), "not_finite", "1e\\+300"),
        (region({**RECT, "x": 10**400}), "not_finite", "1000"),
        (region({"name": "circle", "cx": 20, "cy": 20, "r": -5}), "radius_negative", "below 0. Got -5 "),
        (
            region({"name": "ellipse", "cx": 20, "cy": 20, "rx": 8, "ry": -0.5}),
            "radius_negative",
            "Got -0.5 instead",
        ),
        (region(RECT, **{"class": ""}), "label_missing", "no class"),
        (region(RECT, other="x", **{"class": None}), "label_missing", "no class"),
        ({"shape_attributes": RECT, "region_attributes": {}}, "label_missing", "no class"),
        ({"shape_attributes": RECT}, "label_missing", "no class"),
        ({"region_attributes": {"class": "cat"}}, "shape_missing", "no shape_attributes"),
        ("region", "shape_missing", "no shape_attributes"),
        (region(RECT, **{"class": {"cat": True, "dog": True}}), "label_twice", "one option. Got cat, dog"),
        (region(RECT, **{"class": {"cat": False}}), "label_missing", "no class"),
    ],
)
def test_faulty_regions_are_set_aside_and_the_others_stay(
    tmp_path: Path, faulty: Any, kind: str, words: str
) -> None:
    source = read_regions(tmp_path, region(), faulty)
    assert [len(file.objects) for file in source.files] == [1, 1]
    (fault,) = source.faults
    assert (fault.file_name, fault.place, fault.kind) == ("via.json", "a.jpg1.regions[1]", kind)
    assert fault.action == "set_aside" and fault.picture == "a.jpg" and re.search(words, fault.reason)


def test_a_picture_whose_regions_are_all_faulty_is_no_negative(tmp_path: Path) -> None:
    source = read_regions(tmp_path, region({"name": "polygon", **LINE}))
    assert [file.file_name for file in source.files] == ["b.jpg"]
    assert [fault.kind for fault in source.faults] == ["too_few_points", "no_region_left"]


def test_checkboxes_and_numbers_are_labels(tmp_path: Path) -> None:
    ticked, number = region(RECT, kind={"cat": True, "dog": False}), region(RECT, kind=7)
    source = read(lay_out(tmp_path, {"a.jpg": "", "v.json": export(entry("a.jpg", ticked, number))}), ())
    assert [thing.label for thing in source.files[0].objects] == ["cat", "7"]


def test_the_attribute_that_is_the_class(tmp_path: Path) -> None:
    def read_one(name: str, *regions: Any, classes: tuple[str, ...] = ()) -> str:
        files = {"a.jpg": "", "v.json": export(entry("a.jpg", *regions))}
        return read(lay_out(tmp_path / name, files), classes).files[0].objects[0].label

    assert read_one("only", region(RECT, kind="x")) == "x"
    assert read_one("named", region(RECT, colour="red", Name="x", type="y")) == "x"
    assert read_one("none", {"shape_attributes": RECT, "region_attributes": {}}, classes=("cell",)) == "cell"
    with pytest.raises(SourceError, match=r"attributes colour, kind: which is the class\? Name it class or"):
        read_one("several", region(RECT, kind="x", colour="y"))
    with pytest.raises(SourceError, match=r"no region has an attribute. Set dataset.classes"):
        read_one("nothing", {"shape_attributes": RECT, "region_attributes": {}})


def test_classes_are_checked_and_ordered(tmp_path: Path) -> None:
    assert read_regions(tmp_path, region(), classes=("dog", "cat")).categories == ("dog", "cat")
    with pytest.raises(
        SourceError, match=r"via.json, a.jpg1.regions\[0\]: label 'cat' .* Did you mean 'cats'"
    ):
        read_regions(tmp_path, region(), classes=("cats", "dogs"))
