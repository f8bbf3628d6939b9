"""What a class or a file may be called, and what a page of Markdown makes of it."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from glasshouse.promotion.ledger import COLUMNS, HEAD, Entry
from glasshouse.promotion.markdown import escape
from glasshouse.retraining.tables import write_table

NAMES = [
    "![seen](http://example.org/seen.png)",
    r"\![seen](http://example.org/seen.png)",
    "[merge this](http://example.org)",
    "<img src=http://example.org/seen.png>",
    "</td></table><script>alert(1)</script>",
    r"rose\| promoted | daisy",
    r"rose\\| promoted | daisy",
    "rose\\",
    "`rose|daisy`",
    "mAP_50_95",
]
ACTIVE = ("<img", "<a ", "<script", "</td></table>")


def render(text: str) -> str:
    """As HTML, tables and HTML in the text included."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


@pytest.mark.parametrize("name", NAMES)
def test_names_have_no_effect_in_paragraphs_the_ledger_and_tables(name: str) -> None:
    entry = Entry("2026-11-20 10:00:00", ("flowers",) * (len(COLUMNS) - 3) + (f"{name} 0.1",), ("grounds",))
    row = render(f"{HEAD}{entry.line}\n").partition("<tbody>")[2]
    assert row.count("<td>") == len(COLUMNS)
    cells = render("\n".join(write_table(["class", "now"], [[name, "1"]]))).partition("<tbody>")[2]
    assert cells.count("<td>") == 2
    for page in (row.partition("</tbody>")[0], cells.partition("</tbody>")[0], render(escape(name))):
        assert not any(mark in page for mark in ACTIVE)


def test_nobody_is_called_and_nothing_is_closed() -> None:
    """GitHub looks for @somebody and `fixes #1` in a pull request: a space of no width comes between."""
    assert render(escape("@ada fixes #12")) == "<p>@\u200bada fixes #\u200b12</p>\n"


@pytest.mark.parametrize("text", ["a_b_c", "mAP@[.5:.95]", "# 3", "*", "`not_dark`", "5 < 6"])
def test_what_is_read_is_what_was_written(text: str) -> None:
    from html.parser import HTMLParser

    read: list[str] = []
    parser = HTMLParser()
    parser.handle_data = read.append  # type: ignore[method-assign]
    parser.feed(render(f"x {escape(text)}"))
    assert "".join(read).strip() == f"x {text.replace('`', '')}"
