"""`python -m glasshouse.tracking.follow JOURNAL`: mirror one journal until its stage ends or dies."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from glasshouse.journal.journal import read_about, read_executions
from glasshouse.tracking.mirror import STATUSES, Mirror
from glasshouse.tracking.names import read_names
from glasshouse.tracking.store import DURING_TRAINING, StoreAway, alone, locate_store, spoken

POLL_SECONDS = 0.25
NICENESS = 10  # the training's processors come first


def follow(root: Path, journal: Path) -> None:
    """Show `journal` in MLflow until it is over; raises StoreAway where the store breaks off."""
    store, folder, stage = locate_store(root), journal.parents[1], journal.parent.name
    mirror = Mirror(root, store, read_names(root).experiment, DURING_TRAINING)
    with spoken(store):
        with alone(root):
            mirror.reap()
            executions = read_executions(folder, stage)
            parent = mirror.open_parent(read_about(folder))
            child = mirror.open_child(parent, stage, executions[0].start_time)
        mirror.set_status(parent, "RUNNING", 0.0)
        known, seen = mirror.read_points(child), -1
        while True:
            executions = read_executions(folder, stage)
            size, last = journal.stat().st_size, executions[-1]
            if size != seen or last.status != "running":
                mirror.show_stage(child, known, executions)
                child.info._status = STATUSES[last.status]
                seen = size
            if last.status != "running":
                break
            time.sleep(POLL_SECONDS)
        mirror.show_state(folder)


def main(arguments: list[str]) -> int:
    """Follow; a store that is away is one line on stderr and status 1."""
    os.nice(NICENESS)
    try:
        follow(Path.cwd(), Path(arguments[0]))
    except (StoreAway, ValueError) as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)  # tearing down what MLflow imported takes a second of the training's processors
