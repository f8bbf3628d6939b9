from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasshouse.journal.imports import uncollected


class _Knot:
    """Refers to itself: only the collector frees it."""

    def __init__(self) -> None:
        self.myself = self


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a module of 5,000 lists that was not imported yet."""
    (tmp_path / "five_thousand_lists.py").write_text("lists = [[n] for n in range(5_000)]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "five_thousand_lists"
    sys.modules.pop("five_thousand_lists", None)
    gc.unfreeze()


def test_no_collection_runs_during_imports_and_none_looks_at_them_afterwards(module: str) -> None:
    passes: list[str] = []

    def note(phase: str, about: dict[str, int]) -> None:
        passes.append(phase)

    frozen = gc.get_freeze_count()
    with uncollected():
        gc.callbacks.append(note)
        try:
            lists = __import__(module).lists
        finally:
            gc.callbacks.remove(note)
    assert passes == []
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + 5_000
    assert not any(each is lists for each in gc.get_objects())


def test_where_all_is_imported_nothing_is_passed_over() -> None:
    frozen = gc.get_freeze_count()
    with uncollected():
        kept = [[n] for n in range(1_000)]
        import sys as again
    assert again is sys
    assert gc.get_freeze_count() == frozen
    assert any(each is kept for each in gc.get_objects())


def test_what_was_garbage_before_is_not_kept(module: str) -> None:
    knot = weakref.ref(_Knot())
    with uncollected():
        __import__(module)
    assert knot() is None


def test_an_import_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ModuleNotFoundError), uncollected():
        __import__("no_module_of_this_name")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off(module: str) -> None:
    gc.disable()
    try:
        with uncollected():
            __import__(module)
        assert not gc.isenabled()
    finally:
        gc.enable()
