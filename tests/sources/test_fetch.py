"""Downloads from a server of our own that cuts, changes, forgets and refuses."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from glasshouse.sources import fetch as fetching
from glasshouse.sources.example import SourceError
from glasshouse.sources.fetch import DOWNLOADS, fetch, hash_file, say_hash_command
from glasshouse.sources.network import find_reachable

REPOSITORY = Path(__file__).parents[2]
CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[::-1]


@dataclass
class Site:
    """What the server does, to be changed between requests, and what it was asked for."""

    content: bytes = CONTENT
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    status: int = 200
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    shift: int = 0  # a server that gives another range than asked for
    pause_s: float = 0.0  # between two blocks
    location: str = ""
    asked: list[str | None] = field(default_factory=list)  # the Range of each request
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self) -> None:
        self.send_response(self.site.status)
        self.end_headers()

    def do_GET(self) -> None:
        site = self.site
        wanted = self.headers.get("Range")
        site.asked.append(wanted)
        if site.location:
            self.send_response(302)
            self.send_header("Location", site.location)
            self.end_headers()
            return
        if site.status != 200:
            self.send_response(site.status)
            self.end_headers()
            return
        self.answer(site, wanted)

    def answer(self, site: Site, wanted: str | None) -> None:
        start, total = 0, len(site.content)
        same = self.headers.get("If-Range") in (None, site.etag, site.modified)
        if wanted and site.ranges and same:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start + site.shift}-{total - 1}/{total}")
        else:
            self.send_response(200)
        for name, value in (("ETag", site.etag), ("Last-Modified", site.modified)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        stop = start + site.cuts.pop(0) if site.cuts else total
        self.send(site.content[start:stop], site.pause_s)

    def send(self, body: bytes, pause_s: float) -> None:
        for begin in range(0, len(body), 1 << 16):
            time.sleep(pause_s)
            self.wfile.write(body[begin : begin + (1 << 16)])
            self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A running server; the working folder is a fresh one; nobody waits long."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fetching, "PAUSE_S", 0.001)
    state = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Handler,), {"site": state}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are wanted
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/set/flowers.zip"
    yield state
    server.shutdown()
    server.server_close()


def list_downloads() -> list[str]:
    return sorted(path.name for path in DOWNLOADS.iterdir())


def test_downloads_once_and_keeps_it_under_its_hash(site: Site) -> None:
    path = fetch(site.url, SHA256)
    assert path == DOWNLOADS / SHA256 and path.read_bytes() == CONTENT
    assert fetch(site.url, SHA256) == path
    assert site.asked == [None]
    assert list_downloads() == [SHA256]


@pytest.mark.parametrize("etag, modified", [('"one"', None), (None, "Tue, 03 Nov 2026 10:00:00 GMT")])
def test_cut_connections_go_on_where_they_stopped(site: Site, etag: str | None, modified: str | None) -> None:
    site.etag, site.modified = etag, modified
    site.cuts = [500_000, 100_000, 1]
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert site.asked == [None, "bytes=500000-", "bytes=600000-", "bytes=600001-"]


def test_more_cuts_than_attempts_are_no_failure_while_bytes_come(site: Site) -> None:
    site.cuts = [100_000] * 8
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert len(site.asked) == 9


def test_no_new_bytes_in_all_attempts_is_a_failure_and_keeps_what_came(site: Site) -> None:
    site.cuts = [1000] + [0] * 20
    with pytest.raises(SourceError, match=r"cut off after 1,000 of 1,048,576 bytes.*1,000 bytes are kept"):
        fetch(site.url, SHA256)
    assert len(site.asked) == fetching.ATTEMPTS
    site.cuts.clear()
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert site.asked[-1] == "bytes=1000-"


@pytest.mark.parametrize("changes", [{"ranges": False}, {"etag": None}, {"etag": 'W/"weak"'}])
def test_servers_without_ranges_or_marks_start_over(site: Site, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(site, name, value)
    site.cuts = [500_000]
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_content_that_changed_in_between_is_fetched_anew(site: Site) -> None:
    site.content, site.etag, site.cuts = OTHER, '"old"', [300_000] + [0] * 3
    with pytest.raises(SourceError, match="cannot be downloaded"):
        fetch(site.url, SHA256)
    site.content, site.etag, site.cuts = CONTENT, '"new"', []
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert site.asked[-1] == "bytes=300000-"  # asked for the rest, given the whole


def test_pieces_that_do_not_fit_are_fetched_once_more_in_one(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server whose mark stays the same though the file changed."""
    site.content, site.cuts = OTHER, [300_000] + [0] * 3
    with pytest.raises(SourceError, match="cannot be downloaded"):
        fetch(site.url, SHA256)
    site.content, site.cuts = CONTENT, []
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert site.asked[-2:] == ["bytes=300000-", None]
    assert "do not fit together" in capsys.readouterr().err


def test_a_part_that_is_whole_already_is_taken(site: Site) -> None:
    """Killed between the last byte and the new name."""
    site.cuts = [len(CONTENT) - 1] + [0] * 3
    with pytest.raises(SourceError, match="cannot be downloaded"):
        fetch(site.url, SHA256)
    part = DOWNLOADS / f"{SHA256}.part"
    part.write_bytes(CONTENT)
    site.cuts = []
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert site.asked[-1] == f"bytes={len(CONTENT)}-"


