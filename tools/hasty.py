"""`glasshouse ...` with the clock of the claims HASTE times as fast, and MLflow's patience as much shorter.

So that a trial sees in seconds what a server that is slow by minutes does. Nothing else is changed.
"""

from __future__ import annotations

import os
import random
import sys
import time
from types import SimpleNamespace

from glasshouse.cli import main
from glasshouse.tracking import claims
from glasshouse.tracking.store import AFTERWARDS

HASTE = 10.0
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": f"{AFTERWARDS.timeout_s / HASTE:.0f}"}


def hasten() -> None:
    """From now on claims age, are renewed and are waited for HASTE times as fast."""
    hasty = {
        "monotonic": lambda: time.monotonic() * HASTE,
        "sleep": lambda seconds: time.sleep(seconds / HASTE),
    }
    claims.time = SimpleNamespace(**hasty)  # type: ignore[assignment]


if __name__ == "__main__":
    os.environ.update(PATIENCE)
    random.seed()
    hasten()
    sys.exit(main(sys.argv[1:]))
