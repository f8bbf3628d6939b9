"""Standard streams that the caller closed (`2>&-`, some schedulers), or that take ASCII alone."""

from __future__ import annotations

import io
import os
import sys

MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}  # in the order of their descriptors


def open_streams() -> None:
    """Put the null device in the place of each standard stream that is closed, and let any name be printed.

    Otherwise the next file to be opened takes the number of a closed one, and what TensorFlow prints lands in
    it; and Python has None where packages look for a stream. A letter that the encoding of the output lacks
    is printed as `\\xfc`, as Python does for faults; it would end the command.
    """
    for descriptor, (name, mode) in enumerate(MODES.items()):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
