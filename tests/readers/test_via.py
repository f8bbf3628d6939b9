"""VIA's files of all its versions, and what people do to them."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from glasshouse.geometry.rle import decode_mask
from glasshouse.readers.via import read
from glasshouse.sources.example import SourceError
from glasshouse.sources.labelled import LabelledFiles

RECT = {"name": "rect", "x": 10, "y": 5, "width": 20, "height": 30}
HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"


def paint(shade: int = 0, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.new("RGB", (100, 50), (shade, 0, 0)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def region(shape: Any = RECT, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes or {"class": "cat"}}


def entry(name: str, *regions: Any, size: int = 1) -> dict[str, Any]:
    return {"filename": name, "size": size, "regions": list(regions), "file_attributes": {}}


def export(*entries: dict[str, Any]) -> str:
    return json.dumps({f"{one['filename']}{one['size']}": one for one in entries})


def lay_out(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = paint() if name.endswith(".jpg") and not content else content
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return root


def read_regions(tmp_path: Path, *regions: Any, classes: tuple[str, ...] = ()) -> LabelledFiles:
    content = export(entry("a.jpg", *regions), entry("b.jpg", region()))
    return read(lay_out(tmp_path, {"a.jpg": "", "b.jpg": "", "via.json": content}), classes)


def write_csv(rows: list[tuple[object, ...]], head: str = HEADER) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return f"{head}\n{stream.getvalue()}"


def row(
    name: str, count: int, number: int, shape: dict[str, Any], attributes: dict[str, Any]
) -> tuple[object, ...]:
    return name, 1, "{}", count, number, json.dumps(shape), json.dumps(attributes)


one = entry("a.jpg", region(), region({**RECT, "x": 0}, **{"class": "dog"}))
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


def test_pictures_that_are_missing_or_not_labelled_are_listed(tmp_path: Path) -> None:
    files = {
        "a.jpg": "",
        "new.jpg": "",
        "v.json": export(entry("a.jpg", region()), entry("gone.jpg", region())),
    }
    source = read(lay_out(tmp_path, files), ())
    assert [file.file_name for file in source.files] == ["a.jpg"]
    assert [(fault.file_name, fault.place, fault.kind) for fault in source.faults] == [
        ("v.json", "gone.jpg1", "picture_missing"),
        ("new.jpg", "", "not_labelled"),
    ]


def test_the_same_base_name_in_two_folders_is_told_by_bytes(tmp_path: Path) -> None:
    small, large = paint(), paint() + b"\0"
    entries = (
        entry("1.jpg", region(), size=len(small)),
        entry("1.jpg", region(RECT, **{"class": "dog"}), size=len(large)),
    )
    files = {"x/1.jpg": small, "y/1.jpg": large, "v.json": export(*entries)}
    source = read(lay_out(tmp_path, files), ())
    assert [(file.file_name, file.objects[0].label) for file in source.files] == [
        ("x/1.jpg", "cat"),
        ("y/1.jpg", "dog"),
    ]


def test_of_two_entries_the_one_with_the_bytes_counts(tmp_path: Path) -> None:
    data = paint()
    entries = entry("a.jpg", region(), size=5), entry("a.jpg", region(), region(), size=len(data))
    source = read(lay_out(tmp_path / "x", {"a.jpg": data, "v.json": export(*entries)}), ())
    assert len(source.files[0].objects) == 2
    assert [(fault.place, fault.kind) for fault in source.faults] == [("a.jpg5", "entry_outdated")]
    entries = entry("a.jpg", region(), size=5), entry("a.jpg", region(), region(), size=6)
    source = read(lay_out(tmp_path / "y", {"a.jpg": data, "v.json": export(*entries)}), ())
    assert len(source.files[0].objects) == 3


def test_splits_come_from_folders(tmp_path: Path) -> None:
    files = {f"{split}/{name}.jpg": "" for split, name in (("train", "a"), ("val", "a"))}
    files |= {f"{split}/via_region_data.json": export(entry("a.jpg", region())) for split in ("train", "val")}
    source = read(lay_out(tmp_path, files), ())
    assert [(file.file_name, file.split) for file in source.files] == [
        ("train/a.jpg", "train"),
        ("val/a.jpg", "valid"),
    ]


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "no VIA file.*found neither JSON nor CSV"),
        ({"x.json": "{}"}, "no VIA file.*found x.json"),
        ({"x.json": '{"a": '}, "x.json: line 1: no sound JSON"),
        (
            {"x.json": '{"a": {"filename": "a.jpg", "regions": []}, "b": {"regions": []}}'},
            "x.json: b: expected",
        ),
        ({"x.json": '{"a": {"filename": "a.jpg", "regions": []}, "a": 1}'}, "the key 'a' stands twice"),
        ({"x.json": '{"a": {"filename": "a.jpg", "regions": 1}}'}, "x.json: a: regions must be a list"),
        ({"x.json": b'{"a": "\xff"}'}, "x.json is not UTF-8"),
        ({"x.json": json.dumps(dict.fromkeys(("project", "config", "file", "view", "metadata")))}, "VIA 3"),
        ({"x.json": "[" * 100_000}, "x.json: no sound JSON: nested too deeply"),
        ({"x.csv": "filename,region_shape_attributes\n"}, "x.csv: the column file_size is missing"),
        (
            {"x.json": export(entry("gone.jpg", region()))},
            "none of the 1 pictures that VIA labelled .* 'gone.jpg'",
        ),
        (
            {"x.json": export(entry("a.jpg", region())), "y.json": export(entry("a.jpg", region()))},
            r"a.jpg is labelled in x.json \(a.jpg1\) and in y.json \(a.jpg1\)",
        ),
    ],
)
def test_critical(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(lay_out(tmp_path, {"a.jpg": "", **files}), ("cat",))


def test_csv_rows_with_faults_and_semicolons(tmp_path: Path) -> None:
    rows = [
        row("a.jpg", 1, 0, RECT, {"class": "cat"}),
        ("a.jpg", 1, "{}", 1, 1, "{broken", '{"class": "cat"}'),
    ]
    text = write_csv(rows) + "a.jpg,1\n"
    source = read(lay_out(tmp_path / "x", {"a.jpg": "", "v.csv": "\ufeff" + text}), ())
    assert [(fault.place, fault.kind, fault.action) for fault in source.faults] == [
        ("", "byte_order_mark", "repaired"),
        ("line 4", "field_count", "set_aside"),
        ("line 3", "shape_missing", "set_aside"),
    ]
    stream = io.StringIO()
    csv.writer(stream, delimiter=";").writerows([HEADER.split(","), rows[0]])
    source = read(lay_out(tmp_path / "y", {"a.jpg": "", "v.csv": stream.getvalue()}), ())
    assert len(source.files[0].objects) == 1 and [fault.kind for fault in source.faults] == ["delimiter"]


def test_other_files_are_passed_over_and_listed(tmp_path: Path) -> None:
    files = {
        "a.jpg": "",
        "v.json": export(entry("a.jpg", region())),
        "o.json": "[1]",
        "groups.csv": "x",
        "t.csv": "a,b",
    }
    source = read(lay_out(tmp_path, files), ())
    assert [(fault.file_name, fault.kind) for fault in source.faults] == [
        ("o.json", "not_via"),
        ("t.csv", "not_via"),
    ]


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    lay_out(tmp_path, {"secret.jpg": ""})
    content = export(entry("../secret.jpg", region()), entry("a.jpg", region()))
    source = read(lay_out(tmp_path / "in", {"a.jpg": "", "v.json": content}), ())
    assert [file.file_name for file in source.files] == ["a.jpg"]
    assert [fault.kind for fault in source.faults] == ["picture_missing"]


def test_an_unreadable_header_goes_on_to_be_quarantined(tmp_path: Path) -> None:
    content = export(entry("a.jpg", region()), entry("b.jpg", region()))
    source = read(lay_out(tmp_path, {"a.jpg": b"text", "b.jpg": "", "v.json": content}), ())
    assert [(file.file_name, len(file.objects)) for file in source.files] == [("a.jpg", 0), ("b.jpg", 1)]
    assert [fault.kind for fault in source.faults] == ["picture_size_unknown"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_places_are_pixels_of_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    from glasshouse.pictures.decode import decode_picture
    from glasshouse.tables.settle import settle_labels

    triangle = {"name": "polygon", "all_points_x": [0, 40, 0], "all_points_y": [0, 0, 40]}
    content = export(entry("a.jpg", region(RECT), region(triangle)))
    (example,) = read(lay_out(tmp_path, {"a.jpg": paint(0, orientation), "v.json": content}), ())
    settled = settle_labels(example, decode_picture(example.picture))
    box, polygon = settled.objects
    assert box.box_xyxy_px == (10, 5, 30, 35) and polygon.box_xyxy_px == (0, 0, 40, 40)
    size = decode_picture(example.picture).upright_size
    assert polygon.mask is not None
    mask = decode_mask(polygon.mask, *size)
    assert mask[1, 1] and mask[2, 36] and mask[36, 2] and not mask[30, 30]


BOX = st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 40)] * 2)
NAME = st.text("ab é_1-.", min_size=1, max_size=5).filter(lambda name: name.strip(" .") == name)
LABEL = st.text("ab,;é \"'", min_size=1, max_size=4).filter(lambda label: label.strip() == label)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(NAME, st.lists(st.tuples(LABEL, BOX), max_size=3), min_size=1, max_size=4), st.booleans()
)
def test_what_is_written_is_read(content: dict[str, list[tuple[str, tuple[int, ...]]]], as_csv: bool) -> None:
    from glasshouse.sources.listing import spell

    content["zz"] = [("a", (1, 1, 1, 1))]
    regions = {
        f"{name}.jpg": [
            ({"name": "rect", **dict(zip(("x", "y", "width", "height"), box, strict=True))}, {"class": label})
            for label, box in things
        ]
        for name, things in content.items()
    }
    text = export(*(entry(name, *(region(s, **a) for s, a in things)) for name, things in regions.items()))
    if as_csv:
        rows = [
            row(name, len(things), at, *thing)
            for name, things in regions.items()
            for at, thing in enumerate(things)
        ]
        text = write_csv(rows + [row(name, 0, 0, {}, {}) for name, things in regions.items() if not things])
    with tempfile.TemporaryDirectory() as place:
        files: dict[str, str | bytes] = {name: paint() for name in regions}
        source = read(lay_out(Path(place), {**files, "v.csv" if as_csv else "v.json": text}), ())
    assert not source.faults
    found = {file.file_name: [(one.label, one.box_xyxy_px) for one in file.objects] for file in source.files}
    assert found == {
        spell(f"{name}.jpg"): [(label, (x, y, x + w, y + h)) for label, (x, y, w, h) in things]
        for name, things in content.items()
    }
