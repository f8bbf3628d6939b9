"""What the registry says of a state becomes a verdict: on a registry that pretends."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from glasshouse.journal.state import read_state
from glasshouse.promotion.decision import Decision, Outcome, Reason
from glasshouse.promotion.gate import TAKEN_BACK
from glasshouse.retraining import verdict as module
from glasshouse.retraining.verdict import SAME_NETWORK, is_taken_back, take_verdict
from glasshouse.tracking.aliases import RegistryFault, Version
from glasshouse.tracking.store import locate_store

TAGS = {
    "promotion.outcome": "promoted: better",
    "promotion.why": "better: much",
    "promotion.against": "1",
    "promotion.first": "0.5",
    "promotion.second": "0.8",
    "promotion.low": "0.2",
}


class Shelf:
    """Versions by number; the champion's number."""

    def __init__(self, project: Any) -> None:
        self.state = read_state(project.root).id
        self.versions = {"1": make_version("1"), "2": make_version("2", **TAGS)}
        self.champion: str | None = "1"
        self.store, self.name = locate_store(project.root), "flowers"
        run = SimpleNamespace(data=SimpleNamespace(metrics={"mAP_50_95": 0.5}))
        self.client = SimpleNamespace(get_run=lambda run_id: run)

    def find(self, _alias: str) -> Version | None:
        return self.versions[self.champion] if self.champion else None

    def read(self, number: str) -> Version | None:
        return self.versions.get(number)

    def find_state(self, state: str) -> Version | None:
        return self.versions.get("2") if state == self.state else None


def make_version(number: str, **tags: str) -> Version:
    return Version("flowers", number, "run", "place", 0.0, tags)


@pytest.fixture
def shelf(project: Any, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    project.make_outputs()
    made = Shelf(project)
    digest = {"network": "other", "state": "other"}
    monkeypatch.setattr(Version, "facts", property(lambda version: SimpleNamespace(**digest)))
    made.facts = digest  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "Registry", lambda store, name: made)
    return made


def promote_as(monkeypatch: pytest.MonkeyPatch, outcome: Outcome, champion: str | None) -> list[str]:
    calls: list[str] = []

    def promote(root: Any, store: Any) -> Decision:
        calls.append("promote")
        return Decision((Reason(outcome, "told."),), "mAP_50_95", "2", champion, notes=("a note",))

    monkeypatch.setattr(module, "promote", promote)
    return calls


def test_a_promotion_is_read_from_the_tags(
    project: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote_as(monkeypatch, Outcome.BETTER, "1")
    found = take_verdict(project.root, shelf.store)
    assert (found.number, found.against, found.is_champion, found.promoted) == ("2", "1", True, True)
    assert found.gain == {"first": 0.5, "second": 0.8, "low": 0.2}
    assert found.before == {"mAP_50_95": 0.5} and found.why == "told.; a note"


def test_a_run_that_goes_on_after_the_decision_tells_the_same(
    project: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = (
        f"| 2026-11-20 | flowers | promoted: better | 2 ({shelf.state[:8]}) | 1 | better: much; a note | 5f |"
    )
    project.write("reports/ledger.md", f"# Ledger\n\n{row}\n")
    promote_as(monkeypatch, Outcome.BETTER, "1")
    first = take_verdict(project.root, shelf.store)
    assert (first.why, first.line) == ("better: much; a note", row)
    shelf.champion = "2"
    promote_as(monkeypatch, Outcome.SAME, "2")
    assert take_verdict(project.root, shelf.store) == first


def test_a_champion_set_by_hand_has_no_tags(
    project: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.versions["2"] = make_version("2")
    promote_as(monkeypatch, Outcome.SAME, "2")
    found = take_verdict(project.root, shelf.store)
    assert (found.outcome, found.why, found.gain) == ("unchanged: same model", "told.; a note", {})


def test_the_champions_own_network_is_not_registered_as_another_model(
    project: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = promote_as(monkeypatch, Outcome.NOISE, "1")
    network = hashlib.sha256((project.root / "exports/model.onnx").read_bytes()).hexdigest()
    shelf.facts["network"] = network  # type: ignore[attr-defined]
    found = take_verdict(project.root, shelf.store)
    assert (found.outcome, found.number, found.is_champion, calls) == (SAME_NETWORK, "1", True, [])
    shelf.facts["state"] = shelf.state  # type: ignore[attr-defined]
    take_verdict(project.root, shelf.store)  # its own state: promote settles what was cut off
    assert calls == ["promote"]


def test_a_version_that_is_gone_is_told(project: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    promote_as(monkeypatch, Outcome.BETTER, None)
    shelf.champion = None
    del shelf.versions["2"]
    with pytest.raises(RegistryFault, match="its version was deleted meanwhile"):
        take_verdict(project.root, shelf.store)


def test_a_version_says_whether_it_was_taken_back(shelf: Shelf, project: Any) -> None:
    assert not is_taken_back(project.root, shelf.store, shelf.state)
    assert not is_taken_back(project.root, shelf.store, "another")  # never registered
    shelf.versions["2"] = make_version("2", **{TAKEN_BACK: "2026-11-20 10:00:00"})
    assert is_taken_back(project.root, shelf.store, shelf.state)
