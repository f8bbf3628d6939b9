from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.promotion.ledger import (
    HEAD,
    LEDGER,
    Entry,
    LedgerFault,
    add_line,
    find_key,
    find_row,
    read_ledger,
    rewritten,
)


def entry(when: str = "2026-11-20 10:00:00", why: str = "better") -> Entry:
    return Entry(when, ("flowers", "promoted", why), ("flowers", why))


def test_lines_are_only_added_and_the_same_decision_is_not_added_twice() -> None:
    first, later, other = entry(), entry("2026-11-21 10:00:00"), entry(why="worse")
    text = add_line(HEAD, first.line)
    assert text == f"{HEAD}{first.line}\n"
    assert add_line(text, later.line) == text
    more = add_line(text, other.line)
    assert more.startswith(text) and more.count("\n") == text.count("\n") + 1
    # After another decision it is news again.
    assert add_line(more, later.line) == f"{more}{later.line}\n"
    assert add_line(more, first.line) == more
    assert find_row(more, later.key) == first.line
    assert find_row(add_line(more, later.line), first.key) == later.line
    # What a person writes below the table is no decision.
    assert add_line(f"{text}\nSee the wiki.\n", later.line) == f"{text}\nSee the wiki.\n"


def test_the_same_grounds_have_the_id_that_older_ledgers_hold() -> None:
    assert entry().key == "074e1f89518b"  # printf 'flowers\nbetter' | sha256sum


def test_a_row_has_as_many_cells_as_the_table_whatever_it_says() -> None:
    line = entry(why="a|b\nc").line
    assert line == f"| 2026-11-20 10:00:00 | flowers | promoted | a\\|b c | {find_key(line)} |"
    assert entry(why="").line.split(" | ")[3] == "-"


def test_what_stands_inside_is_done_between_the_old_text_and_the_new(tmp_path: Path) -> None:
    with rewritten(tmp_path, "one\n"):
        assert not (tmp_path / LEDGER).exists()
    assert (tmp_path / LEDGER).read_text() == read_ledger(tmp_path) == "one\n"
    with pytest.raises(KeyboardInterrupt), rewritten(tmp_path, "two\n"):
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["ledger.md"]
    assert read_ledger(tmp_path) == "one\n"


def test_a_ledger_whose_last_line_was_left_open_gets_its_row_below(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / LEDGER).write_text(f"{HEAD}{entry().line}")
    text = add_line(read_ledger(tmp_path), entry(why="worse").line)
    assert text == f"{HEAD}{entry().line}\n{entry(why='worse').line}\n"


def test_a_ledger_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where a folder should be")
    with (
        pytest.raises(LedgerFault, match=r"ledger\.md cannot be written \(.*\): the champion is as it was"),
        rewritten(tmp_path, "x"),
    ):
        pytest.fail("it was done all the same")
