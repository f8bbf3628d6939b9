"""Every check of every suite is seen to pass on sound tables and to fail on one that breaks it."""

from __future__ import annotations

import copy
import runpy
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageMode
from ruamel.yaml import YAML

from glasshouse.params.schema import Quality
from glasshouse.quality.checking.contract import complete_tables, contract_checks, describe_tables
from glasshouse.quality.checking.guard import find_suite
from glasshouse.quality.checking.validation import read_outcomes, validate
from glasshouse.quality.suites.download import EIGHT_BIT_MODES
from glasshouse.quality.suites.evaluate import flatten_metrics
from glasshouse.quality.suites.preprocess import summarize_pixels
from glasshouse.tables.gather import LOST, LOST_KIND

HERE = Path(__file__).parent
STAGES = {path.stem: runpy.run_path(str(path)) for path in sorted((HERE / "stages").glob("*.py"))}
CASES = [(stage, check) for stage, bench in STAGES.items() for check in bench["BREAKS"]]


def edit(tables, steps):
    """The tables after some edits of single rows and columns."""
    tables = dict(tables)
    for verb, name, *details in steps:
        frame = tables[name].copy()
        if verb == "put":
            row, column, value = details
            frame[column] = [value if place == row else old for place, old in enumerate(frame[column])]
        elif verb == "fill":
            frame[details[0]] = details[1]
        elif verb == "drop":
            frame = frame.drop(columns=details[0])
        elif verb == "head":
            frame = frame.head(details[0])
        elif verb == "remove":
            frame = frame.drop(index=details[0])
        else:
            extra = frame.iloc[[details[0]]] if verb == "double" else pd.DataFrame([details[0]])
            frame = pd.concat([frame, extra])
        tables[name] = frame.reset_index(drop=True)
    return tables


def gather_frames(stage, tables):
    """What the checks of the suite look at."""
    suite = find_suite(stage)
    tables = complete_tables(tables, suite.TABLES)
    return {**tables, **suite.derive(tables)}


def list_checks(stage):
    return find_suite(stage).expectations(SimpleNamespace(**STAGES[stage]["LIMITS"]))


@cache
def sound_frames(stage):
    return gather_frames(stage, STAGES[stage]["make_tables"]())


def judge_contract(stage, tables):
    """Findings of the contract by name, for the tables of a stage."""
    suite = find_suite(stage)
    checks = contract_checks()
    answers = validate(describe_tables(complete_tables(tables, suite.TABLES), suite.TABLES), checks)
    return {
        outcome.check: outcome for outcome in read_outcomes(checks, answers) if outcome.status == "failed"
    }


def told(finding, *columns):
    """The failing rows of a finding, by some of their columns."""
    return [tuple(row[column] for column in columns) for row in finding.failing_rows]


