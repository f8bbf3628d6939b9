from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from glasshouse.retraining.change import write_mark
from glasshouse.retraining.figures import NOW, Pair, draw_curves, draw_pairs
from glasshouse.retraining.findings import Stopped, find_stopped, write_drift, write_findings
from glasshouse.retraining.report import (
    draw_figures,
    pair_classes,
    write_classes,
    write_report,
    write_stopped,
)
from glasshouse.retraining.tables import say_figure, say_interval, write_table
from glasshouse.retraining.verdict import SAME_NETWORK, Verdict, find_line

STATE = "5" * 64
COUNTS = {"train": 30, "test": 10}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def finished(project: Any) -> Path:
    """A finished state: test mAP_50_95 0.61 (0.58 to 0.64), tulips 0.5."""
    project.make_outputs()
    curve = [{"step": 1, "phase": "train_head", "epoch": 1, "loss": 2.0}]
    project.write("reports/evaluate/learning_curves.json", json.dumps(curve))
    root: Path = project.root
    return root


def judge(root: Path, stage: str, *findings: dict[str, Any]) -> None:
    path = root / f"reports/quality/{stage}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    critical = sum(finding["severity"] == "critical" for finding in findings)
    counts = {"critical": critical, "warning": len(findings) - critical}
    report = {"success": not critical, "mode": "enforce", "findings": counts, "outcomes": list(findings)}
    path.write_text(json.dumps(report))


def finding(check: str, severity: str, table: str = "images", **row: Any) -> dict[str, Any]:
    said = {"check": check, "severity": severity, "table": table, "status": "failed"}
    return {**said, "counted": 40, "unexpected": 3, "failing_rows": [row] if row else []}


def read(root: Path) -> str:
    return (root / "reports/retrain.md").read_text(encoding="utf-8")


def test_the_report_of_a_promotion(finished: Path, promoted: Verdict) -> None:
    judge(finished, "download", finding("not_dark", "warning", file_name="a|b.jpg"))
    write_report(finished, STATE, promoted, "detect", COUNTS)
    text = read(finished)
    lines = text.splitlines()
    assert lines[:2] == [write_mark(STATE), "# Retraining 555555555555: promoted: better"]
    for line in (
        "**`flowers` version 2 was promoted** to champion; before it was version 1.",
        "| mAP_50_95 | 0.5000 (0.4000 to 0.6000) | 0.6100 (0.5800 to 0.6400) |",
        "| mAP_50_95 | 0.5000 | 0.8000 | +0.3000 | +0.2000 to +0.4000 | 1.00 | 40 |",
        "| tulips | 0.4 | - | - | - |",
        "![scores](retrain/scores.svg)",
        "![loss](retrain/loss.svg)",
        "test 10, train 30 pictures.",
        "No data version was accepted before, so there is nothing to hold this one against.",
        "| download | warning | `not_dark` | 3 of 40 | file_name=a\\|b.jpg |",
        f"|{' --- |' * 14}",  # below the heads of the ledger's columns
        promoted.line,
        "    glasshouse rollback   # version 1 is champion again",
    ):
        assert line in lines, line
    for name in ("scores", "loss"):
        ElementTree.parse(finished / f"reports/retrain/{name}.svg")
    again = text
    write_report(finished, STATE, promoted, "detect", COUNTS)
    assert read(finished) == again


def test_the_report_of_a_first_champion_a_refusal_and_a_twin(finished: Path, promoted: Verdict) -> None:
    first = dataclasses.replace(
        promoted, outcome="promoted: first champion", against="", gain={}, before={}, line=""
    )
    write_report(finished, STATE, first, "detect", COUNTS)
    text = read(finished)
    assert "to champion; there was none before." in text and "There was no champion to compare with." in text
    assert "| mAP_50_95 | - | 0.6100 (0.5800 to 0.6400) |" in text and "rollback" not in text
    assert "The decision added no line to reports/ledger.md." in text
    refused = dataclasses.replace(promoted, outcome="refused: worse", is_champion=False)
    write_report(finished, STATE, refused, "detect", COUNTS)
    text = read(finished)
    assert "**`flowers` version 2 was refused**; version 1 stays champion." in text
    assert "glasshouse rollback" not in text  # it would take back the champion, not what was refused
    assert "Merging it keeps lock, data and ledger in step; the champion stays the one before." in text
    twin = dataclasses.replace(promoted, outcome=SAME_NETWORK, number="1", gain={})
    write_report(finished, STATE, twin, "detect", COUNTS)
    text = read(finished)
    assert "**`flowers` version 1 stays champion.**" in text
    assert "| metric | version 1, registered | now |" in text
    assert "Merging or closing this change moves no alias: the champion is one already." in text


