"""What a person reads of a split: which files, which class, which group."""

from __future__ import annotations

import hashlib
import runpy
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from glasshouse.quality.checking.checks import Outcome
from glasshouse.quality.checking.validation import read_outcomes, validate
from glasshouse.quality.leaks import with_copies
from glasshouse.quality.suites.split import derive, expectations, plan_shares
from glasshouse.tables.kept import KeptSplit, keep_splits, tabulate_kept
from glasshouse.tables.schema import build_frame
from glasshouse.tables.split import split_pictures

LIMITS = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "stages" / "split.py"))["LIMITS"])
CATEGORIES = build_frame([(1, "rose"), (2, "tulip")], "categories")
NO_OBJECTS = build_frame([], "objects")


def list_images(rows: list[tuple[str, int, str | None, str | None, str | None]]) -> pd.DataFrame:
    """Images of (file_name, motif, label, given_split, given_group); a motif is one perceptual hash."""
    spread = 0x9E3779B97F4A7C15  # multiples of an odd number lie far apart, in bits too
    return build_frame(
        [
            (
                number,
                name,
                hashlib.sha256(name.encode()).hexdigest(),
                f"{motif * spread % 2**64:016x}",
                f"{(motif + 5000) * spread % 2**64:016x}",
                hashlib.sha256(str(motif).encode()).digest() * 6,  # a thumbnail of 192 bytes
                *(9, 9, "RGB", label, given, group),
            )
            for number, (name, motif, label, given, group) in enumerate(rows, 1)
        ],
        "images",
    )


def judge(
    images: pd.DataFrame,
    objects: pd.DataFrame = NO_OBJECTS,
    kept: KeptSplit | None = None,
    **changes: object,
) -> dict[str, Outcome]:
    """The findings on the split that split_pictures makes, by check."""
    values = {"method": "stratified", "test": 0.1, "valid": 0.15, "near_copy_bits": 3, "balance": "none"}
    how = SimpleNamespace(**values | changes)
    table = split_pictures(images, objects, how, 7, CATEGORIES, kept)
    tables = {"images": images, "objects": objects, "categories": CATEGORIES, "split": table}
    tables |= tabulate_kept(images, table, kept, 3)
    tables["plan"] = plan_shares(how)
    checks = expectations(LIMITS)
    outcomes = read_outcomes(checks, validate({**tables, **derive(tables)}, checks))
    return {outcome.check: outcome for outcome in outcomes if outcome.status == "failed"}


def test_an_official_split_with_a_copy_in_it_is_a_warning_that_names_both_files() -> None:
    parts = [*["train"] * 30, *["valid"] * 6, *["test"] * 4]
    rows = [(f"{n:02d}.jpg", n + 1, "rose", part, None) for n, part in enumerate(parts)]
    rows[30] = ("30.jpg", 8, "rose", "valid", None)
    findings = judge(list_images(rows), method="given")
    assert set(findings) == {"copies_not_sliced_through"}
    finding = findings["copies_not_sliced_through"]
    assert finding.severity == "warning"
    told = [
        tuple(row[name] for name in ("file_name", "split", "lies_apart_from")) for row in finding.failing_rows
    ]
    assert told == [("07.jpg", "train", "30.jpg (valid)"), ("30.jpg", "valid", "07.jpg (train)")]


def test_what_the_source_lacked_and_was_dealt_is_told() -> None:
    rows = [(f"{n:02d}.jpg", n + 1, "rose", "test" if n > 35 else "train", None) for n in range(40)]
    findings = judge(list_images(rows), method="given")
    assert set(findings) == {"split_as_given"}
    assert {row["split"] for row in findings["split_as_given"].failing_rows} == {"valid"}
    assert findings["split_as_given"].unexpected == 6  # 0.15 of 40
    assert findings["split_as_given"].severity == "warning"


@pytest.mark.parametrize("pictures, lacking", [(1, {"valid", "test"}), (2, {"valid"})])
def test_a_class_with_too_few_pictures_is_named(pictures: int, lacking: set[str]) -> None:
    rows = [(f"{n}.jpg", n + 1, "tulip" if n < pictures else "rose", None, None) for n in range(100)]
    findings = judge(list_images(rows))
    assert set(findings) == {"class_in_valid_and_test"}
    told = findings["class_in_valid_and_test"].failing_rows
    assert {(row["class"], row["split"], row["pictures_over_all"]) for row in told} == {
        ("tulip", name, pictures) for name in lacking
    }


def test_a_class_of_objects_is_told_by_its_name() -> None:
    box = (0.0, 0.0, 5.0, 5.0, False, None)
    objects = build_frame(
        [(n, n, 1, *box) for n in range(1, 101)] + [(101, 5, 2, *box), (102, 6, 2, *box)], "objects"
    )
    findings = judge(list_images([(f"{n}.jpg", n + 1, None, None, None) for n in range(100)]), objects)
    assert [(row["class"], row["split"]) for row in findings["class_in_valid_and_test"].failing_rows] == [
        ("tulip", "valid")
    ]


