from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glasshouse.pictures import lettering
from glasshouse.pictures.lettering import UNKNOWN, dejavu, find_font, letter, read_letters

COMPASS = "\u20d2\u20dd"  # marks that STIX has and DejaVu has not
ROSE = "\u8594\u8587"  # in Chinese characters, which no font of Matplotlib's has


@pytest.fixture(autouse=True)
def fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """A machine whose only other fonts are two of Matplotlib's, and one that is none."""
    found = [dejavu().with_name("STIXGeneral.ttf"), dejavu().with_name("cmr10.ttf"), Path(__file__)]
    monkeypatch.setattr(lettering, "list_fonts", lambda: tuple(found))
    find_font.cache_clear()
    lettering._tell_unknown.cache_clear()
    yield found
    find_font.cache_clear()


@pytest.mark.parametrize(
    "text",
    ["roses 0.93", "\u0440\u043e\u0437\u0430 0.93", "\u03c1\u03cc\u03b4\u03bf", "ros\u00e9\u3000red", ""],
)
def test_dejavu_draws_what_it_has(text: str) -> None:
    assert letter(text, 12)[0] == text
    assert find_font(text) == dejavu()


def test_words_on_several_lines_come_on_one() -> None:
    text, font = letter("traffic\r\nlight\n0.93", 12)
    assert text == "traffic light 0.93"
    assert font.getlength(text) > 0  # Pillow measures no line breaks


def test_a_name_of_a_million_letters_is_cut_and_keeps_its_score() -> None:
    text, font = letter(f"{'rose' * 500_000} 0.93", 12)
    assert text == f"{'rose' * 46}ros...erose 0.93"
    assert len(text) == 200
    assert font.getlength(text) > 0
    assert letter("x" * 200, 12)[0] == "x" * 200


def test_another_font_of_the_machine_draws_what_dejavu_has_not() -> None:
    assert find_font(f"a {COMPASS}") == dejavu().with_name("STIXGeneral.ttf")
    text, font = letter(f"a {COMPASS}", 14)
    assert (text, font.getname()[0], font.size) == (f"a {COMPASS}", "STIXGeneral", 14)


def test_letters_that_no_font_has_are_marked_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    for size in (12, 13):
        assert letter(f"ros\u00e9 {ROSE} 0.93", size)[0] == f"ros\u00e9 {UNKNOWN * 2} 0.93"
    told = capsys.readouterr().err
    assert told.count("No font of this machine") == 1
    assert "fonts-noto-cjk" in told


def test_what_is_no_font_has_no_letters() -> None:
    assert read_letters(Path(__file__)) == frozenset()
    assert ord("a") in read_letters(dejavu())
