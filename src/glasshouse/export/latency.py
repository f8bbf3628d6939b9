"""How long one call takes."""

from __future__ import annotations

import statistics
import time

from glasshouse.export.signature import Pixels, Predict

WARM_UP = 3  # calls in which runtimes plan memory and TensorFlow optimises its graph


def measure_latency(predict: Predict, pixels: Pixels, runs: int) -> float:
    """Median wall-clock milliseconds of a call with the whole batch `pixels` (B, H, W, 3), after `WARM_UP`
    calls.

    Every runtime chooses its own number of threads, as it does for its users.
    """
    if runs < 1:
        raise ValueError(f"export.latency_runs must be at least 1. Got {runs} instead.")
    for _ in range(WARM_UP):
        predict(pixels)
    times_ms = []
    for _ in range(runs):
        start = time.perf_counter()
        predict(pixels)
        times_ms.append((time.perf_counter() - start) * 1000.0)
    return statistics.median(times_ms)