def test_classes_of_either_model_stand_in_the_table() -> None:
    before = {
        "per_class/roses/AP_50_95": 0.2,
        "per_class/tulips/AP_50_95": 0.4,
        "per_class/tulips/AP_50": 0.9,
    }
    now = {"per_class/tulips/AP_50_95": 0.5, "per_class/new one/AP_50_95": 0.1}
    assert pair_classes(before, now, {}, "detect") == [
        Pair("tulips", 0.4, 0.5),
        Pair("new one", None, 0.1),
        Pair("roses", 0.2, None),
    ]


def test_classes_are_called_as_the_data_call_them(finished: Path, promoted: Verdict, project: Any) -> None:
    """MLflow takes no vowel signs, no plus and no emoji: other names may become one there."""
    scores = {"C++": 0.5, "C##": 0.25, "की": None, "का": 0.75, "🍎": 0.125}
    per_class = {
        name: {"AP_50_95": score, "ground_truth": 12_000 + place}
        for place, (name, score) in enumerate(scores.items())
    }
    test = {"mAP_50_95": 0.4, "per_class": per_class, "ci95": {}}
    project.write("reports/evaluate/metrics.json", json.dumps({"test": test}))
    before = {"per_class/C__/AP_50_95": 0.75, "per_class/C__/AP_50_95_": 0.5, "per_class/gone_/AP_50_95": 0.1}
    write_report(finished, STATE, dataclasses.replace(promoted, before=before), "detect", COUNTS)
    lines = read(finished).splitlines()
    start = lines.index("| class | version 1 | version 2 | difference | test objects |") + 2
    assert lines[start : lines.index("", start)] == [
        "| C++ | 0.75 | 0.5 | -0.2500 | 12000 |",
        "| C## | 0.5 | 0.25 | -0.2500 | 12001 |",
        "| का | - | 0.75 | - | 12003 |",
        "| 🍎 | - | 0.125 | - | 12004 |",
        "| gone_ | 0.1 | - | - | - |",
    ]
    assert "C##" in (finished / "reports/retrain/scores.svg").read_text(encoding="utf-8")


def test_the_difference_of_a_class_is_this_model_less_the_one_before(promoted: Verdict) -> None:
    pairs = [Pair("tulips", 0.4, 0.55), Pair("roses", 0.5, 0.25), Pair("new", None, 0.1)]
    counted = {"tulips": 12}
    assert write_classes(promoted, pairs, counted, "detect") == [
        "| class | version 1 | version 2 | difference | test objects |",
        "| --- | --- | --- | --- | --- |",
        "| tulips | 0.4 | 0.55 | +0.1500 | 12 |",
        "| roses | 0.5 | 0.25 | -0.2500 | - |",
        "| new | - | 0.1 | - | - |",
    ]
    heads = write_classes(promoted, pairs, counted, "classify")[0]
    assert heads == "| class | version 1 | version 2 | difference | test pictures |"


def test_what_people_count_in_stands_without_powers_of_ten() -> None:
    assert [say_figure(value) for value in (12345, 12345.4, 9999.4, 0.12345, 2.0, None, "a")] == [
        *("12345", "12345", "9999", "0.1235", "2", "-", "a"),
    ]


def test_classes_have_the_score_of_their_task() -> None:
    scores = {"per_class/roses/recall": 0.9, "per_class/roses/AP_50_95": 0.2}
    assert pair_classes({}, scores, {}, "classify") == [Pair("roses", None, 0.9)]
    assert pair_classes({}, scores, {}, "localize") == [Pair("roses", None, 0.2)]


