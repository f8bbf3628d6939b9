"""The demo's page in a real headless browser: what a person sees and does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from PIL import ExifTags, Image

import glasshouse
from glasshouse.prediction.demo.server import DemoServer

PROGRAM = browser.find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome is installed")
TOPS = "[...document.querySelectorAll('article')].map((each) => each.getBoundingClientRect().top)"
NAMES = "[...document.querySelectorAll('article li .name')].map((name) => name.textContent)"
SHOWN = "!document.getElementById('models').ariaBusy && document.querySelectorAll('article').length === 2"
BOX = "document.querySelector('article .box:last-child')"  # the best one, drawn last
TEXT = "document.getElementById('said').textContent"


@pytest.fixture(scope="module")
def page(box_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser on a demo of two networks (of one file)."""
    server = DemoServer("127.0.0.1", 0, [glasshouse.load(box_network), glasshouse.load(box_network)])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with browser.Browser(PROGRAM, tmp_path_factory.mktemp("profile")) as opened:
            opened.address = f"http://127.0.0.1:{server.server_port}/"
            yield opened
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def fresh(page: Any) -> Any:
    page.resize(1280, 900)
    page.open(page.address)
    page.wait("known !== null")
    page.events.clear()
    return page


@pytest.fixture
def picture(tmp_path: Path, encoded: Callable[..., bytes]) -> Path:
    path = tmp_path / "ein Bild.jpg"
    path.write_bytes(encoded((255, 120, 0), (100, 100)))
    return path


def choose(page: Any, path: Path) -> None:
    page.choose_file("#file", path)
    page.wait(SHOWN)


def test_a_chosen_picture_is_shown_with_its_boxes_by_two_models(fresh: Any, picture: Path) -> None:
    choose(fresh, picture)
    assert fresh.run(TEXT) == "Found: 2 and 2."
    assert fresh.run(NAMES) == [
        "red", "green", "red", "green"
    ]  # fmt: skip
    shown = fresh.run(
        f"(() => {{ const box = {BOX}.getBoundingClientRect();"
        "const image = document.querySelector('article img').getBoundingClientRect();"
        "return [(box.left - image.left) / image.width, (box.top - image.top) / image.height,"
        "box.width / image.width, box.height / image.height]; })()"
    )
    assert shown == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=0.01)
    left, right = fresh.run(TOPS)
    assert left == right  # side by side


def test_the_slider_hides_what_scores_less(fresh: Any, picture: Path) -> None:
    choose(fresh, picture)
    fresh.run("document.getElementById('score').focus()")
    for _ in range(6):  # 0.30 to 0.60; green has 120 / 255 = 0.47
        fresh.press("ArrowRight")
    assert fresh.run("document.getElementById('least').textContent") == "0.60"
    assert fresh.run(TEXT) == "Found: 1 and 1."
    assert fresh.run("document.querySelectorAll('.box:not([hidden])').length") == 2


