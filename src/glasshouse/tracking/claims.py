"""Keeps promoters of one registered model apart, on one machine or on several that share a server.

MLflow moves an alias without asking what it pointed to, so two promoters could each overwrite the other's
decision. Whoever wants to move one first looks for claims (tags of the registered model), sets its own, and
looks again: of two that claim at once at least one sees the other, steps back and tries again.

A claim is renewed while its promoter works, each time with another value. It is dead when somebody who waits
has seen one value for CLAIM_SECONDS, by a clock of its own, so that no machine's time is held against
another's; or at once for the next promoter in the same folder, whose lock says that nobody else is at work
there. A promoter counts from before it sent a value, and so is the first to know that its claim is spent.

A request that moves an alias and gets no answer may arrive later: its promoter's claim is set anew and left
to die, so that nobody decides by what that request is about to change.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from glasshouse.tracking.store import StoreAway

CLAIM = "promotion.claim."  # + a name of its own: one tag a promoter at work
CLAIM_SECONDS = 120.0
RENEW_SECONDS = 15.0
FRESH_SECONDS = 40.0  # of a claim by which an alias is moved: one request with its tries fits into the rest
WAIT_SECONDS = 2 * CLAIM_SECONDS


class Contended(RuntimeError):
    """Another promoter is at work."""


class Tags(Protocol):
    """The tags of a registered model."""

    name: str

    def read_tags(self) -> Mapping[str, str]:
        """All of them."""

    def set_tag(self, key: str, value: str) -> None:
        """Set one."""

    def drop_tag(self, key: str) -> None:
        """Take one away, if it is there."""


@dataclass
class Claim:
    """One promoter's claim; `place`: a folder in which no other process claims at the same time."""

    tags: Tags
    place: str
    key: str = field(default_factory=lambda: f"{CLAIM}{uuid.uuid4().hex}")
    _value: str = ""
    _sent: float = 0.0
    _is_left: bool = False

    def set(self) -> None:
        """Claim, or claim anew."""
        self._sent, self._value = time.monotonic(), f"{uuid.uuid4().hex} {self.place}"
        self.tags.set_tag(self.key, self._value)

    def keep(self) -> None:
        """Renew it where it is due; raises Contended where it may have been taken for dead meanwhile."""
        before = self._sent
        if time.monotonic() - before > RENEW_SECONDS:
            self.set()
            if time.monotonic() - before > CLAIM_SECONDS:
                raise Contended(self._say_lost())

    def demand(self, tags: Mapping[str, str]) -> None:
        """Raise Contended unless the tags, read just now, have it, and it lasts for one request more."""
        if tags.get(self.key) != self._value or time.monotonic() - self._sent > FRESH_SECONDS:
            raise Contended(self._say_lost())

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Around a request that moves an alias; raises Contended where the claim ran out meanwhile."""
        self._is_left = True
        yield
        self._is_left = False
        if time.monotonic() - self._sent > CLAIM_SECONDS:
            raise Contended(
                f"an alias of {self.tags.name} moved only after the claim on it had run out, so that what "
                "another promoter decided meanwhile may be undone: run this again, and where a ledger has a "
                "promotion that the registry does not show, run `glasshouse promote` there."
            )

    def drop(self) -> None:
        """Take it away, or leave it a whole term where something of it may still be on its way.

        A server that is away now keeps it as it is: it dies by itself. Of that nothing is said, for either it
        was said already, or what was decided stands.
        """
        with suppress(StoreAway):
            if self._is_left:
                self.set()
            else:
                self.tags.drop_tag(self.key)

    def find_others(self, seen: dict[str, tuple[str, float]]) -> list[str]:
        """Claims of others; dead ones are taken away. `seen`: key -> value and since when it was seen."""
        tags, others = self.tags.read_tags(), []
        now = time.monotonic()  # after the answer: no value is older here than it is to its promoter
        for key, value in tags.items():
            if not key.startswith(CLAIM) or key == self.key:
                continue
            if key not in seen or seen[key][0] != value:
                seen[key] = value, now
            if value.partition(" ")[2] == self.place or now - seen[key][1] > CLAIM_SECONDS:
                self.tags.drop_tag(key)
            else:
                others.append(key)
        return others

    def _say_lost(self) -> str:
        return (
            f"the claim on {self.tags.name} could not be kept, the server is slow or another promoter has "
            "taken over: this one moved no alias any more. Run it again."
        )


@contextmanager
def claimed(tags: Tags, place: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[Claim]:
    """Alone among all promoters of a model; raises Contended where another one works on too long."""
    claim, deadline = Claim(tags, place), time.monotonic() + wait_seconds
    seen: dict[str, tuple[str, float]] = {}
    while True:
        if not claim.find_others(seen):
            claim.set()
            if not claim.find_others(seen):
                break
            tags.drop_tag(claim.key)
        if time.monotonic() > deadline:
            raise Contended(
                f"another promoter has been at work on {tags.name} for {wait_seconds:.0f} s: run this again "
                "later."
            )
        time.sleep(random.uniform(0.05, 0.5))
    try:
        yield claim
    finally:
        claim.drop()
