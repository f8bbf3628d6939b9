"""Starts and ends the process that shows a training in MLflow while it goes on.

A process of its own, not a thread: it reads the journal and nothing else, so that importing MLflow,
creating its database or waiting for a server takes neither the interpreter's lock nor a moment from the
training, and its death costs nothing. `GLASSHOUSE_LIVE=0` in the environment leaves it out; `glasshouse
runs sync` shows the same runs later.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

READS = ()  # `__file__` only says where the package lies
FOLLOWER = "glasshouse.tracking.follow"  # run, not imported: no stage depends on the mirror's code
LAST_SECONDS = 1.0  # a follower that is behind at the end of the stage is left to finish by itself


class Live:
    """The follower of one journal."""

    def __init__(self, root: Path, journal: Path) -> None:
        self._log = journal.with_suffix(".live.log")
        package = Path(__file__).parents[2]
        paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._told = False
        with self._log.open("w") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", FOLLOWER, str(journal.resolve())],
                cwd=root,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CUDA_VISIBLE_DEVICES": ""},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,  # a file: a pipe of the stage's would keep its readers waiting
                start_new_session=True,  # Ctrl-C is the stage's to answer
            )

    def look(self) -> None:
        """Say once, in one line on stderr, why the follower gave up, if it did."""
        if self._told or not self._process.poll():
            return
        self._told = True
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"the follower ended with status {self._process.returncode}."
        print(
            f"warning: {reason} The stage goes on; `glasshouse runs sync` shows its run later.",
            file=sys.stderr,
            flush=True,
        )

    def finish(self) -> None:
        """Give the follower a moment for the last rows."""
        try:
            self._process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return
        self.look()


def is_wanted() -> bool:
    """Whether the environment leaves the live mirror on."""
    return os.environ.get("GLASSHOUSE_LIVE", "1") != "0"
