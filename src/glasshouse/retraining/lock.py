"""One retraining at a time in one folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(".glasshouse", "retrain.lock")


class AtWork(RuntimeError):
    """Another retraining is at work here; its work is the same, so there is nothing to do."""


class LockFault(RuntimeError):
    """The lock cannot be written: nor can anything else be."""


@contextmanager
def alone(root: Path) -> Iterator[int]:
    """Hold the lock of the project in `root`; gives its file descriptor.

    The system drops the lock when the last process that has it open is gone, however it went. `dvc repro`
    inherits it: a training that outlives this process still keeps others away.

    Raises:
        AtWork: another process holds it.
        LockFault: the folder cannot be written to.
    """
    path = root / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise LockFault(
            f"{LOCK.as_posix()} cannot be written ({error.strerror}): nothing was changed. Make the "
            "project's folder writable and run this again."
        ) from error
    with stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise AtWork(f"another retraining is at work here ({stream.read().strip()}).") from None
        stream.truncate(0)
        stream.write(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        stream.flush()
        yield stream.fileno()