def test_a_file_that_is_no_picture_is_told_and_the_next_one_works(
    fresh: Any, picture: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "words.jpg"
    bad.write_text("words")
    fresh.choose_file("#file", bad)
    fresh.wait("document.getElementById('said').className === 'bad'")
    assert fresh.run(TEXT).startswith("words.jpg: This file cannot be read: not a picture")
    choose(fresh, picture)
    assert fresh.run("document.getElementById('said').className") == ""


def test_a_format_that_the_browser_does_not_know_is_shown(fresh: Any, tmp_path: Path, encoded: Any) -> None:
    path = tmp_path / "scan.tiff"
    path.write_bytes(encoded((255, 0, 0), (60, 40), "TIFF"))
    choose(fresh, path)
    fresh.wait("document.querySelector('article img').naturalWidth === 60")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_every_format_is_shown_upright(fresh: Any, tmp_path: Path, encoded: Any, kind: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # stored 60 x 40, shown 40 x 60
    path = tmp_path / "turned.jpg"  # by the content, not the name
    path.write_bytes(encoded((255, 0, 0), (60, 40), kind, exif=exif))
    choose(fresh, path)
    fresh.wait("document.querySelector('article img').naturalWidth > 0")
    assert fresh.run("document.querySelector('article img').naturalWidth") == 40


def test_the_best_box_lies_on_top(fresh: Any, picture: Path) -> None:
    choose(fresh, picture)
    order = "[...document.querySelectorAll('article:first-child .box span')].map((each) => each.textContent)"
    assert fresh.run(order) == ["green 0.47", "red 1.00"]


def test_a_dropped_picture_works_and_too_large_a_file_is_not_sent(fresh: Any) -> None:
    drop = (
        "(() => { const held = new DataTransfer(); held.items.add(new File([new Uint8Array(SIZE)], 'x.png'));"
        "window.dispatchEvent(new DragEvent('drop', { dataTransfer: held, cancelable: true })); })()"
    )
    fresh.run(drop.replace("SIZE", "20000001"))
    fresh.wait("document.getElementById('said').className === 'bad'")
    assert fresh.run(TEXT) == "x.png: This file has 20.0 MB; the limit is 20 MB."
    fresh.run(drop.replace("SIZE", "5"))
    fresh.wait(f"{TEXT}.includes('cannot be read')")


def test_the_keyboard_reaches_everything(fresh: Any, picture: Path) -> None:
    choose(fresh, picture)
    reached = []
    for _ in range(4):
        fresh.press("Tab")
        reached.append(fresh.run("document.activeElement.id || document.activeElement.tagName"))
    assert reached == ["file", "score", "LI", "LI"]
    assert fresh.run("document.querySelectorAll('.box.lit').length") == 1


def test_on_a_phone_nothing_is_wider_than_the_screen(fresh: Any, picture: Path) -> None:
    fresh.resize(360, 740, dark=True)
    choose(fresh, picture)
    assert fresh.run("document.documentElement.scrollWidth") == 360
    tops = fresh.run(TOPS)
    assert tops[1] > tops[0]
    assert fresh.run("getComputedStyle(document.body).backgroundColor") == "rgb(21, 26, 23)"


def test_nothing_is_asked_of_anybody_else(fresh: Any, picture: Path) -> None:
    fresh.open(fresh.address)
    fresh.wait("known !== null")
    choose(fresh, picture)
    asked = [
        event["params"]["request"]["url"]
        for event in fresh.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert len(asked) >= 4
    assert all(url.startswith((fresh.address, "blob:")) for url in asked), asked
    assert not [event for event in fresh.events if event["method"] == "Runtime.exceptionThrown"]


@pytest.mark.parametrize("width", [360, 1280])
def test_long_names_stay_in_their_picture_and_keep_their_score(fresh: Any, picture: Path, width: int) -> None:
    fresh.resize(width, 800)
    choose(fresh, picture)
    names = ["a" * 60, "Donau dampf " * 5, "وردة حمراء جميلة جدا في الحديقة الكبيرة", "花" * 40]
    found = "".join(
        f"{{label: labels[{place}], score: 0.5, box_xyxy_px: [{x}, {x}, {x + 10}, {x + 30}]}},"
        for place, x in enumerate((0, 20, 50, 85))
    )
    fresh.run(
        f"(() => {{ const labels = {json.dumps(names)};"
        f"const found = {{width_px: 100, height_px: 120, objects: [{found}]}};"
        "const [one] = known.models, source = document.querySelector('article img').src;"
        "by('models').replaceChildren(build({ ...one, labels }, found, source, 'a')); sift(); })()"
    )
    assert fresh.run("document.documentElement.scrollWidth") == width
    fresh.wait("document.querySelector('article img').complete")
    ends = fresh.run(
        "[...document.querySelectorAll('.box span')].map((span) => {"
        "const box = span.getBoundingClientRect(), range = document.createRange();"
        "range.selectNodeContents(span.lastChild);"
        "const shown = document.querySelector('article img').getBoundingClientRect();"
        "const score = range.getBoundingClientRect();"
        "return [box.left - shown.left, shown.right - box.right, score.right - box.right,"
        "span.textContent]; })"
    )
    assert [words for *_, words in ends] == [f"{name} 0.50" for name in reversed(names)]
    for left, right, score, _ in ends:
        assert left > -4 and right > -4 and score < 1  # the box's line and edge lie outside
