"""The report in a real headless browser: on a phone, at night, and for who sees little contrast."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest

from glasshouse.evaluation.report import write_report
from glasshouse.evaluation.results import SplitTables

PROGRAM = browser.find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome is installed")
HISTORY = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]


@pytest.fixture
def page(tables: Callable[..., SplitTables], tmp_path: Path) -> Iterator[Any]:
    write_report(
        tmp_path,
        "detect",
        {"valid": tables(1), "test": tables(2)},
        {"train_head": HISTORY},
        lambda _: np.zeros((150, 200, 3), np.uint8),
        model={},
        gallery_score=0.3,
        gallery_pictures=2,
        bootstrap_rounds=5,
        seed=0,
    )
    with browser.Browser(PROGRAM, tmp_path / "profile") as opened:
        opened.address = (tmp_path / "index.html").as_uri()
        yield opened


def test_a_phone_shows_all_that_a_screen_shows(page: Any) -> None:
    page.resize(360, 800)
    page.open(page.address)
    assert page.run("document.documentElement.scrollWidth") == 360
    hidden = (
        "[...document.querySelectorAll('main *')].filter((each) => getComputedStyle(each).display === 'none')"
    )
    assert set(page.run(f"{hidden}.map((each) => each.closest('.whisker') ? '' : each.outerHTML)")) <= {""}
    widths = page.run("[...document.querySelectorAll('.protocol dd')].map((each) => each.clientWidth)")
    assert widths and min(widths) > 300
    heights = page.run(
        "[...document.querySelectorAll('.chart text')].map((each) => Math.min("
        "each.getBoundingClientRect().height, each.getBoundingClientRect().width * 9))"
    )
    assert heights and min(heights) > 11  # of the letters' box; the letters have some 10 px


def test_paper_holds_the_whole_of_every_table(page: Any) -> None:
    page.resize(718, 1016)  # A4 without its margins
    page.open(page.address)
    assert any(whole > shown for whole, shown in page.measure_wide())
    page.turn_to_paper()
    assert all(whole == shown for whole, shown in page.measure_wide())


@pytest.mark.parametrize("dark", [False, True])
def test_counts_are_readable_on_the_strongest_shade(page: Any, dark: bool) -> None:
    page.resize(1280, 900, dark=dark)
    page.open(page.address)
    for kind in ("td.hit", "td:not(.hit)"):
        shade, ink, ground = page.run(
            f"(() => {{ const cell = document.querySelector('.matrix {kind}');"
            "cell.style.setProperty('--share', '100%');"
            "return [getComputedStyle(cell).backgroundColor, getComputedStyle(cell).color,"
            "getComputedStyle(document.body).backgroundColor]; })()"
        )
        *colour, share = [float(part) for part in re.findall(r"[\d.]+", shade)]
        behind = browser.read_colour(ground)
        assert (
            browser.contrast(share * np.array(colour) + (1 - share) * behind, browser.read_colour(ink))
            > browser.READABLE
        )
