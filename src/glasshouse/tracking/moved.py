"""A project that was moved or copied: MLflow keeps whole addresses of files, of the old place.

Only in the project's own database, and only where the files came along: what another folder alone holds
stays addressed there (`tracking.mirror` then refuses to write to it).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

FOLDER = "mlruns"
WAIT_SECONDS = 60.0  # for another process that writes
# Where MLflow 3 keeps addresses of files; traces have some too, but nothing here writes a trace.
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
RENAME = """
    UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1)
    WHERE {column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'
"""


class Unmovable(RuntimeError):
    """The addresses lead to another place, and the database cannot be written."""


def bring_along(database: Path, home: str) -> str | None:
    """Let the addresses of a moved or copied project lead to its `mlruns` of today.

    Two at once: the second finds nothing left to do.

    Args:
        database: the project's own, with MLflow's tables.
        home: address of the project's `mlruns`.

    Returns:
        A sentence on what was done; None where there was nothing to do, or files did not come along.

    Raises:
        Unmovable: the database cannot be written, as on a read-only disk; it is as it was.
        sqlite3.Error: it cannot be read.
    """
    with closing(sqlite3.connect(database, timeout=WAIT_SECONDS, isolation_level=None)) as connection:
        if not _list_movable(connection, home):  # the common case needs no lock
            return None
        connection.execute("BEGIN IMMEDIATE")
        came = _list_movable(connection, home)
        try:
            for old in came:
                for names in ((old, home), (str(_as_path(old)), str(_as_path(home)))):
                    _rename(connection, *names)
        except sqlite3.OperationalError as error:
            raise Unmovable(
                f"the project was moved or copied here from {_say_projects(came)}, whither addresses in "
                f"{database} still lead, and that file cannot be written ({error}): give `glasshouse runs "
                "sync` once with the right to write here."
            ) from error
        connection.execute("COMMIT")
    if not came:  # another process was faster
        return None
    new = _as_path(home).parent
    return (
        f"MLflow: the project was moved or copied here from {_say_projects(came)}: its files are looked for "
        f"in {new} now."
    )


def is_elsewhere(location: str, home: str) -> bool:
    """Whether an experiment was made by this package, with its files in another project's `mlruns`."""
    return urlsplit(location).scheme == "file" and location.endswith(f"/{FOLDER}") and location != home


def say_left(experiment: str, location: str, database: Path, home: str) -> str:
    """What to do where the files of an experiment lie elsewhere and did not come along."""
    return (
        f"The files of MLflow's experiment {experiment!r} lie in {_as_path(location)}, and some or all of "
        f"them are not in {_as_path(home)}: copy them there. Where they are lost, delete {database}: "
        "`glasshouse runs sync` makes it anew, without a champion."
    )


def _say_projects(addresses: list[str]) -> str:
    return ", ".join(str(_as_path(address).parent) for address in addresses)


def _list_movable(connection: sqlite3.Connection, home: str) -> list[str]:
    """Addresses of other `mlruns`, whose files came along."""
    rows = connection.execute("SELECT DISTINCT artifact_location FROM experiments ORDER BY 1").fetchall()
    others = [location for (location,) in rows if location and is_elsewhere(location, home)]
    return [old for old in others if _came_along(connection, old, home)]


def _came_along(connection: sqlite3.Connection, old: str, home: str) -> bool:
    """Whether no file lies at the old place alone, and not every file of every model is gone."""
    places = list(_list_places(connection, old))
    here = [(_as_path(home) / place).exists() for place in places]
    there = [(_as_path(old) / place).exists() for place in places]
    if any(lies and not came for lies, came in zip(there, here, strict=True)):
        return False
    return any(here) or not any(place.startswith("models/") for place in places)


def _list_places(connection: sqlite3.Connection, old: str) -> Iterator[str]:
    """Folders of runs and models, below `mlruns`."""
    for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
        for (address,) in connection.execute(f"SELECT {column} FROM {table}"):
            if address and address.startswith(f"{old}/"):
                yield address.removeprefix(f"{old}/")


def _rename(connection: sqlite3.Connection, old: str, new: str) -> None:
    for table, column in COLUMNS:
        connection.execute(RENAME.format(table=table, column=column), {"old": old, "new": new})


def _as_path(address: str) -> Path:
    return Path(url2pathname(urlsplit(address).path))
