"""Work on pictures in threads, results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Pillow decodes and resizes without the interpreter lock, so threads do; two, so that few pictures are held.
THREADS = 2


def map_in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int = THREADS,
    stop: threading.Event | None = None,
) -> Iterator[tuple[Item, Result]]:
    """Pairs (item, function(item)) in the items' order; only a few items are taken ahead, so memory stays
    bounded. What was not begun when the caller stops is left undone.

    Args:
        stop: set when the caller stops, or is stopped: what runs then is waited for, and may look at it.

    Raises:
        Exception: whatever the function raises, at its item's turn.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > 4 * threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            if stop is not None:
                stop.set()
            for _, future in waiting:
                future.cancel()
