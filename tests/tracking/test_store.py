"""A server is knocked at as MLflow's own client would reach it: certificates and proxies included."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from glasshouse.tracking.store import (
    Patience,
    Store,
    StoreAway,
    connect,
    inspect,
    knock,
    locate_store,
    spoken,
)

SETTINGS = (
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    *(
        name
        for lower in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
        for name in (lower, lower.upper())
    ),
)


class Answer(BaseHTTPRequestHandler):
    status, asked = 200, ""

    def do_GET(self) -> None:
        type(self).asked = self.path
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Answer,), {})) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that nobody knows, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "house")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "house.pem", folder / "house.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return certificate, secret


def test_a_certificate_of_a_house_is_taken_where_mlflow_would(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, secret = certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    store = Store(f"https://127.0.0.1:{server.server_port}", None)
    with pytest.raises(StoreAway, match=r"does not answer \(.*certificate"):
        knock(store)
    for name, value in {
        "MLFLOW_TRACKING_INSECURE_TLS": "true",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(certificate),
        "REQUESTS_CA_BUNDLE": str(certificate),
    }.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            knock(store)


def test_a_proxy_is_asked_unless_the_server_is_excepted(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store("http://ada:secret@mlflow.invalid/base", None)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    knock(store)
    assert server.RequestHandlerClass.asked == "http://mlflow.invalid/base/health"  # type: ignore[attr-defined]
    monkeypatch.setenv("NO_PROXY", "mlflow.invalid")
    with pytest.raises(StoreAway, match=r"^MLflow at http://mlflow\.invalid/base does not answer") as caught:
        knock(store)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "is_there"), [(200, True), (302, True), (401, True), (500, False), (503, False)]
)
def test_any_status_below_500_is_an_answer(server: ThreadingHTTPServer, status: int, is_there: bool) -> None:
    server.RequestHandlerClass.status = status  # type: ignore[attr-defined]
    store = Store(f"http://127.0.0.1:{server.server_port}", None)
    if is_there:
        knock(store)
    else:
        with pytest.raises(StoreAway, match=f"answers with status {status}"):
            knock(store)


def test_a_server_cannot_make_a_request_wait_longer_than_its_patience(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim lasts for one request with its tries, and not for as long as `Retry-After` pleases."""

    class Busy(Answer):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 503)
            self.send_header("Retry-After", "20")
            self.send_header("Content-Length", "0")
            self.end_headers()

    for name in ("TIMEOUT", "MAX_RETRIES", "BACKOFF_FACTOR", "BACKOFF_JITTER"):
        monkeypatch.delenv(f"MLFLOW_HTTP_REQUEST_{name}", raising=False)
    server.RequestHandlerClass = Busy
    store = Store(f"http://127.0.0.1:{server.server_port}", None)
    client, start = connect(store, Patience(timeout_s=2, retries=1)), time.monotonic()
    with pytest.raises(StoreAway, match="too many 503 error responses"), spoken(store):
        client.get_registered_model("flowers")
    assert time.monotonic() - start < 10


def test_the_reason_stands_in_the_sentence_where_mlflow_puts_it_below() -> None:
    from mlflow.exceptions import MlflowException

    text = "These failed while downloading from file:///x:\n##### File model.onnx #####\nNo such file: 'y'"
    with (
        pytest.raises(StoreAway, match=r"broke off: No such file: 'y'\.$"),
        spoken(Store("sqlite:///x.db", None)),
    ):
        raise MlflowException(text)


def test_the_reason_stands_in_the_sentence_where_sqlalchemy_puts_it_below_a_hint() -> None:
    from mlflow.exceptions import MlflowException

    hint = "(raised as a result of Query-invoked autoflush; consider using a session.no_autoflush block)"
    with (
        pytest.raises(StoreAway, match=r"broke off: \(sqlite3\.Operational\w+\) database or disk is full\.$"),
        spoken(Store("sqlite:///x.db", None)),
    ):
        raise MlflowException(f"{hint}\n(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]")


