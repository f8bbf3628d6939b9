"""The quality page in a real headless browser: long names, a phone, paper, little contrast."""

from __future__ import annotations

import json

import browser
import pytest

from glasshouse.quality.page.page import write_page
from glasshouse.quality.sketches import sketch

PROGRAM = browser.find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome is installed")
NAMES = ("a" * 60, "وردة حمراء جميلة جدا في الحديقة الكبيرة", "b")
SHAPE = 3.0  # contrast of what a drawing shows, WCAG 2.2, 1.4.11
ROWS = [{"file_name": "x" * 120, **{f"column_{number}": "y" * 30 for number in range(9)}}]


@pytest.fixture
def page(tmp_path):
    profile = {
        "sketches": {"sharpness": sketch([1.0, 2.5, 4.0]).as_json()},
        "mixes": {"labels": {"counts": dict.fromkeys(NAMES, 4)}},
    }
    document = {"profile": profile, "reference": profile, "drift": []}
    (tmp_path / "profile.json").write_text(json.dumps(document))
    finding = {
        "check": "one", "status": "failed", "severity": "critical", "table": "images", "demanded": "none",
        "remedy": "none", "counted": 1, "unexpected": 1, "observed": None, "failing_rows": ROWS,
    }  # fmt: skip
    report = {
        "mode": "enforce", "success": False, "findings": {"critical": 1, "warning": 0}, "outcomes": [finding],
        "checks": {"passed": 0, "failed": 1, "not_run": 0},
    }  # fmt: skip
    (tmp_path / "download.json").write_text(json.dumps(report))
    address = write_page(tmp_path, tmp_path / "nowhere").as_uri()
    with browser.Browser(PROGRAM, tmp_path / "browser") as opened:
        opened.address = address
        yield opened


def test_long_names_leave_room_for_the_bars(page):
    page.resize(360, 800)
    page.open(page.address)
    assert page.run("document.documentElement.scrollWidth") == 360
    widths = page.run("[...document.querySelectorAll('.mix i')].map((bar) => bar.clientWidth)")
    assert len(widths) == len(NAMES) and min(widths) >= 40


def test_paper_holds_the_whole_of_every_table(page):
    page.resize(718, 1016)  # A4 without its margins
    page.open(page.address)
    assert all(whole > shown for whole, shown in page.measure_wide())
    page.turn_to_paper()
    assert all(whole == shown for whole, shown in page.measure_wide())


@pytest.mark.parametrize("dark", [False, True])
def test_histograms_stand_out_from_the_ground_and_lines_from_histograms(page, dark):
    page.resize(1280, 900, dark=dark)
    page.open(page.address)
    drawn = page.run(
        "[getComputedStyle(document.querySelector('.chart')).backgroundColor,"
        "getComputedStyle(document.querySelector('path.now')).fill,"
        "getComputedStyle(document.querySelector('path.then')).stroke]"
    )
    ground, bar, line = [browser.read_colour(words) for words in drawn]
    assert browser.contrast(ground, bar) > SHAPE and browser.contrast(bar, line) > SHAPE