def test_a_class_that_slicing_leaves_untrained_is_critical() -> None:
    rows = [(f"{n}.jpg", n + 1, "rose" if n < 20 else "tulip", None, None) for n in range(100)]
    finding = judge(list_images(rows), method="ordered")["class_in_train"]
    assert finding.severity == "critical"
    assert [(row["class"], row["pictures_over_all"]) for row in finding.failing_rows] == [("rose", 20)]


def test_a_group_too_large_for_the_shares_is_named() -> None:
    rows = [(f"{n}.jpg", n + 1, "rose", None, "patient 1" if 10 <= n < 95 else None) for n in range(100)]
    findings = judge(list_images(rows))
    assert set(findings) == {"share_as_planned"}
    told = {
        (row["split"], row["pictures"], row["largest_group"], row["largest_group_of"])
        for row in findings["share_as_planned"].failing_rows
    }
    # 85 of 100 must stay together, in train: of the 15 others 10 test, and 5 are left to validate
    assert told == {("train", 85, 85, "10.jpg"), ("valid", 5, 85, "10.jpg")}


def test_oversampling_is_sound_and_weighs_the_rare() -> None:
    rows = [(f"{n}.jpg", n + 1, "tulip" if n % 10 == 0 else "rose", None, None) for n in range(200)]
    assert judge(list_images(rows), balance="oversample") == {}


def test_a_set_of_crowds_alone_is_judged_and_its_classes_have_no_picture() -> None:
    """`quality.mode: report` lets such a set through to the split; it shows no class."""
    images = list_images([(f"{i}.png", i, None, None, None) for i in range(20)])
    crowds = build_frame([(i + 1, i + 1, 1, 1.0, 1.0, 5.0, 5.0, True, None) for i in range(20)], "objects")
    assert {"class_in_train", "class_in_valid_and_test"}.isdisjoint(judge(images, crowds))


def test_a_picture_left_out_of_a_group_that_was_accepted_apart_is_told_and_nobody_s_copy() -> None:
    """A `groups.csv` that came after the data was accepted, and a new picture of one of its groups."""
    old = list_images([(f"{n}.jpg", n + 1, "rose", None, None) for n in range(100)])
    how = SimpleNamespace(method="stratified", test=0.1, valid=0.15, near_copy_bits=3, balance="none")
    table = split_pictures(old, NO_OBJECTS, how, 7, CATEGORIES)
    kept = keep_splits(old, table, {"test": 0.1, "valid": 0.15}, "d1", Path("data/accepted_split.json"))
    pair = [int((table["split"] == name).idxmax()) for name in ("train", "test")]
    rows = [(f"{n}.jpg", n + 1, "rose", None, "clip" if n in (*pair, 100) else None) for n in range(101)]
    findings = judge(list_images(rows), kept=kept)
    assert set(findings) == {"near_copies_together", "given_groups_together", "picture_not_left_out"}
    told = findings["near_copies_together"].failing_rows
    assert {row["file_name"]: row["lies_apart_from"] for row in told} == {
        f"{pair[0]}.jpg": f"{pair[1]}.jpg (test)",
        f"{pair[1]}.jpg": f"{pair[0]}.jpg (train)",
    }


def test_a_group_of_twenty_thousand_that_is_sliced_through_takes_no_square_of_time() -> None:
    pictures = 20_000
    assigned = pd.DataFrame(
        {
            "file_name": [f"{row}.jpg" for row in range(pictures)],
            "sha256": [f"{row:064x}" for row in range(pictures)],
            "split": ["test"] * 2000 + ["valid"] * 3000 + ["train"] * 15_000,
            "group": 1,
            "given_group": "clip",
        }
    )
    began = time.process_time()
    copies = with_copies(assigned, pd.DataFrame({"method": ["ordered"]}))
    assert time.process_time() - began < 5  # a list of the others for each picture took 14 s
    assert copies["lies_apart_from"][0] == (
        "2000.jpg (valid), 2001.jpg (valid), 2002.jpg (valid), 2003.jpg (valid), 2004.jpg (valid) "
        "and 17995 more"
    )
    assert copies["lies_apart_from"][19_999].startswith("0.jpg (test), ")


def test_a_given_split_has_no_shares_to_keep() -> None:
    split = SimpleNamespace(valid=0.15, test=0.1, method="stratified", balance="none")
    assert plan_shares(split)["share"].tolist() == pytest.approx([0.75, 0.15, 0.1])
    split.method = "given"
    plan = plan_shares(split)
    assert plan["share"].isna().all() and plan["split"].tolist() == ["train", "valid", "test"]