def test_what_a_database_refuses_is_told_without_a_page_of_mlflows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", None)
    client = connect(store, Patience(timeout_s=2, retries=1))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("DROP TABLE experiments")  # a full disk raises the same class
    with pytest.raises(StoreAway, match="no such table: experiments"), spoken(store):
        client.get_experiment_by_name("glasshouse")
    assert "Traceback" not in capsys.readouterr().err


def test_of_a_request_that_failed_the_cause_is_told_and_not_its_address() -> None:
    from mlflow.exceptions import MlflowException

    address = f"http://127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts/{'x' * 300}"
    pool = f"HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: {address}"
    cause = "ResponseError('too many 500 error responses')"
    said = f"API request to {address} failed with exception {pool} (Caused by {cause})"
    with pytest.raises(StoreAway) as caught, spoken(Store("http://127.0.0.1:9", None)):
        raise MlflowException(said)
    assert str(caught.value) == f"MLflow at http://127.0.0.1:9 broke off: {cause}."


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("It is closed.\nTraceback: ...", "It is closed."),
        ("It is closed", "It is closed."),
        ("", "MlflowException."),
        ("x" * 200, f"{'x' * 200}."),
        ("x" * 201, f"{'x' * 200}..."),
    ],
)
def test_the_reason_is_one_sentence_of_what_may_be_a_page(said: str, told: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(StoreAway) as caught, spoken(Store("http://house", None)):
        raise MlflowException(said)
    assert str(caught.value) == f"MLflow at http://house broke off: {told}"


def test_a_package_that_a_kind_of_store_needs_is_named() -> None:
    """MLflow brings no driver of its own for most databases."""
    told = r"^MLflow at nowhere needs a Python package .*No module named 'driver_of_it'\): install it"
    with pytest.raises(StoreAway, match=told), spoken(Store("nowhere", None)):
        import_module("driver_of_it")


@pytest.mark.parametrize(
    ("uri", "database"),
    [
        ("sqlite:////x/mlflow.db", "/x/mlflow.db"),
        ("sqlite:////x/mlflow.db?timeout=60", "/x/mlflow.db"),
        ("sqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:///:memory:", None),
        ("postgresql:///x", None),
        ("http://127.0.0.1:5000", None),
        ("https://house/mlflow", None),
    ],
)
def test_only_sqlite_is_a_file_and_only_http_a_server(uri: str, database: str | None) -> None:
    store = Store(uri, None)
    assert store.is_server == uri.startswith("http")
    assert store.database == (None if database is None else Path(database))
    assert store.is_unborn == (database is not None)


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("foo://x", "knows no address like foo://x: MLFLOW_TRACKING_URI begins with sqlite, "),
        ("mlruns", "knows no address like mlruns"),
        ("file:///x/mlruns", "knows no address like file:///x/mlruns"),
        ("sqlite:///{folder}/no/mlflow.db", "{folder}/no is missing: make that folder"),
        ("sqlite:///{folder}/params.yaml", "{folder}/params.yaml cannot be read (file is not a database)"),
        ("sqlite:///{folder}", "{folder} cannot be read ("),
        ("http://127.0.0.1:9", "does not answer"),
    ],
)
def test_an_address_that_can_keep_no_runs_is_told(
    uri: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    (tmp_path / "params.yaml").write_text("seed: 7  # " + 50 * "no database " + "\n")
    with pytest.raises(StoreAway) as caught:
        inspect(Store(uri.format(folder=tmp_path), None))
    assert told.format(folder=tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_an_address_that_can_keep_runs_is_left_as_it_is(
    tmp_path: Path, store_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    written = store_template.read_bytes()
    for uri in (
        f"sqlite:///{tmp_path}/mlflow.db",  # not there yet
        f"sqlite:///{store_template}?timeout=60",
        "postgresql+psycopg2://me@x/runs",
        "databricks",
        "databricks://profile",
        "mlruns",
    ):
        inspect(Store(uri, None))
    assert not any(tmp_path.iterdir())
    assert store_template.read_bytes() == written


@pytest.mark.parametrize("password", ["secret", "sec#ret", "sec?ret", "s@ec:ret"])
def test_a_password_is_told_neither_by_the_address_nor_by_what_mlflow_says_of_it(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Of an answer that breaks off MLflow says: API request to http://ada:secret@house/... failed."""
    from mlflow.exceptions import MlflowException

    store = Store(f"http://ada:{password}@house:5000/base", None)
    assert store.shown == "http://house:5000/base"
    said = f"API request to {store.uri}/api/2.0/mlflow/runs/get failed with exception IncompleteRead(4)"
    with pytest.raises(StoreAway) as caught, spoken(store):
        raise MlflowException(said)
    assert str(caught.value) == (
        "MLflow at http://house:5000/base broke off: API request to http://house:5000/base/api/2.0/mlflow/"
        "runs/get failed with exception IncompleteRead(4)."
    )


@pytest.mark.parametrize("password", ["sec#ret", "sec?ret", "sec/ret"])
def test_an_address_that_cannot_be_read_tells_no_password_either(password: str) -> None:
    with pytest.raises(StoreAway, match=r"write #, /, \? and @ of a name or password as %23") as caught:
        knock(Store(f"http://ada:{password}@house:5000", None))
    assert "ada" not in str(caught.value) and "sec" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "told"),
    [("", "{folder} cannot be read (unable to open"), ("/no/mlflow.db", "{folder}/no is missing")],
)
def test_a_database_that_cannot_be_opened_is_told_before_mlflow_tries_for_long(
    place: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreAway) as caught:
        connect(Store(f"sqlite:///{tmp_path}{place}", None), Patience(timeout_s=1, retries=0))
    assert told.format(folder=tmp_path) in str(caught.value)


HALF_WRITTEN = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("CREATE TABLE pages (content)")
connection.execute("INSERT INTO pages VALUES (zeroblob(1000000))")
connection.execute("PRAGMA cache_size = 5")  # so that much is in the file before the end
connection.execute("BEGIN")
connection.execute("UPDATE pages SET content = randomblob(1000000)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_database_whose_writer_was_killed_is_sound_again(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    assert subprocess.run([sys.executable, "-c", HALF_WRITTEN, str(database)]).returncode == -signal.SIGKILL
    assert database.with_name("mlflow.db-journal").stat().st_size > 100_000
    inspect(Store(f"sqlite:///{database}", None))
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT content FROM pages").fetchall() == [(bytes(1_000_000),)]


@pytest.mark.parametrize("name", ["flowers%41", "which?"])
def test_a_folder_whose_name_mlflow_would_read_otherwise_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy decodes such a path: MLflow would keep its runs in another file, or find none."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / name).mkdir()
    with pytest.raises(
        StoreAway, match=r"rename the folder, or let MLFLOW_TRACKING_URI name another place\.$"
    ):
        inspect(locate_store(tmp_path / name))


@pytest.mark.parametrize("name", ["100% roses", "a#b", "a b", "\u00fc"])
def test_other_names_are_no_matter(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / name).mkdir()
    inspect(locate_store(tmp_path / name))
    inspect(Store(f"sqlite:///{tmp_path / name}/mlflow.db?timeout=30", None))


OPEN = (
    "import sys; from pathlib import Path; from glasshouse.tracking.mirror import Mirror;"
    "from glasshouse.tracking.store import locate_store;"
    "root = Path(sys.argv[1]); print(Mirror(root, locate_store(root), 'glasshouse').experiment_id)"
)


def open_in_a_process(root: Path, database: Path) -> subprocess.Popen[str]:
    root.mkdir(exist_ok=True)
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{database}"}
    return subprocess.Popen(
        [sys.executable, "-c", OPEN, str(root)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_worktrees_make_one_database_at_once(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"
    processes = [open_in_a_process(tmp_path / name, database) for name in ("first", "second")]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert told[0][0] == told[1][0]
    assert {path.name for path in tmp_path.iterdir()} == {"runs.db", "first", "second"}


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.7])
def test_a_kill_while_the_database_is_made_leaves_none_that_is_half_made(
    tmp_path: Path, seconds: float
) -> None:
    database, deadline = tmp_path / "runs.db", time.monotonic() + 60
    process = open_in_a_process(tmp_path / "first", database)
    while not any(path.stat().st_size for path in tmp_path.glob("runs.db*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    again = open_in_a_process(tmp_path / "first", database)
    assert again.communicate(timeout=120)[0].strip() == "1"
