"""What is new where pictures were imported from, also after a run that was cut off while it fetched.

`dvc update` empties the folder, fetches into it, and only then takes what it fetched into its cache and its
.dvc file. Cut off in between, by a kill or a network that breaks down, it leaves files of which DVC knows
nothing, as if a person had put them there. So a mark stands while it runs, and what such a run left is set
aside: it is dropped when the same files have arrived, and kept where they have not.
"""

from __future__ import annotations

import filecmp
import shutil
import time
from contextlib import suppress
from pathlib import Path

from glasshouse.retraining.programs import ask

MARK, LEFT = Path(".glasshouse", "fetching"), Path(".glasshouse", "left")


def set_aside(root: Path, tracked: Path) -> bool:
    """Take away what a run left that was cut off while it fetched for this .dvc file.

    Args:
        root: the project's folder.
        tracked: the .dvc file, relative to it.

    Returns:
        Whether there was such a run; otherwise nothing was touched.
    """
    mark, place = root / MARK, root / tracked.with_suffix("")
    if not mark.is_file() or mark.read_text(encoding="utf-8") != tracked.as_posix():
        return False
    _drop_arrived(root, place)  # night after night the same, where the network breaks down each time
    aside = root / LEFT / str(time.time_ns())
    aside.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(place, aside)
    return True


def update(root: Path, tracked: Path) -> int:
    """Bring an import up to date.

    Args:
        root: the project's folder.
        tracked: the .dvc file, relative to it. What it keeps is as it says, so that nothing gets lost.

    Returns:
        The number of files that lay here when an earlier run was cut off, and that did not arrive.

    Raises:
        ProgramFailed: the place that it came from cannot be reached.
    """
    mark = root / MARK
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(tracked.as_posix(), encoding="utf-8")
    ask(root, "dvc", "update", tracked.as_posix())
    mark.unlink()
    return _drop_arrived(root, root / tracked.with_suffix(""))


def _drop_arrived(root: Path, place: Path) -> int:
    """Drop what was set aside and has arrived; returns the number of files that stay."""
    stay, left = 0, root / LEFT
    for path in sorted(left.rglob("*"), reverse=True):  # what is in a folder comes before it
        arrived = place.joinpath(*path.relative_to(left).parts[1:])
        if path.is_dir():
            with suppress(OSError):  # something stays in it
                path.rmdir()
        elif _is_part(path) or (arrived.is_file() and filecmp.cmp(path, arrived, shallow=False)):
            path.unlink()
        else:
            stay += 1
    if not stay:
        shutil.rmtree(left, ignore_errors=True)
    return stay


def _is_part(path: Path) -> bool:
    """Whether it is a file that DVC had not fetched to its end."""
    return path.name.startswith(".") and path.suffix == ".tmp"
