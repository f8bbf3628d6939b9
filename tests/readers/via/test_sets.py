"""Whole sets of VIA: pictures and entries, splits, what is critical, written and read back."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.geometry.rle import decode_mask
from glasshouse.readers.via import read
from glasshouse.sources.example import SourceError

from .files import HEADER, RECT, entry, export, lay_out, paint, region, row, write_csv


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
