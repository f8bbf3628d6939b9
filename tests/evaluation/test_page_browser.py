"""The report in a real headless browser: on a phone, at night, and for who sees little contrast."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.evaluation.report import write_report
from glasshouse.evaluation.results import SplitTables

_spec = importlib.util.spec_from_file_location(
    "glasshouse_test_browser", Path(__file__).parents[1] / "prediction" / "browser.py"
)
assert _spec is not None and _spec.loader is not None
browser = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(browser)

PROGRAM = browser.find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome is installed")
HISTORY = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]
READABLE = 4.5  # contrast of text, WCAG 2.2, 1.4.3


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
        behind = read_colour(ground)
        assert contrast(share * np.array(colour) + (1 - share) * behind, read_colour(ink)) > READABLE


def read_colour(words: str) -> np.ndarray:
    """`rgb(r, g, b)` as 0..1."""
    return np.array([int(part) for part in re.findall(r"\d+", words)]) / 255


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """WCAG's ratio of two colours in sRGB, 0..1."""
    lights = [
        float(
            np.where(each <= 0.04045, each / 12.92, ((each + 0.055) / 1.055) ** 2.4)
            @ [0.2126, 0.7152, 0.0722]
        )
        for each in (one, other)
    ]
    return (max(lights) + 0.05) / (min(lights) + 0.05)
