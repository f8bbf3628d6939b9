"""The leaderboard in a real headless browser: on a phone and on paper, with the longest of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import pytest

from glasshouse.comparison.leaderboard import Row, list_columns
from glasshouse.comparison.page import Board, write_board

PROGRAM = browser.find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome is installed")
LONG = "mobilenet_v2:alpha=0.35:weights=data/weights/of_a_company_with_a_long_name.weights.h5"


@pytest.fixture
def page(make_row: Callable[..., Row], tmp_path: Path) -> Iterator[Any]:
    rows = [
        make_row(LONG, [1, 1, 0], valid=0.5, cpu_ms_1=4.0),
        make_row("a", [1, 0, 0], valid=0.4, cpu_ms_1=9.0),
    ]
    rows.append(make_row("broken"))
    board = Board("2 backbones", LONG, "accuracy", rows, list_columns("accuracy", True), [LONG], {LONG: LONG})
    address = write_board(tmp_path / "board", board).as_uri()
    with browser.Browser(PROGRAM, tmp_path / "profile") as opened:
        opened.address = address
        yield opened


def test_a_phone_shows_figures_beside_the_longest_label(page: Any) -> None:
    page.resize(360, 800)
    page.open(page.address)
    assert page.run("document.documentElement.scrollWidth") == 360
    label = page.run("document.querySelector('tbody th').getBoundingClientRect().width")
    assert label < 180  # it stays where it is while the figures are scrolled past it


def test_paper_holds_the_whole_of_every_table(page: Any) -> None:
    page.resize(1016, 718)  # A4 on its side, without its margins
    page.open(page.address)
    assert any(whole > shown for whole, shown in page.measure_wide())
    page.turn_to_paper()
    assert all(whole == shown for whole, shown in page.measure_wide())


@pytest.mark.parametrize("dark", [False, True])
def test_why_a_training_failed_is_readable(page: Any, dark: bool) -> None:
    page.resize(1280, 900, dark=dark)
    page.open(page.address)
    ink, ground = page.run(
        "[getComputedStyle(document.querySelector('.why')).color,"
        "getComputedStyle(document.body).backgroundColor]"
    )
    assert browser.contrast(browser.read_colour(ink), browser.read_colour(ground)) > browser.READABLE