def test_findings_are_those_of_the_present_data_and_show_five_rows(tmp_path: Path) -> None:
    rows = [{"file_name": f"{number}.jpg"} for number in range(6)]
    judge(tmp_path, "download", {**finding("not_dark", "critical"), "failing_rows": rows})
    judge(tmp_path, "split", finding("no_leak", "warning"))  # of what was there before
    shown = "; ".join(f"file_name={number}.jpg" for number in range(5))
    assert write_findings(tmp_path)[2:] == [f"| download | critical | `not_dark` | 3 of 40 | {shown} |"]


def test_drift_tells_what_moved_and_what_the_guard_made_of_it(tmp_path: Path) -> None:
    keys = ("feature", "reference", "present", "psi", "psi_beyond", "ks", "ks_beyond")
    values = (
        ("mean_level", 100.0, 60.0, 0.9, 0.8, 0.5, 0.5),
        ("ratio", 1.0, 1.0, 0.1, 0.05, 0.1, 0.0),
        ("sharpness", 9.0, 9.0, 0.0, 0.0, 0.0, 0.0),
    )
    rows = [dict(zip(keys, row, strict=True)) for row in values]
    profile = {"profile": {"pictures": 50}, "reference": {"pictures": 40}, "drift": rows}
    judge(
        tmp_path,
        "download",
        finding("stable_by_psi", "warning", "drift", feature="mean_level"),
        finding("categories_as_accepted", "warning", "category_changes", name="lilies"),
    )
    (tmp_path / "reports/quality/profile.json").write_text(json.dumps(profile))
    assert write_drift(tmp_path) == [
        "50 pictures; the accepted version has 40.",
        "",
        "| what moved | median | PSI | KS | guard |",
        "| --- | --- | --- | --- | --- |",
        "| mean_level | 100 to 60 | 0.9 | 0.5 | warning |",
        "| ratio | 1 to 1 | 0.1 | 0.1 | within the limits |",
        "| lilies |   |   |   | warning |",
    ]
    classes = finding("categories_as_accepted", "warning", "category_changes", name="lilies")
    for findings, drift, told in (
        ([], rows[1:], "| ratio | 1 to 1 | 0.1 | 0.1 | within the limits |"),
        ([classes], rows[2:], "| lilies |   |   |   | warning |"),
    ):
        judge(tmp_path, "download", *findings)
        (tmp_path / "reports/quality/profile.json").write_text(json.dumps({**profile, "drift": drift}))
        assert write_drift(tmp_path)[4:] == [told]
    judge(tmp_path, "download")
    profile["drift"] = rows[2:]
    (tmp_path / "reports/quality/profile.json").write_text(json.dumps(profile))
    assert write_drift(tmp_path) == [
        "50 pictures; the accepted version has 40. Nothing has moved beyond chance."
    ]


def test_the_stage_that_stopped_is_the_one_that_ran_last(project: Any) -> None:
    assert find_stopped(project.folder) is None
    project.execute("download")
    assert find_stopped(project.folder) is None
    with project.open("train_head") as journal:
        journal.end("failed", "NotFinite: the loss is nan")
    assert find_stopped(project.folder) == Stopped("train_head", "NotFinite: the loss is nan", False)
    write_stopped(project.root, STATE, Stopped("train_head", "NotFinite: the loss is nan", False))
    text = read(project.root)
    assert text.startswith("# Retraining 555555555555: stopped in train_head, a stage failed")
    assert "NotFinite: the loss is nan" in text
    with project.open("train_head"):
        pass
    assert find_stopped(project.folder) == Stopped("train_head", "it was killed", False)


def test_what_stopped_a_stage_is_its_guard_only_where_that_refused(project: Any) -> None:
    with project.open("evaluate") as journal:
        journal.guard(True)
        journal.end("failed", "OSError: the disk is full")
    assert find_stopped(project.folder) == Stopped("evaluate", "OSError: the disk is full", False)
    with project.open("export") as journal:
        journal.guard(False, "export: 1 critical finding(s)")
        journal.end("failed", "GuardFailure")
    assert find_stopped(project.folder) == Stopped("export", "export: 1 critical finding(s)", True)


