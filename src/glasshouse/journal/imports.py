"""Imports of packages with thousands of modules."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Let Python's garbage collector rest while packages are imported, and pass over what they have made.

    Classes and functions of a package live as long as the process: TensorFlow's are 670,000 objects, through
    which the collector would look again and again, a quarter of the time that the import takes. What is
    garbage already is collected first, so that it is not kept with them.
    """
    was_on, before = gc.isenabled(), len(sys.modules)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        if was_on:
            gc.enable()
