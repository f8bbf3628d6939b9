"""Names that a data set gives its files, as they would reach tables, logs and terminals."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.sources.example import SourceError
from glasshouse.sources.listing import list_files, show_name

# A line end before a workflow's command, a terminal's clear screen, one that was half a byte, Unicode's own.
STEERING = [
    "a\n::error::b.jpg",
    "a\rb.jpg",
    "a\x1b[2J.jpg",
    "a\x7f.jpg",
    "a\x85b.jpg",
    "a\u2028b.jpg",
    "a\u2029b",
]


@pytest.mark.parametrize("name", STEERING)
@pytest.mark.parametrize("place", ["", "folder"])
def test_names_that_end_a_line_or_steer_a_terminal_are_refused(tmp_path: Path, name: str, place: str) -> None:
    path = tmp_path / name / "a.jpg" if place else tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(
        SourceError, match=r"holds a line end or another control character: rename it"
    ) as caught:
        list_files(tmp_path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a\tb.jpg", "caf\xe9 \u200d\u05d0.jpg", "Icon\r", "$(a);`b`'\".jpg"])
def test_other_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert [found for found, _ in list_files(tmp_path)] == [name] * (
        name != "Icon\r"
    )  # macOS leaves it behind


@pytest.mark.parametrize("name", STEERING)
def test_what_is_shown_of_a_name_is_one_line(name: str) -> None:
    shown = show_name(name)
    assert shown.isprintable() and shown.startswith("a") and len(shown) > len(name)
    assert show_name("a\\nb \xe9.jpg") == "a\\nb \xe9.jpg"