def test_the_line_of_a_state_is_its_last() -> None:
    rows = [
        "| when | 2 (12345678) | refused |",
        "| when | 3 (aaaaaaaa) | x |",
        "| later | 2 (12345678) | promoted |",
    ]
    assert find_line("\n".join(["# Ledger (12345678)", *rows]), "12345678" + "0" * 56) == rows[2]
    assert find_line("# Ledger", "f" * 64) == find_line("# Ledger (ffffffff)", "f" * 64) == ""


def test_cells_cannot_break_a_table() -> None:
    assert write_table(["a"], [["x|y\n<b>"], [""]]) == ["| a |", "| --- |", "| x\\|y &lt;b> |", "|   |"]
    assert say_interval(None, 0.1, 0.2) == "-"
    assert say_interval(0.5, None, 0.2) == "0.5000"
    assert say_interval(0.5, 0.25, 0.75) == "0.5000 (0.2500 to 0.7500)"


def test_marks_stand_where_the_scores_are() -> None:
    """The axis 0..1 goes from x 150 to 570: 0.5 is at 360."""
    drawn = ElementTree.fromstring(
        draw_pairs([Pair("a & b", None, 0.5, now_ends=(0.25, 0.75))], "old", "new")
    )
    (circle,) = drawn.iter(f"{SVG}circle")
    assert circle.get("cx") == "360.0"
    (whisker,) = [line for line in drawn.iter(f"{SVG}line") if line.get("stroke-width") == "2"]
    assert (whisker.get("x1"), whisker.get("x2")) == ("255.0", "465.0")
    assert "a & b" in [text.text for text in drawn.iter(f"{SVG}text")]


def test_each_pair_of_scores_has_a_row_of_its_own() -> None:
    """Rows of 34 px below a margin of 34: their middles at 51 and 85; one mark 6 px above, one 6 below."""
    drawn = ElementTree.fromstring(draw_pairs([Pair("a", 0.25, 0.5), Pair("b", 0.75, 1.0)], "old", "new"))
    circles = [(each.get("cx"), each.get("cy"), each.get("fill")) for each in drawn.iter(f"{SVG}circle")]
    assert circles == [
        *(("255.0", "45.0", "none"), ("360.0", "57.0", NOW)),
        *(("465.0", "79.0", "none"), ("570.0", "91.0", NOW)),
    ]
    names = {text.text: text.get("y") for text in drawn.iter(f"{SVG}text") if text.text in ("a", "b")}
    assert names == {"a": "55.0", "b": "89.0"}
    assert drawn.get("viewBox") == "0 0 590 136"  # 2 x 34 and two margins
    axis = {text.text: text.get("x") for text in drawn.iter(f"{SVG}text") if text.get("y") == "118.0"}
    assert axis == dict(
        zip(
            ["0", "0.2", "0.4", "0.6", "0.8", "1"],
            ["150.0", "234.0", "318.0", "402.0", "486.0", "570.0"],
            strict=True,
        )
    )


def test_the_numbers_at_a_curve_are_whole() -> None:
    drawn = ElementTree.fromstring(draw_curves("loss", [("head", [(1.0, 0.0021), (2.0, 0.0005)])]))
    numbers = [(each.text or "", float(each.attrib["x"])) for each in drawn.iter(f"{SVG}text")]
    assert [text for text, _ in numbers if text.isdigit()] == ["1", "2"]  # epochs
    small = [(text, x) for text, x in numbers if text.startswith("0.0")]
    assert "0.0005" in dict(small) and all(x >= 8 * len(text) for text, x in small)
    first, second = (each for each in drawn.iter(f"{SVG}text") if each.text in ("1", "2"))
    assert first.get("y") == second.get("y") == "277.0"  # 17 below the axis at 300 - 40
    (curve,) = drawn.iter(f"{SVG}path")
    starts, ends = (each.split(" ")[0] for each in curve.attrib["d"].removeprefix("M").split("L"))
    assert (first.get("x"), second.get("x")) == (starts, ends)


