"""The page that a person opens first: verdict, worst pictures, findings, drift; no network, no times."""

from __future__ import annotations

import json
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from glasshouse.quality.checking.checks import GuardFailure
from glasshouse.quality.checking.guard import guard
from glasshouse.quality.copies import tabulate_copies
from glasshouse.quality.page.histograms import cut_axis, draw_steps, gather_charts
from glasshouse.quality.page.page import read_stages, write_page
from glasshouse.quality.profile import write_profile
from glasshouse.quality.sketches import sketch
from glasshouse.tables.raw import TABLES, read_raw

LIMITS = runpy.run_path(str(Path(__file__).parent / "stages/download.py"))["LIMITS"]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.fetched, self.tags, self.words, self.text = [], [], "", text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.fetched += [value for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data):
        self.words += data


@pytest.fixture
def judge(raw, tmp_path):
    """Runs download's guard over the shelf's tables, changed, and gives the page."""

    def run(mode="enforce", **changes):
        given = read_raw(raw)
        tables = {name: getattr(given, name).copy() for name in TABLES}
        for name, change in changes.items():
            tables[name] = change(tables[name])
        drift = write_profile(raw, tables, tmp_path / "accepted.json", tmp_path / "profile.json")
        quality = SimpleNamespace(
            mode=mode, download=SimpleNamespace(severity={}, **{**LIMITS, "min_sharpness": 0})
        )
        try:
            copies = tabulate_copies(tables["images"], 6)
            guard("download", {**tables, "copies": copies, **drift}, quality, tmp_path)
        except GuardFailure:
            pass
        return Page(write_page(tmp_path, raw).read_text(encoding="utf-8"))

    return run


def test_the_page_opens_with_the_verdict_and_needs_no_network(judge):
    page = judge()
    assert "No critical finding, " in page.words and "1 of 7 stages judged" in page.words
    outside = [target for target in page.fetched if not target.startswith(("data:image/jpeg;base64,", "#"))]
    assert outside == ["docs/index.html"]
    assert not re.search(r"https?:|@import|url\(|<script", page.text)


def test_a_stopped_stage_is_told_first_and_its_worst_pictures_follow(judge):
    page = judge(
        objects=lambda frame: frame.assign(x_max_px=frame["x_max_px"].where(frame.index != 5, 500.0))
    )
    assert page.words.index("Stopped in download: 1 critical finding") < page.words.index(
        "box_inside_picture"
    )
    figures = [attrs["class"] for tag, attrs in page.tags if tag == "figure"]
    assert figures[0] == "bad"
    boxes = [attrs for tag, attrs in page.tags if tag == "rect"]
    assert boxes[0]["class"] == "bad"  # of object 6, as data/raw holds it
    assert (boxes[0]["x"], boxes[0]["y"], boxes[0]["width"], boxes[0]["height"]) == (
        "13.00",
        "12.00",
        "37.00",
        "45.00",
    )


def test_tables_are_read_by_ear_and_scrolled_by_keyboard(judge):
    page = judge()
    parts = [(tag, attrs) for tag, attrs in page.tags if tag in ("main", "th", "table")]
    assert [tag for tag, _ in parts].count("main") == 1
    assert {attrs.get("scope") for tag, attrs in parts if tag == "th"} == {"col"}
    scrolled = [attrs for _, attrs in page.tags if attrs.get("class") == "wide"]
    assert len(scrolled) == [tag for tag, _ in parts].count("table") > 0
    assert {(each["role"], each["tabindex"]) for each in scrolled} == {("region", "0")}
    assert "Failing rows of no_label_set_aside" in [each["aria-label"] for each in scrolled]


def test_no_verdict_is_told_by_colour_alone(judge):
    page = judge(
        objects=lambda frame: frame.assign(x_max_px=frame["x_max_px"].where(frame.index != 5, 500.0))
    )
    notes = re.findall(r'<p><b class="(bad|warn|none)">\w+[^<]*</b> <span>(critical: |warning: )?', page.text)
    told = {"bad": "critical: ", "warn": "warning: ", "none": ""}
    assert {"bad", "warn"} <= {level for level, _ in notes}
    assert all(words == told[level] for level, words in notes)
    assert "rect.warn { stroke-dasharray" in page.text


def test_drift_is_told_in_words():
    profile = sketch([1.0, 2.0, 3.0]).as_json()
    moved = {"feature": "boxes_per_picture", "psi": 1.0}
    document = {
        "profile": {"sketches": {"boxes_per_picture": profile}, "mixes": {"labels": {"counts": {"rose": 1}}}},
        "reference": {"sketches": {"boxes_per_picture": sketch([4.0, 5.5]).as_json()}, "mixes": {}},
        "drift": [moved],
    }
    chart, mix = gather_charts(document, {"boxes_per_picture"})
    assert chart.seen == "this data version: half at most 2; accepted version: half at most 4"
    assert (chart.has_moved, mix.has_moved, mix.seen) == (True, False, "")


