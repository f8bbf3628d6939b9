"""Whether a training fits into the memory at hand, said before it starts."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from glasshouse.models.costs import Costs, count_costs
from glasshouse.models.lazy import keras

# Of every free weight besides itself: its gradient, AdamW's two moments, the moving average.
SLOTS = 4
CGROUP = Path("/sys/fs/cgroup")
# Limit, use, and what of the use is given back when asked, of the control groups' second and first version.
CGROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def warn_of_memory(
    model: Any,
    batch_size: int,
    *,
    sizes_px: Iterable[tuple[int, int]] = (),
    free_bytes: int | None = None,
) -> str | None:
    """Say on standard error that a training of `model` may not fit, and which batch size would.

    An estimate, not a limit: the training starts all the same. Call it when the layers that stay as they are
    have been frozen.

    Args:
        model: what is trained, a functional Keras model.
        batch_size: pictures a step.
        sizes_px: (height, width) of batches of other sizes than the model's own: maps grow with the area.
        free_bytes: memory at hand; None to ask the machine.

    Returns:
        What was said, None where the training fits.
    """
    try:
        costs = grow(count_costs(model), model, sizes_px)
        free = find_free_bytes() if free_bytes is None else free_bytes
    except (ValueError, OSError, subprocess.SubprocessError) as fault:
        return _say(f"warning: whether the training fits into memory cannot be estimated: {fault}")
    needed = estimate_bytes(costs, batch_size)
    if needed <= free:
        return None
    fitting = find_batch_size(costs, free)
    advice = (
        f"a batch_size of {fitting} would fit"
        if fitting
        else "not even one picture fits: take a smaller network or smaller pictures"
    )
    return _say(
        f"warning: a training step on {batch_size} pictures needs about {needed / 1e9:.2f} GB, "
        f"{free / 1e9:.2f} GB are free; {advice}."
    )


def grow(costs: Costs, model: Any, sizes_px: Iterable[tuple[int, int]]) -> Costs:
    """The costs at the largest of the sizes, where one has a larger area than the model's own pictures."""
    largest = max((height * width for height, width in sizes_px), default=0)
    own = math.prod(model.input_shape[1:3]) if largest else 1
    if largest <= own:
        return costs
    more = {name: getattr(costs, name) * largest // own for name in ("input_bytes", "kept_bytes")}
    return replace(costs, **more)


def estimate_bytes(costs: Costs, batch_size: int) -> int:
    """Memory of a training step: weights, gradients and AdamW's slots, and of every picture its pixels and
    what the way back needs."""
    return _fixed_bytes(costs) + batch_size * _picture_bytes(costs)


def find_batch_size(costs: Costs, free_bytes: int) -> int:
    """The largest batch whose estimate is within `free_bytes`; 0 where not even one picture's is."""
    return max((free_bytes - _fixed_bytes(costs)) // _picture_bytes(costs), 0)


def find_free_bytes() -> int:
    """Memory at hand where Keras computes: of the first GPU, else of the machine, within the limit of the
    container that this process is in."""
    import psutil

    if keras.distribution.list_devices("gpu"):
        return read_gpu()
    available = int(psutil.virtual_memory().available)
    limit = read_cgroup()
    return available if limit is None else min(available, limit)


def read_gpu() -> int:
    """Free memory of the first GPU in bytes, by NVIDIA's tool; raises ValueError where it gives none."""
    command = shutil.which("nvidia-smi")
    if command is None:
        raise ValueError("nvidia-smi is not installed: the GPU's free memory is not known.")
    query = [command, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    first = answer.stdout.partition("\n")[0].strip()
    if not first.isdecimal():
        raise ValueError(f"nvidia-smi does not say the GPU's free memory: {answer.stderr or answer.stdout}")
    return int(first) * 2**20  # it counts in MiB


def read_cgroup(folder: Path = CGROUP) -> int | None:
    """What the control group leaves to its processes in bytes; None without one, or without a limit."""
    for limit, use, statistics, given_back in CGROUP_FILES:
        if not all((folder / name).is_file() for name in (limit, use, statistics)):
            continue
        highest = (folder / limit).read_text().strip()
        if not highest.isdecimal():  # "max"
            return None
        rows = dict(line.split() for line in (folder / statistics).read_text().splitlines())
        taken = int((folder / use).read_text()) - int(rows.get(given_back, 0))
        return max(int(highest) - taken, 0)
    return None


def _fixed_bytes(costs: Costs) -> int:
    return costs.weights_bytes + SLOTS * costs.trained_bytes


def _picture_bytes(costs: Costs) -> int:
    return costs.input_bytes + costs.kept_bytes


def _say(text: str) -> str:
    print(text, file=sys.stderr, flush=True)
    return text
