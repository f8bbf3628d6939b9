"""Several commands, so many at a time, until all are over; whatever cuts it off ends all of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from glasshouse.comparison.processes import Command, Ended, stop

POLL_SECONDS = 0.2

Item = TypeVar("Item")


class Schedule(Generic[Item]):
    """The commands that run and the items that wait."""

    def __init__(self, items: Iterable[Item], parallel: int, start: Callable[[Item], Command]) -> None:
        self.waiting = deque(items)
        self.running: list[tuple[Item, Command]] = []
        self._parallel, self._start = parallel, start

    def run(
        self, finish: Callable[[Item, Command, Ended], None], look: Callable[[], None] = lambda: None
    ) -> None:
        """Start what waits as room comes, and call `finish` for each that is over.

        One that fails is `finish`'s affair: the rest go on. An exception (Ctrl-C among them) ends all
        processes before it goes on its way.

        Args:
            finish: told item, command and how it ended.
            look: called again and again while something runs.
        """
        try:
            while self.waiting or self.running:
                while self.waiting and len(self.running) < self._parallel:
                    item = self.waiting.popleft()
                    self.running.append((item, self._start(item)))
                over = [(item, command) for item, command in self.running if command.look() is not None]
                self.running = [pair for pair in self.running if pair not in over]
                for item, command in over:
                    assert command.ended is not None
                    finish(item, command, command.ended)
                look()
                if not over:
                    time.sleep(POLL_SECONDS)
        finally:
            stop(command for _, command in self.running)
