"""Folders and files that are either whole or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give an empty sibling folder to write into; at the end of the block it takes the folder's place.

    Where the block raises, the sibling is removed and what stood before stays. A sibling left by a killed
    process is cleared first.
    """
    new, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("new", "old"))
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)
    new.mkdir(parents=True)
    try:
        with name_in_errors(folder):
            yield new
    except BaseException:
        shutil.rmtree(new)
        raise
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    if old.exists():
        shutil.rmtree(old)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a sibling path to write to; at the end of the block what is there takes the file's place.

    Where the block raises, the sibling is removed and what stood before stays.
    """
    new = path.with_name(f".{path.name}.new")
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        with name_in_errors(path):
            yield new
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    new.replace(path)


@contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """Errors of the disk come without the file's name from Arrow, NumPy and plain `write`: add the path."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
