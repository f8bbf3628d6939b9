"""`glasshouse unreadable`: what in the data folder cannot be read is passed over by DVC, and told.

DVC takes the digest of every file of `dataset.path` before `download` starts, and stops at the first one that
cannot be read (it waits for ever at a pipe). `download` would set such a file aside and go on. So these files
are named in .dvcignore, in lines that this command keeps: one that can be read again is taken off them.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from glasshouse.sources.listing import abridge, show_name

IGNORED = Path(".dvcignore")
BEGIN = "# Files of dataset.path that cannot be read; `glasshouse unreadable` keeps these lines."
END = "# End of the files that cannot be read."
BLOCK = re.compile(rf"\n?{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)


def show(options: Namespace) -> int:
    """Bring .dvcignore up to date; status 1 where DVC would stop at a file all the same."""
    from glasshouse.journal.pipeline import PARAMS, look_up, read_yaml

    root = Path.cwd()
    # Without `..`, by which a path outside would pass for one below the project.
    place = Path(os.path.normpath(root / str(look_up(read_yaml(root / PARAMS), "dataset.path"))))
    found = dict(find_unreadable(place)) if place.exists() or place.is_symlink() else {}
    inside = [path for path in found if may_ignore(path, root) and path != place and not path.is_dir()]
    write_ignored(root / IGNORED, [path.relative_to(root).as_posix() for path in inside])
    others = [path for path in found if path not in inside]
    for paths, advice in (
        (inside, "DVC passes over them (.dvcignore), `download` sets them aside, and the rest goes on."),
        (others, "DVC or `download` would stop there: make them readable, or remove them."),
    ):
        if paths:
            told = abridge([f"{_shorten(path, root)} ({found[path]})" for path in paths], 20)
            print(f"dataset.path: {len(paths)} cannot be read: {told}. {advice}", file=sys.stderr)
    return int(bool(others))


def may_ignore(path: Path, root: Path) -> bool:
    """Whether .dvcignore can name a file: one below the project, whose name is text."""
    return path.is_relative_to(root) and is_text(path)


def is_text(path: Path) -> bool:
    """Whether the path is UTF-8, as DVC and every table here want it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _shorten(path: Path, root: Path) -> str:
    name = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
    return show_name(name.encode(errors="backslashreplace").decode())


def find_unreadable(place: Path) -> Iterator[tuple[Path, str]]:
    """(path, why) of all files and folders at and below a place that cannot be read, in the order of names.

    Hidden files count: whoever takes the folder's digest reads them too. Links to files are followed, links
    to folders are not: what lies there has a place of its own, or is outside.
    """
    if not place.is_dir():
        reason = explain_unreadable(place)
        if reason is not None:
            yield place, reason
        return
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError as error:
        yield place, f"the folder cannot be listed: {error.strerror}"
        return
    for entry in entries:
        path = Path(entry.path)
        if not (entry.is_symlink() and path.is_dir()):
            yield from find_unreadable(path)


def explain_unreadable(path: Path) -> str | None:
    """Why a file cannot be read, None where it can; nothing is read, so that no pipe is waited for."""
    if not is_text(Path(path.name)):
        return "its name is not UTF-8: rename it"
    if path.is_symlink() and not path.exists():
        return f"a link to {show_name(os.readlink(path))}, which leads nowhere"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "no regular file"
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return str(error.strerror)
    return None


def write_ignored(file: Path, names: list[str]) -> None:
    """Have the lines of .dvcignore that this command keeps name just these files; others stay as they are."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    lines = [BEGIN, *(f"/{escape(name)}" for name in names), END]
    block = "\n" + "\n".join(lines) + "\n" if names else ""
    new = BLOCK.sub("", text) + block
    if new != text:
        draft = file.with_name(f"{file.name}.draft")  # so that other lines cannot be lost
        draft.write_text(new, encoding="utf-8", newline="\n")
        draft.replace(file)


def escape(name: str) -> str:
    """A path as a line of .dvcignore that means it: gitignore's wildcards, spaces at the end, line ends.

    DVC takes no backslash before a space at the end; `?`, any one character, is the closest to a line end.
    """
    line = re.sub(r"([\\*?\[\]!#])", r"\\\1", name)
    return re.sub(r"[\r\n]", "?", re.sub(r" $", "[ ]", line))
