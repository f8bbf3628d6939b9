"""Where MLflow's runs are kept, and how to reach it without waiting for a server that is away."""

from __future__ import annotations

import fcntl
import http.client
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from glasshouse.journal.imports import uncollected
from glasshouse.tracking.addresses import conceal
from glasshouse.tracking.moved import FOLDER, Unmovable, bring_along

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = "mlflow.db"  # the project's own
PREFLIGHT_SECONDS = 2.0
LOCK_SECONDS = 60.0
SHOWN_REASON = 200  # characters of what MLflow says, which may be a page
AUTOFLUSH = "(raised as a result of Query-invoked autoflush"  # SQLAlchemy's, above what failed
CAUSE = "(Caused by "  # behind the address of a request that failed, which may be longer than that
KINDS = (
    *("sqlite", "postgresql", "mysql", "mssql"),
    *("http", "https", "databricks", "databricks-uc", "uc"),
)  # of addresses; a plug-in of MLflow may add to them
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# A busy server's Retry-After would have one request sleep for longer than a claim lasts (tracking.claims).
PUNCTUAL = {"MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false"}


class StoreAway(RuntimeError):
    """MLflow cannot be reached, or broke off: nothing is lost, for the journal holds everything."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request to a server may take, in seconds, and how often it is tried again."""

    timeout_s: int
    retries: int


DURING_TRAINING = Patience(timeout_s=3, retries=1)
AFTERWARDS = Patience(timeout_s=20, retries=2)


