"""What runs, what is left, and the best so far, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm


class Display:
    """A bar over all entries on a terminal; elsewhere a line whenever something begins or ends."""

    def __init__(self, total: int, done: int) -> None:
        self._bar: Any = tqdm(
            total=total,
            initial=done,
            unit="training",
            disable=None,
            dynamic_ncols=True,
            bar_format="{n_fmt}/{total_fmt} |{bar:12}| {elapsed} {desc}",
        )
        self._total = total
        self._best: tuple[str, float] | None = None

    def say(self, text: str) -> None:
        """A line that stays."""
        tqdm.write(text, file=sys.stderr)

    def show(self, running: Mapping[str, str], waiting: int) -> None:
        """The present state: name -> stage and epoch of what runs."""
        if not self._bar.disable:
            runs = ", ".join(f"{name} ({stage})" for name, stage in running.items())
            self._bar.set_description_str(f"{runs}; {waiting} wait{self._say_best()}")

    def finish(self, name: str, score: float | None, told: str) -> None:
        """One is over: its validation score, None where it failed; `told`: what to say of it."""
        if score is not None and (self._best is None or score > self._best[1]):
            self._best = (name, score)
        self._bar.update()
        left = "" if not self._bar.disable else self._say_best()
        self.say(f"{name}: {told}{left}")

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def _say_best(self) -> str:
        return f"; best so far on validation: {self._best[0]} {self._best[1]:.3f}" if self._best else ""
