"""Commands as leaders of process groups of their own, with their logs and peak memory, ended all together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE_SECONDS = 15.0  # a stage that is asked to end writes its journal and goes
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB on Linux


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Args:
        status: 0 for well, the exit status, or minus the number of the signal that killed it.
        peak_bytes: resident memory of the largest process that it was or had waited for; on Linux at least
            that of the one which started it: until its own program is loaded, that one's memory counts.
        seconds: wall time.
    """

    status: int
    peak_bytes: int
    seconds: float


class Command:
    """A running command."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        keep_open: Sequence[int] = (),
    ) -> None:
        """Start it in `folder`; what it prints goes to `log`; `keep_open`: descriptors that it inherits."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log, self.began = log, time.time()
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                words,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(keep_open),
            )
        self.ended: Ended | None = None

    def look(self) -> Ended | None:
        """How it ended; None while it runs."""
        if self.ended is None:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self._process.returncode = code  # it is reaped: Popen must not wait for it again
                self.ended = Ended(code, usage.ru_maxrss * PEAK_UNIT, time.time() - self.began)
        return self.ended

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its group."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def read_log(self) -> str:
        """What it printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def stop(commands: Iterable[Command], patience_s: float = PATIENCE_SECONDS) -> None:
    """End all, as Ctrl-C would, and with SIGKILL what does not go; returns when none is left.

    A second Ctrl-C kills at once.
    """
    left = [command for command in commands if command.look() is None]
    for command in left:
        command.signal(signal.SIGINT)
    deadline = time.monotonic() + patience_s
    try:
        while any(command.look() is None for command in left) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        for command in left:
            command.signal(signal.SIGKILL)  # also what outlived its leader
        while any(command.look() is None for command in left):
            time.sleep(0.02)
