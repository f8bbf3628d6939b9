"""Standard streams that the caller closed (`2>&-`, some schedulers)."""

from __future__ import annotations

import os
import sys

MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}  # in the order of their descriptors


def open_streams() -> None:
    """Put the null device in the place of each standard stream that is closed.

    Otherwise the next file to be opened takes its number, and what TensorFlow prints lands in it; and Python
    has None where packages look for a stream.
    """
    for descriptor, (name, mode) in enumerate(MODES.items()):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
