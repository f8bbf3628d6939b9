"""The profile of a data version, its distance from the accepted one, and `glasshouse accept`."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from glasshouse.cli import main
from glasshouse.commands.accept import say_changes
from glasshouse.quality.drift import compare_in_bins
from glasshouse.quality.profile import (
    Profile,
    ProfileError,
    compare_categories,
    compare_profiles,
    digest_data,
    lay_out,
    read_accepted,
    read_present,
    say_reference,
    take_profile,
    write_profile,
)
from glasshouse.quality.sketches import sketch
from glasshouse.tables.raw import TABLES, read_raw


def tables_of(folder):
    raw = read_raw(folder)
    return {name: getattr(raw, name) for name in TABLES}


@pytest.fixture
def profile(raw):
    return take_profile(tables_of(raw), digest_data(raw))


def test_the_profile_tells_the_data(profile):
    assert profile.pictures == 23 and profile.categories == {"rose": 1, "tulip": 2}
    assert profile.mixes["labels"].counts == {"rose": 12, "tulip": 11}
    assert profile.mixes["objects"].counts == {"rose": 24, "tulip": 22}
    assert profile.mixes["objects"].pictures == 23.0  # two boxes a picture: (2 x 23)^2 / (4 x 23)
    assert profile.sketches["width_px"].values.tolist() == [64, 90, 120]
    assert profile.sketches["boxes_per_picture"].values.tolist() == [2]
    tiny = (2 * 2 / (64 * 64)) ** 0.5
    assert profile.sketches["box_side"].values.min() == pytest.approx(
        min(tiny, 2 / (90 * 120) ** 0.5), rel=1e-5
    )


def frames(sizes, labels, boxes):
    """Tables of pictures of (width, height) with labels, and boxes as (image_id, category_id, x, y, x, y)."""
    ids = range(1, len(sizes) + 1)
    width, height = zip(*sizes, strict=True)
    corners = ["x_min_px", "y_min_px", "x_max_px", "y_max_px"]
    levels = {"mean_level": 100.0, "spread_level": 40.0, "sharpness": 9.0}
    images = {"image_id": ids, "width_px": width, "height_px": height, "label": labels}
    return {
        "images": pd.DataFrame(images),
        "objects": pd.DataFrame(boxes, columns=["image_id", "category_id", *corners]),
        "categories": pd.DataFrame({"category_id": [1, 2], "name": ["tulip", "rose"]}),
        "statistics": pd.DataFrame({"image_id": ids, **levels}),
    }


def test_every_figure_is_of_its_own_side_and_table():
    """Boxes of 8 x 8 and 16 x 4 of 32 x 8 px: sides of sqrt(64 / 256) = 0.5; one backwards has none."""
    boxes = [(1, 1, 0, 0, 8, 8), (1, 2, 0, 0, 16, 4), (1, 2, 9, 0, 8, 8), (1, 2, 9, 9, 8, 8)]
    made = take_profile(frames([(32, 8), (16, 16), (32, 8), (10, 10)], ["b", "b", "a", None], boxes), "")
    sketches = made.sketches
    assert sketches["width_px"].values.tolist() == [10, 16, 32]
    assert sketches["height_px"].values.tolist() == [8, 10, 16]
    assert sketches["ratio"].values.tolist() == [1, 4]
    assert sketches["boxes_per_picture"].values.tolist() == [0, 4]  # of all pictures, bare ones too
    assert sketches["box_side"].values.tolist() == [0, 0.5]
    assert sketches["box_side"].counts.tolist() == [2, 2]
    # Four boxes of one picture are one draw: (sum)^2 / sum of squares = 4^2 / 4^2.
    assert (sketches["box_side"].pictures, made.mixes["objects"].pictures) == (1, 1)
    assert list(made.mixes["objects"].counts.items()) == [("rose", 3), ("tulip", 1)]  # in one order always
    assert list(made.mixes["labels"].counts.items()) == [("(no label)", 1), ("a", 1), ("b", 2)]
    assert made.mixes["labels"].pictures == 4
    assert set(take_profile(frames([(8, 8)], [None], []), "").mixes) == set()


def test_the_accepted_version_and_the_present_one_are_not_taken_for_each_other():
    """300 pictures of which a half are wide, and 100 of which all are; 2 classes against 3."""
    old = take_profile(frames([(64, 48)] * 150 + [(32, 48)] * 150, ["a"] * 200 + ["b"] * 100, []), "")
    new = take_profile(frames([(64, 48)] * 100, ["a"] * 80 + ["b"] * 10 + ["c"] * 10, []), "")
    drift = compare_profiles(old, new).set_index("feature")
    assert (drift["reference_draws"] == 300).all() and (drift["present_draws"] == 100).all()
    assert drift.loc["width_px", ["reference", "present"]].tolist() == [32, 64]
    there = compare_in_bins(old.sketches["width_px"], new.sketches["width_px"])
    back = compare_in_bins(new.sketches["width_px"], old.sketches["width_px"])
    assert drift.loc["width_px", "psi"] == there.distance != back.distance
    # PSI of (2/3, 1/3, half a picture of 300) against (0.8, 0.1, 0.1)
    shares = zip((2 / 3, 1 / 3, 0.5 / 300), (0.8, 0.1, 0.1), strict=True)
    mix = drift.loc["mix_of_labels"]
    assert mix["psi"] == pytest.approx(sum((now - was) * np.log(now / was) for was, now in shares))
    # three classes have two degrees of freedom, whose mean under chance is taken off
    assert mix["psi_beyond"] == pytest.approx(mix["psi"] - 2 * (1 / 300 + 1 / 100))


@pytest.mark.parametrize("table", ["images", "objects", "categories"])
def test_a_data_version_is_known_by_each_of_its_tables(raw, tmp_path, table):
    shutil.copytree(raw, tmp_path / "raw")
    (tmp_path / "raw/statistics.parquet").write_bytes(b"measured anew")
    assert digest_data(tmp_path / "raw") == digest_data(raw)
    (tmp_path / f"raw/{table}.parquet").write_bytes(b"x")
    assert digest_data(tmp_path / "raw") != digest_data(raw)


def test_a_profile_is_near_itself(profile):
    drift = compare_profiles(profile, profile)
    assert (drift[["psi", "psi_beyond"]] == 0).all(axis=None) and (drift["ks"].dropna() == 0).all()
    assert compare_categories(profile, profile)["change"].isna().all()


def test_moved_data_is_told(shelf, tmp_path, raw):
    """100 pictures each, as the limits need: brighter ones, one class dropped, boxes doubled."""
    old, new = (
        shelf(tmp_path / "old/raw", pictures=100),
        shelf(tmp_path / "new/raw", pictures=100, brightness=60),
    )
    reference, tables = take_profile(tables_of(old), ""), tables_of(new)
    assert moved(compare_profiles(reference, take_profile(tables, ""))) == {"mean_level"}
    objects, images = tables_of(old)["objects"], tables_of(old)["images"]
    roses = tables_of(old) | {"objects": objects[objects["category_id"] == 1]}
    assert "mix_of_objects" in moved(compare_profiles(reference, take_profile(roses, "")))
    assert "boxes_per_picture" in moved(compare_profiles(reference, take_profile(roses, "")))
    relabelled = tables_of(old) | {"images": images.assign(label="rose")}
    assert moved(compare_profiles(reference, take_profile(relabelled, ""))) == {"mix_of_labels"}


def moved(drift):
    return set(drift.loc[(drift["psi_beyond"] > 0.2) | (drift["ks_beyond"] > 0.15), "feature"])


def test_changed_classes_are_told_one_by_one(profile, raw):
    tables = tables_of(raw)
    tables["categories"] = tables["categories"].assign(name=["lily", "rose"])
    changes = compare_categories(profile, take_profile(tables, ""))
    assert changes.astype(object).where(changes.notna(), None).to_numpy().tolist() == [
        ["rose", 1, 2, "renumbered"],
        ["tulip", 2, None, "gone"],
        ["lily", None, 1, "new"],
    ]


def test_a_document_has_a_line_for_every_plain_value_and_names_as_they_are():
    assert lay_out({"größe": {"a": ["ü", 1]}, "b": {}}) == '{\n "größe": {\n  "a": ["ü", 1]\n },\n "b": {}\n}'


def test_without_an_accepted_version_there_is_nothing_to_compare(raw, tmp_path):
    accepted = tmp_path / "accepted.json"
    for text in (None, '{"accepted": null}'):
        if text:
            accepted.write_text(text)
        drift = write_profile(raw, tables_of(raw), accepted, tmp_path / "profile.json")
        assert all(table.empty for table in drift.values()) and "glasshouse accept" in say_reference(drift)
        document = json.loads((tmp_path / "profile.json").read_text())
        assert (document["reference"], document["drift"]) == (None, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("\xff", "no JSON"),
        ("[]", "a JSON object"),
        ('{"accepted": {}}', "'version'"),
        ('{"accepted": {"version": 2}}', "version 2 is not 1"),
        ('{"accepted": 3}', "no profile of this version"),
        ('{"acceptd": null}', "lacks the key accepted: .*from git"),
    ],
)
def test_a_spoilt_reference_is_an_error_that_names_the_file(text, message, tmp_path):
    path = tmp_path / "accepted.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ProfileError, match=message) as fault:
        read_accepted(path)
    assert "accepted.json" in str(fault.value)


def test_a_damaged_profile_is_written_anew_and_not_asked_of_git(tmp_path):
    (tmp_path / "profile.json").write_text("{")
    with pytest.raises(ProfileError, match=r"profile.json is no JSON .*delete it and run `dvc repro --force"):
        read_present(tmp_path / "profile.json")
    (tmp_path / "profile.json").write_text("{}")
    with pytest.raises(ProfileError, match=r"profile.json holds no profile"):
        read_present(tmp_path / "profile.json")


@pytest.fixture
def place(raw, tmp_path, monkeypatch):
    """A project in which download has run and found nothing critical."""
    shutil.copytree(raw, tmp_path / "data/raw")
    reports = tmp_path / "reports/quality"
    reports.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    report = {"mode": "enforce", "success": True, "findings": {"critical": 0, "warning": 0}, "outcomes": []}
    (reports / "download.json").write_text(json.dumps(report))
    (tmp_path / "data/accepted.json").write_text('{\n "accepted": null\n}\n')
    write_profile(raw, tables_of(raw), tmp_path / "data/accepted.json", reports / "profile.json")
    return tmp_path


def spoil_report(place):
    outcome = {"status": "failed", "severity": "critical", "check": "label_typo", "failing_rows": []}
    report = {
        "mode": "enforce",
        "success": False,
        "findings": {"critical": 1, "warning": 0},
        "outcomes": [outcome],
    }
    (place / "reports/quality/download.json").write_text(json.dumps(report))


def test_accepting_makes_the_present_version_the_reference(place, raw, shelf, capsys):
    assert main(["accept"]) == 0
    said = capsys.readouterr().out
    assert "23 pictures, 2 classes; none was accepted before" in said and "commit it" in said
    present = read_present(place / "reports/quality/profile.json")
    assert read_accepted(place / "data/accepted.json").as_json() == present.as_json()
    written = (place / "data/accepted.json").read_bytes()
    assert main(["accept"]) == 0 and "accepted already" in capsys.readouterr().out
    assert (place / "data/accepted.json").read_bytes() == written
    shutil.rmtree(place / "data/raw")
    new = shelf(place / "data/raw", pictures=100, brightness=60)
    drift = write_profile(
        new, tables_of(new), place / "data/accepted.json", place / "reports/quality/profile.json"
    )
    assert len(drift["drift"]) == 10 and "compared" in say_reference(drift)
    assert main(["accept"]) == 0
    said = capsys.readouterr().out
    assert f"before {present.data[:12]}: 23 and 2" in said and "99 pictures" in said
    assert "  mean_level: moved beyond chance: PSI" in said


def test_large_medians_are_told_without_powers_of_ten():
    none = ("", 0, {})
    accepted = Profile(*none, {"width_px": sketch(np.full(200, 12_345))}, {})
    present = Profile(*none, {"width_px": sketch(np.full(200, 12_445))}, {})
    assert list(say_changes(accepted, present))[1].endswith(" KS 1.000, median 12345 -> 12445")


def test_what_is_not_clean_is_accepted_only_by_force(place, capsys):
    spoil_report(place)
    before = (place / "data/accepted.json").read_bytes()
    assert main(["accept"]) == 1
    said = capsys.readouterr().out
    assert "  download: label_typo" in said and "--force" in said
    assert (place / "data/accepted.json").read_bytes() == before
    assert main(["accept", "--force"]) == 0
    assert read_accepted(place / "data/accepted.json") is not None


def test_accepting_needs_a_profile_of_this_very_data(place, shelf, capsys):
    shutil.rmtree(place / "data/raw")
    shelf(place / "data/raw", pictures=30)
    assert main(["accept"]) == 1 and "run `dvc repro download`" in capsys.readouterr().err
    (place / "reports/quality/profile.json").unlink()
    assert main(["accept", "--force"]) == 1 and "profile.json is missing" in capsys.readouterr().err