def test_what_cannot_be_shown_is_named_with_its_reason(judge):
    page = judge()
    assert "cannot be shown" in page.words and "not a picture: begins like none of" in page.words
    marks = [attrs for tag, attrs in page.tags if tag == "rect"]
    assert len(marks) == 1  # the faulty label's box has no area: a mark about its place (30, 20)
    x, y, width, height = (float(marks[0][name]) for name in ("x", "y", "width", "height"))
    assert (x + width / 2, y + height / 2) == (30.0, 20.0) and width > 1


def test_extremes_fill_the_page_where_nothing_is_amiss(judge):
    page = judge(quarantine=lambda frame: frame.head(0), faults=lambda frame: frame.head(0))
    for words in ("darkest", "brightest", "least sharp", "most boxes", "Nothing found amiss"):
        assert words in page.words
    assert "no data version was accepted yet" in page.words


def test_names_from_outside_are_no_markup(judge):
    renamed = {"03.png": "<b>3</b>.png"}
    page = judge(
        images=lambda frame: frame.assign(file_name=frame["file_name"].replace(renamed)),
        statistics=lambda frame: frame.assign(
            mean_level=frame["mean_level"].where(frame["image_id"] != 3, 1.0)
        ),
        faults=lambda frame: frame.assign(picture="<i>lost</i>.png"),
    )
    assert "<i>lost</i>.png" in page.words and "<i>lost" not in page.text and "<b>3" not in page.text


def test_the_same_reports_give_the_same_page(judge, tmp_path, raw):
    judge()
    first = (tmp_path / "index.html").read_bytes()
    write_page(tmp_path, raw)
    assert (tmp_path / "index.html").read_bytes() == first


def report(**changes):
    findings = {"critical": 0, "warning": 0, **changes.pop("findings", {})}
    return {"mode": "enforce", "success": not findings["critical"], "findings": findings, "outcomes": []} | {
        "checks": {"passed": 3, "failed": 0, "not_run": 0}, **changes
    }  # fmt: skip


def write_reports(folder, **reports):
    for stage, content in reports.items():
        (folder / f"{stage}.json").write_text(json.dumps(content))


def headline(folder):
    page = Page(write_page(folder, folder / "nowhere").read_text(encoding="utf-8"))
    return re.search(r"quality\s+(.+)\n(.+)", page.words).groups()


def test_the_verdict_is_over_all_stages(tmp_path):
    assert headline(tmp_path)[0] == "Nothing judged yet"
    write_reports(tmp_path, download=report(), split=report())
    assert headline(tmp_path) == ("Nothing found amiss", "2 of 7 stages judged.")
    write_reports(tmp_path, split=report(findings={"warning": 1}))
    assert headline(tmp_path)[0] == "No critical finding, 1 warning"
    write_reports(tmp_path, split=report(findings={"critical": 2}, mode="report"))
    assert headline(tmp_path)[0] == "2 critical findings in split, let through"
    assert [stage.is_old for stage in read_stages(tmp_path)] == [False] * 7


def test_stages_behind_a_stopped_one_are_of_an_earlier_run(tmp_path):
    write_reports(tmp_path, download=report(findings={"critical": 1}), split=report(findings={"critical": 5}))
    words = headline(tmp_path)
    assert words[0] == "Stopped in download: 1 critical finding" and words[1].startswith(
        "1 of 7 stages judged"
    )
    assert [stage.name for stage in read_stages(tmp_path) if stage.is_old] == ["split"]


def test_an_expectation_of_times_is_counted_by_itself(tmp_path):
    """Its outcome differs from run to run, so the report has none: it is neither met nor missed here."""
    timed = {"check": "latency_ratio", "status": "see Data Docs", "timed": True}
    met = [{"check": name, "status": "passed"} for name in ("parity", "labels", "size")]
    write_reports(tmp_path, split=report(outcomes=met), export=report(outcomes=[*met, timed]))
    page = Page(write_page(tmp_path, tmp_path / "nowhere").read_text(encoding="utf-8"))
    lines = re.findall(r"\d+ of \d+ expectations met.*", page.words)
    assert lines == [
        "3 of 3 expectations met",
        "3 of 3 expectations met; judged by times, so in Data Docs only: latency_ratio",
    ]


def test_a_damaged_report_is_named_with_what_to_do(tmp_path):
    write_reports(tmp_path, download=report())
    (tmp_path / "split.json").write_text('{"mode": "enf')
    with pytest.raises(ValueError, match=r"split.json is no JSON .*delete it; its stage"):
        read_stages(tmp_path)


def test_bars_fit_what_they_show():
    assert cut_axis([sketch([640, 640])]).tolist() == [638.5, 639.5, 640.5, 641.5]
    assert cut_axis([sketch([1, 2, 2]), sketch([4])]).tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    real = sketch([0.25, 0.5, 1.0])
    edges = cut_axis([real])
    assert len(edges) == 25 and real.share_up_to(edges)[[0, -1]].tolist() == [0.0, 1.0]
    assert draw_steps([0.5, 1.0]) == "M0 72V36.0H120.0V0.0H240.0V72Z"