def test_there_is_a_bench_for_every_suite():
    with pytest.raises(ValueError, match=r"must be one of download, .*, train_head. Got 'dowload' instead"):
        find_suite("dowload")
    assert list(STAGES) == [
        "download",
        "evaluate",
        "export",
        "fine_tune",
        "preprocess",
        "split",
        "train_head",
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_sound_tables_pass_every_check(stage):
    assert judge_contract(stage, STAGES[stage]["make_tables"]()) == {}
    checks = list_checks(stage)
    answers = validate(copy.deepcopy(sound_frames(stage)), checks)
    assert [outcome.check for outcome in read_outcomes(checks, answers) if outcome.status != "passed"] == []


@pytest.mark.parametrize("stage", STAGES)
def test_every_check_is_named_once_and_has_a_table_that_breaks_it(stage):
    names = [check.name for check in list_checks(stage)]
    assert sorted(STAGES[stage]["BREAKS"]) == sorted(names)
    assert not {check.name for check in contract_checks()} & set(names)


@pytest.mark.parametrize("stage", STAGES)
def test_the_limits_are_those_of_params_yaml(stage):
    values = YAML(typ="safe").load(HERE.parents[1] / "params.yaml")
    quality = getattr(Quality.model_validate(values["quality"]), stage)
    assert sorted([*STAGES[stage]["LIMITS"], "severity"]) == sorted(type(quality).model_fields)
    assert quality.severity == {}
    assert len(find_suite(stage).expectations(quality)) == len(STAGES[stage]["BREAKS"])


LIMITS = [(stage, limit) for stage, bench in STAGES.items() for limit in bench["LIMITS"]]


@pytest.mark.parametrize(("stage", "limit"), LIMITS)
def test_every_limit_is_the_limit_of_one_check(stage, limit):
    limits = STAGES[stage]["LIMITS"]
    moved = find_suite(stage).expectations(SimpleNamespace(**{**limits, limit: limits[limit] + 1}))
    pairs = zip(list_checks(stage), moved, strict=True)
    assert sum(old.expectation != new.expectation for old, new in pairs) == 1


@pytest.mark.parametrize(("stage", "check"), CASES)
def test_a_broken_table_fails_its_check_and_no_other(stage, check):
    bench, sound = STAGES[stage], sound_frames(stage)
    tables = edit(bench["make_tables"](), bench["BREAKS"][check])
    assert describe_sound(stage, tables)
    frames = gather_frames(stage, tables)
    # What the edit leaves as it was passes, as the test above has seen.
    checks = [c for c in list_checks(stage) if not frames[c.table].equals(sound[c.table])]
    outcomes = read_outcomes(checks, validate(frames, checks))
    findings = {outcome.check: outcome for outcome in outcomes if outcome.status == "failed"}
    assert set(findings) == {check, *bench["COMPANIONS"].get(check, set())}
    rows = next(c.rows for c in checks if c.name == check)
    assert len(findings[check].failing_rows) == (findings[check].unexpected if rows else 0)
    assert all(set(rows) <= set(row) for row in findings[check].failing_rows)
    assert "could not be computed" not in str([finding.observed for finding in findings.values()])


def describe_sound(stage, tables):
    """Whether the tables keep their contract, so that it is the suite that has to find the fault."""
    columns = describe_tables(tables, find_suite(stage).TABLES)["handed_columns"]
    return bool(columns["fits"].all() and columns["found"].notna().all() and (columns["missing"] == 0).all())


def demanded(stage, *, given):
    """(table, column) pairs of the contract in tables that have rows."""
    return [
        (table.name, column)
        for table in find_suite(stage).TABLES
        if len(given.get(table.name, ()))
        for column in table.columns
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_every_missing_column_is_found(stage):
    tables = STAGES[stage]["make_tables"]()
    pairs = [(table, column.name) for table, column in demanded(stage, given=tables)]
    findings = judge_contract(stage, edit(tables, [("drop", *pair) for pair in pairs]))
    assert set(findings) == {"columns_present"}
    assert [pair for pair in told(findings["columns_present"], "table", "column") if pair in pairs] == pairs


@pytest.mark.parametrize("stage", STAGES)
def test_every_column_without_a_value_is_found_unless_it_may_be(stage):
    tables = STAGES[stage]["make_tables"]()
    pairs = demanded(stage, given=tables)
    findings = judge_contract(
        stage, edit(tables, [("fill", table, column.name, None) for table, column in pairs])
    )
    assert set(findings) == {"values_filled"}
    wanted = [(table, column.name, len(tables[table])) for table, column in pairs if not column.nullable]
    assert told(findings["values_filled"], "table", "column", "missing") == wanted


@pytest.mark.parametrize("stage", STAGES)
def test_one_missing_value_is_found_and_its_row_named(stage):
    tables = STAGES[stage]["make_tables"]()
    pairs = [(table, column.name) for table, column in demanded(stage, given=tables) if not column.nullable]
    findings = judge_contract(
        stage, edit(tables, [("put", table, 0, column, None) for table, column in pairs])
    )
    assert set(findings) == {"values_filled"}
    assert told(findings["values_filled"], "table", "column", "missing") == [(*pair, 1) for pair in pairs]
    assert all("=" in where for (where,) in told(findings["values_filled"], "where"))


@pytest.mark.parametrize("stage", STAGES)
def test_every_column_of_another_kind_is_found(stage):
    tables = STAGES[stage]["make_tables"]()
    pairs = demanded(stage, given=tables)
    steps = [("fill", table, column.name, 7 if column.kind == "text" else "7") for table, column in pairs]
    findings = judge_contract(stage, edit(tables, steps))
    assert set(findings) == {"column_kinds"}
    assert told(findings["column_kinds"], "table", "column") == [
        (table, column.name) for table, column in pairs
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_every_missing_or_empty_table_is_found_unless_it_may_be(stage):
    contract, tables = find_suite(stage).TABLES, STAGES[stage]["make_tables"]()
    findings = judge_contract(stage, {})
    assert set(findings) == {"tables_handed"}
    assert told(findings["tables_handed"], "table") == [
        (table.name,) for table in contract if not table.optional
    ]
    findings = judge_contract(stage, {name: frame.head(0) for name, frame in tables.items()})
    assert set(findings) == {"tables_not_empty"}
    assert told(findings["tables_not_empty"], "table") == [
        (table.name,) for table in contract if table.min_rows
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_tables_that_may_be_empty_can_be_judged(stage):
    bench = STAGES[stage]
    names = [
        table.name
        for table in find_suite(stage).TABLES
        if not table.min_rows and table.name in bench["make_tables"]()
    ]
    frames = gather_frames(stage, edit(bench["make_tables"](), [("head", name, 0) for name in names]))
    checks = list_checks(stage)
    findings = {o.check for o in read_outcomes(checks, validate(frames, checks)) if o.status == "failed"}
    # An unlabelled picture is legitimate only where others have objects; what was scored must be there.
    expected = {"download": {"picture_labelled"}, "evaluate": {"objects_as_manifest", "predictions_as_table"}}
    assert findings == expected.get(stage, set())


def test_labels_that_are_lost_with_their_picture_count_by_their_number():
    """One file that is no picture, and 40 objects with it; 23 labels and 17 objects stay."""
    bench = STAGES["download"]
    reason = f"{LOST.format(40)}: truncated JPEG picture"
    fault = {**bench["FAULT"], "kind": LOST_KIND, "reason": reason, "place": ""}
    tables = edit(bench["make_tables"](), [("add", "faults", fault)])
    assert (tables["images"]["label"].notna().sum(), len(tables["objects"])) == (23, 17)
    frames = gather_frames("download", tables)
    (counts,) = frames["label_counts"].to_dict("records")
    assert (counts["kept"], counts["set_aside"], counts["lost_share"]) == (40, 40, 0.5)


def test_modes_of_eight_bits_are_those_of_which_pillow_keeps_bytes():
    bits = {
        mode: ImageMode.getmode(mode).typestr for mode in (*Image.MODES, "LA", "La", "PA", "RGBa", "I;16")
    }
    assert {mode for mode, kind in bits.items() if kind in ("|u1", "|b1")} == set(EIGHT_BIT_MODES)


def test_the_share_that_was_set_aside_is_one_of_all_files():
    """Three files beside 24 pictures: 3 of 27, and 0 on the rows of sound ones."""
    bad = pd.DataFrame({"file_name": ["1.jpg", "2.jpg", "3.jpg"], "reason": "truncated", "bytes": 7})
    files = gather_frames("download", STAGES["download"]["make_tables"]() | {"quarantine": bad})["files"]
    assert len(files) == 27
    assert files["quarantined_share"].tolist() == pytest.approx([0.0] * 24 + [3 / 27] * 3)


def test_scores_become_rows_by_what_they_are():
    """Counts, blocks and texts are no scores; a score that is not defined is one."""
    own = {"AP": 0.5, "recall": None, "curve": [0.1], "predictions": 7}
    report = {"mAP_50_95": 0.5, "log_loss": None, "method": "coco", "protocol": {"most": 100}}
    report |= {"pictures": 2, "ground_truth": 3, "predictions": 4, "per_class": {"rose": own}}
    told = flatten_metrics(
        {"valid": {"per_class": {}, "ci95": {}}, "test": report | {"ci95": {"mAP": (0.4, 0.6)}}}
    )
    rows = {name: frame.replace({np.nan: None}).to_numpy().tolist() for name, frame in told.items()}
    assert rows["metrics"] == [
        ["test", "mAP_50_95", 0.5],
        ["test", "log_loss", None],
        ["test", "mAP_ci95_low", 0.4],
        ["test", "mAP_ci95_high", 0.6],
    ]
    assert rows["counts"] == [["valid", 0, 0, 0], ["test", 2, 3, 4]]
    assert rows["per_class"] == [["test", "rose", "AP", 0.5], ["test", "rose", "recall", None]]


def derive_edited(stage, *steps, **tables):
    """What a suite derives of its sound tables after some edits."""
    return gather_frames(stage, edit(STAGES[stage]["make_tables"](), steps) | tables)


def test_objects_are_counted_as_the_source_has_them_where_it_tells():
    """Picture 5 has a crowd, which does not count, and an object that cropping took away, which does."""
    raw = pd.DataFrame({"image_id": [1, 2, 3, 4, 5, 5, 5], "is_crowd": [False] * 5 + [True, False]})
    raw.loc[len(raw)] = [99, False]  # of a picture that trains
    counted = derive_edited("evaluate", objects=raw)["splits"].set_index("split")["manifest_objects"]
    assert counted.to_dict() == {"valid": 3, "test": 3}
    as_classifier = [("put", "metrics", row, "metric", "accuracy") for row in (0, 5)]
    assert derive_edited("evaluate", *as_classifier)["splits"]["manifest_objects"].isna().all()


def test_only_the_test_score_must_be_high_enough():
    assert derive_edited("evaluate")["main_scores"]["test_value"].replace({np.nan: None}).tolist() == [
        None,
        0.5,
    ]


def test_scores_and_boxes_at_their_limits_are_sound():
    """A perfect score has an interval without width; a box may have no side, and lie out by a rounding."""
    steps = [("put", "metrics", row, "value", 1.0) for row in range(3)]
    steps += [("put", "predictions", 0, column, 64.009) for column in ("x_min_px", "x_max_px")]
    steps += [("put", "predictions", 1, "y_max_px", 5.0)]
    checks = list_checks("evaluate")
    outcomes = read_outcomes(checks, validate(derive_edited("evaluate", *steps), checks))
    assert [outcome.check for outcome in outcomes if outcome.status != "passed"] == []


def test_pixels_are_summed_up_over_all_shards():
    shards = [np.full((70, 2, 3, 3), 10, np.uint8), np.full((30, 2, 3, 3), 60, np.uint8)]
    shards[0][66:] = 0
    row = {"height_px": 2, "width_px": 3, "dtype": "uint8", "min": 0.0, "max": 60.0}
    (told,) = summarize_pixels({"train": shards}).to_dict("records")
    assert told == {"split": "train", "count": 100, **row, "mean": (66 * 10 + 30 * 60) / 100}
    (told,) = summarize_pixels({"train": [shards[0], shards[1][:, :, :2].astype(np.float32)]}).to_dict(
        "records"
    )
    assert (told["height_px"], told["width_px"], told["dtype"]) == (
        0,
        0,
        "float32/uint8",
    )  # checks refuse both


def test_a_box_that_sticks_out_is_cut_where_its_picture_ends():
    """Pictures of 32 x 32 at half the size, 4 px further down; the box is (5, 7, 15, 28) there."""
    raw = [("put", "objects", 0, column, value) for column, value in (("x_min_px", -9.0), ("y_max_px", 99.0))]
    new = [
        ("put", "prepared_objects", 0, column, value)
        for column, value in (("x_min_px", 0.0), ("y_max_px", 32.0))
    ]
    assert (derive_edited("preprocess", *raw, *new)["moved"]["moved_by_px"] == 0).all()
    assert (
        derive_edited("preprocess", *raw)["moved"]["moved_by_px"].max() == 5
    )  # x from 5 to 0, y from 28 to 32


def test_either_side_of_an_original_must_be_kept():
    for side in ("width_px", "height_px"):
        same = derive_edited("preprocess", ("put", "prepared_images", 2, side, 65))["pictures"]["same_size"]
        assert same.tolist() == [True] * 2 + [False] + [True] * 9


def test_classes_are_held_against_the_whole_split_by_split():
    """Three tulips of valid became roses, and a rose of train is bare: 7 of 8 are roses there, 22 of 40 over
    all; one picture of 8 is rounding."""
    steps = [("put", "images", row, "label", "rose") for row in (29, 31, 33)]
    steps += [("put", "images", 0, "label", None)]
    mix = derive_edited("split", *steps)["class_mix"].set_index(["split", "class"])
    assert mix["pictures"].to_dict() == {
        **{("train", "rose"): 13, ("train", "tulip"): 14, ("valid", "rose"): 7, ("valid", "tulip"): 1},
        **{("test", "rose"): 2, ("test", "tulip"): 2},
    }
    assert mix["share"]["valid"].to_dict() == {"rose": 7 / 8, "tulip": 1 / 8}
    assert mix["share_over_all"]["test"].to_dict() == {"rose": 22 / 40, "tulip": 17 / 40}
    assert mix["off_by"]["valid"]["rose"] == pytest.approx(7 / 8 - 22 / 40 - 1 / 8)
    assert mix["off_by"]["train"]["rose"] == pytest.approx(22 / 40 - 13 / 28 - 1 / 28)
    assert mix["train_pictures"].dropna().to_dict() == {("train", "rose"): 13, ("train", "tulip"): 14}
    assert sorted(mix["held_out_pictures"].dropna()) == [1, 2, 2, 7]


def test_whole_groups_of_accepted_pictures_hold_a_share_up():
    """One of twelve copies is accepted in valid, where the others stay too, although 8 of 40 were planned."""
    steps = [
        ("put", "split", row, column, value)
        for row in range(24, 36)
        for column, value in (("split", "valid"), ("group", 25))
    ]
    steps += [("add", "accepted", {"image_id": 30, "split": "valid"})]
    shares = derive_edited("split", *steps)["shares"].set_index("split")
    assert shares["reachable"].to_dict() == pytest.approx(
        {"train": 24 / 40, "valid": 12 / 40, "test": 4 / 40}
    )
    assert shares["held_off_by"].to_dict() == pytest.approx(
        {"train": 0.1 - 1 / 40, "valid": 0.1 - 1 / 40, "test": 0}
    )
    assert (shares["off_by"] == 0).all() and (shares["largest_group"] == 12).all()
