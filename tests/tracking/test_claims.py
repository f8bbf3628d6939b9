"""Claims on one model, by promoters whose clocks have nothing to do with one another."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

from glasshouse.tracking.claims import (
    CLAIM,
    CLAIM_SECONDS,
    FRESH_SECONDS,
    RENEW_SECONDS,
    Claim,
    Contended,
    claimed,
)
from glasshouse.tracking.store import StoreAway


@dataclass
class Board:
    """Tags that several promoters share; a request takes `slow` seconds of the clock."""

    clock: list[float]
    slow: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)
    name: str = "flowers"

    def read_tags(self) -> dict[str, str]:
        self.clock[0] += self.slow
        return dict(self.tags)

    def set_tag(self, key: str, value: str) -> None:
        self.clock[0] += self.slow
        self.tags[key] = value

    def drop_tag(self, key: str) -> None:
        self.clock[0] += self.slow
        self.tags.pop(key, None)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    monkeypatch.setattr(time, "time", lambda: 0.0)  # of a machine that thinks it is 1970
    return Board(clock)


def test_a_promoter_that_works_on_slowly_keeps_its_claim(board: Board) -> None:
    """A server of 3.2 s a request: after 119 s another one took the claim, and both moved the champion."""
    seen: dict[str, tuple[str, float]] = {}
    with claimed(board, "here") as claim:
        board.slow = 3.2
        for _ in range(200):
            claim.keep()
            board.read_tags()
            assert Claim(board, "there").find_others(seen) == [claim.key]
        claim.demand(board.read_tags())
    assert not board.tags


def test_one_that_is_dead_is_taken_away_by_the_watch_of_the_one_who_waits(board: Board) -> None:
    board.tags[f"{CLAIM}dead"] = "9999999999.9 elsewhere"
    start = board.clock[0]
    with claimed(board, "here"):
        assert CLAIM_SECONDS < board.clock[0] - start < CLAIM_SECONDS + 2
        assert f"{CLAIM}dead" not in board.tags
    board.tags[f"{CLAIM}mine"] = "1 here"  # of this folder: its lock says that nobody else is at work
    with claimed(board, "here", wait_seconds=0.0):
        pass
    assert not board.tags


def test_one_that_is_at_work_is_waited_for_and_then_told(board: Board) -> None:
    with (
        claimed(board, "here"),
        pytest.raises(Contended, match="at work on flowers for 5 s"),
        claimed(board, "there", wait_seconds=5.0),
    ):
        pytest.fail("two at once")
    assert not board.tags


@dataclass
class Contest(Board):
    """Another promoter claims between the first look and the second, and steps back after the third."""

    looks: list[set[str]] = field(default_factory=list)

    def read_tags(self) -> dict[str, str]:
        self.looks.append(set(self.tags))
        if len(self.looks) == 2:
            self.tags[f"{CLAIM}rival"] = "1 there"
        if len(self.looks) == 4:
            del self.tags[f"{CLAIM}rival"]
        return super().read_tags()


def test_of_two_that_claim_at_once_neither_keeps_the_other_out(board: Board) -> None:
    contest = Contest(board.clock)
    with claimed(contest, "here") as claim:
        # nothing, its own, the rival's alone (it has stepped back), the same, its own
        assert [each & {claim.key} for each in contest.looks] == [
            set(),
            {claim.key},
            set(),
            set(),
            {claim.key},
        ]
        assert set(contest.tags) == {claim.key}
    assert not contest.tags


def test_a_claim_counts_from_before_it_was_sent(board: Board) -> None:
    """The value may have arrived at once, though the answer took long: others count from then."""
    with claimed(board, "here") as claim:
        board.slow = FRESH_SECONDS + 1
        claim.set()
        board.slow = 0.0
        with pytest.raises(Contended):
            claim.demand(board.read_tags())


def test_a_claim_that_was_seen_late_is_no_older_for_that(board: Board) -> None:
    board.tags[f"{CLAIM}other"] = "1 there"
    seen: dict[str, tuple[str, float]] = {}
    board.slow = CLAIM_SECONDS
    Claim(board, "here").find_others(seen)
    board.slow = 0.0
    board.clock[0] += 1
    assert Claim(board, "here").find_others(seen) == [f"{CLAIM}other"]


def test_a_claim_that_was_not_kept_moves_nothing(board: Board) -> None:
    with claimed(board, "here") as claim:
        claim.demand(board.read_tags())
        with pytest.raises(Contended, match="moved no alias any more"):
            claim.demand({})  # another one took it away
        with pytest.raises(Contended):
            claim.demand({claim.key: "another value"})
        board.clock[0] += FRESH_SECONDS + 1
        with pytest.raises(Contended):
            claim.demand(board.read_tags())
        claim.keep()
        claim.demand(board.read_tags())
        board.clock[0] += CLAIM_SECONDS + 1  # asleep so long that it was taken for dead
        with pytest.raises(Contended):
            claim.keep()
    assert not board.tags


def test_it_is_renewed_only_where_that_is_due(board: Board) -> None:
    with claimed(board, "here") as claim:
        (value,) = board.tags.values()
        board.clock[0] += RENEW_SECONDS - 1
        claim.keep()
        assert list(board.tags.values()) == [value]
        board.clock[0] += 2
        claim.keep()
        assert list(board.tags.values()) != [value]


def test_a_claim_outlives_a_request_of_which_nobody_knows_whether_it_arrived(board: Board) -> None:
    """Taken away at once, it let the next promoter move @champion; the request that came late undid that."""
    seen: dict[str, tuple[str, float]] = {}
    with (
        pytest.raises(StoreAway, match="timed out"),
        claimed(board, "here") as claim,
        claim.moving(),
    ):
        Claim(board, "there").find_others(seen)
        board.clock[0] += 65  # three tries
        raise StoreAway("timed out")
    assert list(board.tags) == [claim.key]
    start = board.clock[0]
    Claim(board, "there").find_others(seen)
    board.clock[0] += CLAIM_SECONDS - 1  # as late as a request may still arrive
    assert Claim(board, "there").find_others(seen)
    with claimed(board, "there"):
        assert board.clock[0] - start > CLAIM_SECONDS
    with claimed(board, "here") as claim, claim.moving():
        pass
    assert not board.tags


def test_a_claim_that_cannot_be_taken_away_dies_by_itself(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided stands, or broke off before: neither is to be told as another fault."""

    def break_off(_key: str) -> None:
        raise StoreAway("away too")

    monkeypatch.setattr(board, "drop_tag", break_off)
    with claimed(board, "here"):
        pass
    board.tags.clear()
    with pytest.raises(StoreAway, match="in the middle of a decision"), claimed(board, "here"):
        raise StoreAway("in the middle of a decision")
    assert len(board.tags) == 1


def test_an_alias_that_moved_after_the_claim_had_run_out_is_told(board: Board) -> None:
    """A machine was suspended between the last look and the request: MLflow moves the alias all the same."""
    with (
        pytest.raises(Contended, match="may be undone: run this again"),
        claimed(board, "here") as claim,
    ):
        claim.demand(board.read_tags())
        with claim.moving():
            board.clock[0] += CLAIM_SECONDS + 1
    assert not board.tags
