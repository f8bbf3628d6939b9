"""How long several models take for a picture, measured in turns: what slows a machine meets all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

WARM_UP = 3  # calls in which TensorFlow optimises its graph
ROUNDS = 20
FEWEST_ROUNDS = 5
BUDGET_SECONDS = 240.0  # for all models together, once they are warm; the rounds under way are finished


def measure_in_turns(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int = ROUNDS,
    budget_s: float = BUDGET_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median wall milliseconds of each call.

    Each round calls every one once, and each round begins with another, so that none always follows the same
    neighbour.

    Args:
        calls: name -> what is timed.
        rounds: at most so many.
        budget_s: after so many seconds no round is begun, but for the first `FEWEST_ROUNDS`.
        clock: seconds.
    """
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    times_ms: dict[str, list[float]] = {name: [] for name in calls}
    began = clock()
    for turn in range(rounds):
        if turn >= FEWEST_ROUNDS and clock() - began > budget_s:
            break
        for name in rotate(list(calls), turn):
            start = clock()
            calls[name]()
            times_ms[name].append((clock() - start) * 1000.0)
    return {name: statistics.median(times) for name, times in times_ms.items()}


def rotate(names: Sequence[str], turn: int) -> list[str]:
    """The names in their order, from the one at `turn` on."""
    first = turn % len(names) if names else 0
    return [*names[first:], *names[:first]]
