"""What of the machine the bytes of a training depend on: processor, GPUs, number of threads."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

THREADS = "TF_NUM_INTRAOP_THREADS"  # TensorFlow's own variable: threads that share one operation
CPUINFO = Path("/proc/cpuinfo")
DRIVER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a stage runs; another one may give other bytes.

    Args:
        processor: its name, and on Linux family and model, since one name covers several kinds.
        threads: that share one operation of TensorFlow.
        gpus: the names of NVIDIA's.
    """

    processor: str
    threads: int
    gpus: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`AMD EPYC (family 26, model 2), 2 threads`."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return ", ".join([self.processor, threads, *self.gpus])

    def as_values(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {**asdict(self), "gpus": list(self.gpus)}

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Machine:
        """Back from `as_values`."""
        return cls(**{**values, "gpus": tuple(values["gpus"])})


def read_machine() -> Machine:
    """The one that this process runs on."""
    return Machine(name_processor(), count_threads(), tuple(list_gpus()))


def count_processors() -> int:
    """Those that this process may use, in a container or under `taskset` fewer than there are."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, usable or 1)


def count_threads() -> int:
    """Threads that share one operation of TensorFlow: as many as asked for, else one a processor."""
    return asked_threads() or count_processors()


def asked_threads() -> int:
    """What `THREADS` asks for; 0 where it is not set, or holds what TensorFlow does not take for a number."""
    asked = os.environ.get(THREADS, "").strip()
    return int(asked) if asked.isdecimal() else 0


def name_processor() -> str:
    """`AMD EPYC (family 26, model 2)`; elsewhere than on Linux what the system calls it."""
    if CPUINFO.is_file():
        first = CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        found = {
            key.strip(): value.strip()
            for key, _, value in (line.partition(":") for line in first.splitlines())
        }
        if found.keys() >= {"model name", "cpu family", "model"}:  # not so on ARM
            return f"{found['model name']} (family {found['cpu family']}, model {found['model']})"
    return platform.processor() or platform.machine()


def list_gpus() -> list[str]:
    """Names of the GPUs that NVIDIA's driver shows, without importing TensorFlow.

    Where the driver does not answer, fails or hangs, no GPU can be trained on.
    """
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if not answer.returncode and line.strip()]