def test_a_part_longer_than_the_file_starts_over(site: Site) -> None:
    site.cuts = [10] + [0] * 3
    with pytest.raises(SourceError, match="cannot be downloaded"):
        fetch(site.url, SHA256)
    (DOWNLOADS / f"{SHA256}.part").write_bytes(CONTENT + b"more")
    site.cuts = []
    assert fetch(site.url, SHA256).read_bytes() == CONTENT


def test_another_range_than_asked_for_is_not_taken(site: Site) -> None:
    site.cuts, site.shift = [1000], 7
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert site.asked == [None, "bytes=1000-", None]


def test_another_hash_names_both_and_keeps_nothing(site: Site) -> None:
    site.content = OTHER
    found = hashlib.sha256(OTHER).hexdigest()
    with pytest.raises(SourceError, match=f"its SHA-256 is {found}, expected {SHA256}"):
        fetch(site.url, SHA256)
    assert list_downloads() == []


def test_a_kept_file_that_was_changed_is_fetched_anew(site: Site) -> None:
    fetch(site.url, SHA256).write_bytes(b"changed")
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert len(site.asked) == 2


@pytest.mark.parametrize("status, attempts", [(404, 1), (403, 1), (410, 1), (503, 4), (429, 4)])
def test_refusals_are_told_and_only_passing_ones_tried_again(site: Site, status: int, attempts: int) -> None:
    site.status = status
    with pytest.raises(SourceError, match=f"flowers.zip.*HTTP {status}"):
        fetch(site.url, SHA256)
    assert len(site.asked) == attempts
    assert list_downloads() == []


def test_nobody_there(tmp_path: Path, site: Site) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=r"127\.0\.0\.1.*cannot be downloaded: .*refused"):
        fetch(f"http://127.0.0.1:{port}/a.zip", SHA256)


def test_silence_ends_with_the_time_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.1)
    site.pause_s = 0.5
    with pytest.raises(SourceError, match="timed out"):
        fetch(site.url, hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.zip", "data:text/plain,abc"])
def test_redirections_do_not_lead_out_of_http(site: Site, target: str) -> None:
    site.location = target
    with pytest.raises(SourceError, match=r"flowers\.zip"):
        fetch(site.url, SHA256)
    assert list_downloads() == []


def test_full_disk_passes_as_it_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, **_: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "tqdm", Full)  # where the writing begins
    with pytest.raises(OSError, match="No space left"):
        fetch(site.url, SHA256)


def test_without_a_hash_the_command_for_it_is_told(site: Site) -> None:
    with pytest.raises(SourceError, match=r"dataset\.sha256 is none") as caught:
        fetch(f"{site.url}?a=b&c", "none")
    assert f"curl -fsSL '{site.url}?a=b&c' | sha256sum" in str(caught.value)
    assert site.asked == []


def test_the_command_tells_the_hash(tmp_path: Path) -> None:
    file = tmp_path / "a file.zip"
    file.write_bytes(CONTENT)
    done = subprocess.run(say_hash_command(file.as_uri()), shell=True, capture_output=True, text=True)
    if done.returncode == 127 or "not found" in done.stderr:
        pytest.skip("no curl here")
    assert done.stdout.split()[0] == SHA256


@pytest.mark.parametrize("url", ["ftp://a/b.zip", "flowers.zip", "s3://a/b", "javascript:x"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(SourceError, match="must begin with https://"):
        fetch(url, SHA256)


def test_file_urls_are_read_where_they_lie(tmp_path: Path) -> None:
    file = tmp_path / "ä b.zip"
    file.write_bytes(CONTENT)
    assert fetch(file.as_uri(), SHA256) == file
    with pytest.raises(SourceError, match=f"its SHA-256 is {SHA256}"):
        fetch(file.as_uri(), "0" * 64)
    assert file.is_file()
    with pytest.raises(SourceError, match="there is no file"):
        fetch((tmp_path / "other.zip").as_uri(), SHA256)


def test_killed_in_the_middle_then_again(site: Site, tmp_path: Path) -> None:
    site.pause_s = 0.05
    code = f"from glasshouse.sources.fetch import fetch; fetch({site.url!r}, {SHA256!r})"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    part = tmp_path / DOWNLOADS / f"{SHA256}.part"
    deadline = time.monotonic() + 30
    while not (part.is_file() and part.stat().st_size):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list_downloads() == [f"{SHA256}.part", f"{SHA256}.part.json"]
    have = part.stat().st_size
    site.pause_s = 0.0
    assert fetch(site.url, SHA256).read_bytes() == CONTENT
    assert site.asked[-1] == f"bytes={have}-"
    assert 0 < have < len(CONTENT)
    assert list_downloads() == [SHA256]


def test_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")  # FIPS 180-2, example B.1
    assert hash_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("status, answers", [(200, True), (404, True), (503, False), (407, False)])
def test_any_answer_of_a_server_is_a_network(site: Site, status: int, answers: bool) -> None:
    site.status = status
    reachable, silent = find_reachable([site.url], 5)
    assert (reachable == site.url) is answers and bool(silent) is not answers


def test_one_server_that_answers_is_enough_and_silence_ends_in_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        return time.sleep(30) if host == "silent.invalid" else real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    silent_url = "http://silent.invalid/a"
    assert find_reachable([silent_url, site.url], 5) == (site.url, {})
    started = time.monotonic()
    assert find_reachable([silent_url], 0.2) == (None, {"silent.invalid": "no answer within 0.2 s"})
    assert time.monotonic() - started < 20  # and not until the name is resolved