def test_each_training_has_a_curve_of_its_own(finished: Path, promoted: Verdict) -> None:
    phases = {"train_head": [2.0, 1.5, 1.0], "fine_tune": [0.5, 0.4]}
    rows = [
        {"phase": phase, "epoch": epoch, "loss": loss}
        for phase, losses in phases.items()
        for epoch, loss in enumerate(losses, 1)
    ]
    (finished / "reports/evaluate/learning_curves.json").write_text(json.dumps(rows))
    drawn = ElementTree.fromstring(draw_figures(finished, [], promoted)["loss.svg"])
    numbers = [re.findall(r"[0-9.]+", path.attrib["d"]) for path in drawn.iter(f"{SVG}path")]
    assert [len(each) for each in numbers] == [3 * 2, 2 * 2]  # x and y of each epoch


def test_a_loss_of_nothing_is_a_point_of_its_curve(finished: Path, promoted: Verdict) -> None:
    rows = [
        {"phase": "train_head", "epoch": epoch, "loss": loss, "box_loss": None, "class_loss": 0.0}
        for epoch, loss in enumerate([0.5, 0.25, 0.0], 1)
    ]
    (finished / "reports/evaluate/learning_curves.json").write_text(json.dumps(rows))
    figures = draw_figures(finished, [], promoted)
    assert list(figures) == ["scores.svg", "class_loss.svg", "loss.svg"]
    titles = [
        ElementTree.fromstring(figures[f"{name}.svg"]).findtext(f"{SVG}title")
        for name in ("loss", "class_loss")
    ]
    assert titles == [
        "loss over epoch: train_head from 0.5 at 1 to 0 at 3",
        "class_loss over epoch: train_head from 0 at 1 to 0 at 3",
    ]


def test_a_curve_without_points_is_left_out() -> None:
    drawn = ElementTree.fromstring(draw_curves("loss", [("head", [(1.0, 2.0), (2.0, 1.0)]), ("none", [])]))
    assert len(list(drawn.iter(f"{SVG}path"))) == 1


def test_neither_models_nor_curves_are_told_apart_by_colour_alone() -> None:
    drawn = ElementTree.fromstring(draw_pairs([Pair("a", 0.25, 0.5)], "old", "new"))
    assert [circle.get("fill") == "none" for circle in drawn.iter(f"{SVG}circle")] == [True, False]
    words = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"○ old", "● new", "score, with its 95 % interval"} <= set(words)
    points = [(1.0, 2.0), (2.0, 1.0)]
    curves = ElementTree.fromstring(draw_curves("loss", [(name, points) for name in ("head", "tail")]))
    lines, keys = (
        [each.get("stroke-dasharray") for each in curves.iter(f"{SVG}{tag}") if each.get("stroke-dasharray")]
        for tag in ("path", "line")
    )
    assert len(set(lines)) == 2 and lines == keys
    assert "epoch" in [text.text for text in curves.iter(f"{SVG}text")]
    assert (
        curves.findtext(f"{SVG}title")
        == "loss over epoch: head from 2 at 1 to 1 at 2; tail from 2 at 1 to 1 at 2"
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a" * 9 + "b" * 50 + "c" * 8, "a" * 9 + "..." + "c" * 8), ("花" * 11, "花" * 4 + "..." + "花" * 4)],
)
def test_a_long_name_keeps_its_beginning_and_its_end(name: str, shown: str) -> None:
    drawn = ElementTree.fromstring(draw_pairs([Pair(name, None, 0.5)], "old", "new"))
    assert shown in [text.text for text in drawn.iter(f"{SVG}text")]


def test_words_are_readable_on_white_and_on_black() -> None:
    drawn = ElementTree.fromstring(draw_pairs([Pair("a", 0.25, 0.5)], "old", "new"))
    (ink,) = {text.attrib["fill"] for text in drawn.iter(f"{SVG}text")}
    shares = [int(ink[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [((share + 0.055) / 1.055) ** 2.4 for share in shares]
    light = sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True)) + 0.05
    assert min(1.05 / light, light / 0.0556) > 4.3  # 0.0556: GitHub's #0d1117; more than 4.34 has no grey