@dataclass(frozen=True, slots=True)
class Store:
    """Address of runs and registry; `artifacts`: where files go, None where a server decides."""

    uri: str
    artifacts: str | None

    @property
    def shown(self) -> str:
        """The address without a user's name or password."""
        return conceal(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether it is reached by HTTP."""
        return urlsplit(self.uri).scheme in ("http", "https")

    @property
    def database(self) -> Path | None:
        """The file that it is, None where it is no SQLite database."""
        kind, _, place = self.uri.partition(":///")
        name = place.partition("?")[0]
        return Path(name) if kind == "sqlite" and name not in ("", ":memory:") else None

    @property
    def is_unborn(self) -> bool:
        """Whether it is a database file that does not exist yet: to ask would create it."""
        return self.database is not None and not self.database.is_file()

    @property
    def own(self) -> tuple[Path, str] | None:
        """Database and address of `mlruns`, where they lie in one folder, and so move together."""
        database, artifacts = self.database, self.artifacts
        if database is None or artifacts is None:
            return None
        return (database, artifacts) if database.resolve().with_name(FOLDER).as_uri() == artifacts else None


def locate_store(root: Path) -> Store:
    """MLFLOW_TRACKING_URI where it is set, else `mlflow.db` and `mlruns/` in the project's folder.

    Files lie beside a database file, which worktrees and clones may share: none of them, removed, takes the
    models of the others along. A database behind a network has no such place, and gets that of the project.
    """
    root = root.resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / DATABASE}"
    remote = urlsplit(uri).scheme in ("http", "https", "databricks")
    database = Store(uri, None).database
    folder = root if database is None else database.resolve().parent
    return Store(uri, None if remote else (folder / FOLDER).as_uri())


def connect(store: Store, patience: Patience) -> MlflowClient:
    """A client; raises StoreAway soon where no server answers or a database cannot be opened, which MLflow
    would try again and again for 100 s, and imports MLflow only after that.

    The database of a project that was moved or copied is brought up to the new place.
    """
    inspect(store)
    os.environ.update(QUIET | PUNCTUAL)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(patience.timeout_s))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(patience.retries))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0.5")
    with uncollected():
        from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").addFilter(_is_untold)
    try:
        with spoken(store):
            if store.database is not None and store.is_unborn:
                _create(store.database)
            client = MlflowClient(store.uri)
            told = bring_along(*store.own) if store.own is not None else None
    except Unmovable as error:
        raise StoreAway(f"MLflow at {store.shown}: {error}") from error
    if told is not None:
        print(told, file=sys.stderr, flush=True)
    return client


def _is_untold(record: logging.LogRecord) -> bool:
    """Whether MLflow does not raise it too: what it logs with a page of traceback, `spoken` tells."""
    return record.exc_info is None


def _create(database: Path) -> None:
    """Let a database stand in its place only when it is whole.

    MLflow makes it in many steps; one that was cut off among them, or that two processes made at once (of two
    worktrees or clones), is of no use to anybody. Whoever comes first holds the folder meanwhile.

    Raises StoreAway where another process holds it for too long.
    """
    from mlflow import MlflowClient

    database.parent.mkdir(parents=True, exist_ok=True)  # as MLflow does
    folder = os.open(database.parent, os.O_RDONLY)
    try:
        _await(folder, database.parent)
        if database.exists():
            return
        fresh = database.absolute().with_name(f"{database.name}.new")
        for left in (fresh, fresh.with_name(f"{fresh.name}-journal")):  # by one that was killed
            left.unlink(missing_ok=True)
        MlflowClient(f"sqlite:///{fresh}")
        fresh.replace(database)
    finally:
        os.close(folder)


@contextmanager
def spoken(store: Store) -> Iterator[None]:
    """Turn what MLflow raises, when its store breaks off, into StoreAway with one line of text.

    A package that the store needs and that is missing (a database's driver, a bucket's client) is named.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        raise StoreAway(
            f"MLflow at {store.shown} needs a Python package that cannot be imported ({error}): "
            "install it beside Glasshouse, or name another store."
        ) from error
    except (MlflowException, SQLAlchemyError, sqlite3.Error, http.client.HTTPException, OSError) as error:
        raise StoreAway(f"MLflow at {store.shown} broke off: {_say_reason(error)}") from error


def _say_reason(error: Exception) -> str:
    """One sentence of what may be a page, and may name the address with the password."""
    told_lines = conceal(str(error)).strip().splitlines()
    lines = [line for line in told_lines if not line.startswith(AUTOFLUSH)] or [type(error).__name__]
    told = lines[-1] if lines[0].endswith(":") else lines[0]  # what fails in files is listed below
    cause = told.rpartition(CAUSE)[2].removesuffix(")") if CAUSE in told else told
    reason = cause if len(cause) <= SHOWN_REASON else f"{cause[:SHOWN_REASON]}..."
    return reason if reason.endswith(".") else f"{reason}."


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep this project's other processes from creating runs; raises StoreAway after LOCK_SECONDS."""
    path = root / ".glasshouse" / "mirror.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        _await(stream.fileno(), path)
        yield


def _await(descriptor: int, path: Path) -> None:
    """Take the lock on an open file or folder; raises StoreAway after LOCK_SECONDS."""
    deadline = time.monotonic() + LOCK_SECONDS
    while not _seize(descriptor):
        if time.monotonic() > deadline:
            raise StoreAway(f"another process has held {path} for {LOCK_SECONDS:.0f} s: end it, or wait.")
        time.sleep(0.05)


def _seize(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def knock(store: Store) -> None:
    """One short request to a server; raises StoreAway where none answers (any status below 500 will do).

    By what MLflow's client sends its own with, certificates and proxies as it would take them, but without
    importing MLflow, which takes seconds.
    """
    if not store.is_server:
        return
    import requests

    try:
        with requests.get(
            f"{store.uri.rstrip('/')}/health",
            timeout=PREFLIGHT_SECONDS,
            verify=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or not _trusts_anybody(),
            cert=os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
            allow_redirects=False,
            stream=True,
        ) as answer:
            status = answer.status_code
    except requests.exceptions.InvalidURL as error:  # which says what it could read of the password
        raise StoreAway(
            "MLFLOW_TRACKING_URI is no address that can be read: write #, /, ? and @ of a name or password "
            "as %23, %2F, %3F and %40."
        ) from error
    except OSError as error:  # all of requests' own are such
        reason = getattr(error.args[0], "reason", error) if error.args else error
        raise StoreAway(f"MLflow at {store.shown} does not answer ({conceal(str(reason))}).") from error
    if status >= 500:
        raise StoreAway(f"MLflow at {store.shown} answers with status {status}.")


def inspect(store: Store) -> None:
    """Raise StoreAway where runs cannot be kept there, as far as can be told without MLflow and its wait.

    Nothing is made: a database that does not exist yet is well if its folder does. One that does is read, by
    the right to write where there is one: what a killed process left half written is taken back first.
    Databases behind a network are not asked.
    """
    kind = "databricks" if store.uri == "databricks" else urlsplit(store.uri).scheme.partition("+")[0]
    plugins = [found.name for found in entry_points(group="mlflow.tracking_store")]
    folders = ("", "file") if _is_on("MLFLOW_ALLOW_FILE_STORE") else ()
    if kind not in (*KINDS, *plugins, *folders):
        valid = ", ".join(KINDS)
        raise StoreAway(
            f"MLflow knows no address like {store.shown}: MLFLOW_TRACKING_URI begins with {valid}."
        )
    knock(store)
    database = store.database
    if database is None:
        return
    path, _, options = store.uri.partition(":///")[2].partition("?")
    if unquote(path) != path or "/" in options:
        raise StoreAway(
            f"MLflow at {store.shown}: in the path of a database it takes % for the beginning of an escape "
            "and ? for the end, and would look elsewhere: rename the folder, or let MLFLOW_TRACKING_URI name "
            "another place."
        )
    if not database.parent.is_dir():
        raise StoreAway(f"MLflow at {store.shown}: {database.parent} is missing: make that folder.")
    if not database.exists():
        return
    try:
        address = f"{database.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, timeout=LOCK_SECONDS, uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        raise StoreAway(f"MLflow at {store.shown}: {database} cannot be read ({error}).") from error


def _trusts_anybody() -> bool:
    return _is_on("MLFLOW_TRACKING_INSECURE_TLS")


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("true", "1")
