"""The demo's server over real HTTP, without a browser."""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import glasshouse
from glasshouse.cli import main
from glasshouse.prediction.demo import server as demo
from glasshouse.prediction.demo.server import PAGE, DemoServer

Ask = Callable[..., tuple[int, dict[str, str], Any]]
Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def served(box_network: Path, class_network: Path) -> Iterator[DemoServer]:
    server = DemoServer("127.0.0.1", 0, [glasshouse.load(box_network), glasshouse.load(class_network)])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def ask(served: DemoServer) -> Ask:
    def request(
        method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", served.server_port, timeout=20)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        is_json = answer.headers["Content-Type"] == "application/json"
        return answer.status, dict(answer.headers), json.loads(content) if is_json else content

    return request


def test_the_page_stands_alone(ask: Ask) -> None:
    status, headers, page = ask("GET", "/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert not re.findall(rb"(?:src|href|url\(|@import)\s*=?\s*[\"']?(?:https?:)?//", page)
    assert page == PAGE.read_bytes()


def test_a_picture_gives_what_predict_gives(ask: Ask, jpeg: bytes, box_network: Path) -> None:
    status, _, found = ask("POST", "/predict?model=0", jpeg)
    assert (status, found["width_px"], found["height_px"]) == (200, 64, 64)
    assert found["objects"] == glasshouse.load(box_network).predict(jpeg, demo.LEAST_SCORE).list_objects()
    assert ask("POST", "/predict?model=1", jpeg)[2]["objects"][0]["label"] == "red"
    assert [model["task"] for model in ask("GET", "/models")[2]["models"]] == ["detect", "classify"]


def test_a_format_that_no_browser_shows_comes_back_as_jpeg(ask: Ask, encoded: Encode) -> None:
    status, headers, content = ask("POST", "/preview", encoded((0, 0, 255), (30, 20), "TIFF"))
    assert (status, headers["Content-Type"], Image.open(io.BytesIO(content)).size) == (
        200,
        "image/jpeg",
        (30, 20),
    )


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/predict?model=0", b"words", 400, "This file cannot be read: not a picture"),
        ("/predict?model=0", b"", 400, "This file cannot be read: empty file"),
        ("/predict?model=2", b"x", 400, "model must be a number from 0 to 1. Got '2'"),
        ("/predict?model=-1", b"x", 400, "model must be a number"),
        ("/predict?model=%C2%B2", b"x", 400, "model must be a number"),
        ("/predict?model=" + "9" * 5000, b"x", 400, "model must be a number from 0 to 1. Got '99999"),
        ("/predict", b"x" * 20_000_001, 413, "This file has 20.0 MB; the limit is 20 MB"),
        ("/other", b"x", 404, "There is nothing at this address"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_wrong_is_said(ask: Ask, path: str, body: bytes, status: int, said: str) -> None:
    found, _, answer = ask("POST", path, body)
    assert (found, said in answer["error"]) == (status, True), answer


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/../../params.yaml", "/%2e%2e/params.yaml", "/page.html", "//etc/passwd", "/index.html"],
)
def test_no_file_can_be_reached(ask: Ask, path: str) -> None:
    assert ask("GET", path)[0] == 404


def test_other_sites_cannot_reach_it_under_a_name_of_theirs(ask: Ask, jpeg: bytes) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        assert ask("POST", "/predict", jpeg, Host=host)[0] == 403
    assert ask("GET", "/models", Host="localhost:1")[0] == 200


def test_pages_of_other_sites_are_not_answered(served: DemoServer, ask: Ask, jpeg: bytes) -> None:
    own = f"127.0.0.1:{served.server_port}"
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null", "http://["):
        status, _, answer = ask("POST", "/preview", jpeg, Host=own, Origin=origin)
        assert (status, answer["error"][-1]) == (400 if "[" in origin else 403, "."), origin
    assert ask("POST", "/predict", jpeg, **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert ask("GET", "/", **{"Sec-Fetch-Site": "cross-site"})[0] == 200  # a link to the page
    assert ask("POST", "/predict", jpeg, Host=own, Origin=f"http://{own}")[0] == 200


@pytest.mark.parametrize("path", ["/predict", "/preview"])
def test_no_more_pictures_are_decoded_at_once_than_there_are_turns(
    served: DemoServer, ask: Ask, jpeg: bytes, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most, lock = 0, 0, threading.Lock()
    read = demo.read_pixels

    def slow(data: bytes) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.1)
        with lock:
            inside -= 1
        return read(data)

    monkeypatch.setattr(demo, "read_pixels", slow)
    with ThreadPoolExecutor(6) as askers:
        answers = list(askers.map(lambda _: ask("POST", path, jpeg)[0], range(6)))
    assert (answers, most) == ([200] * 6, demo.AT_ONCE)


@pytest.mark.parametrize(
    ("request_line", "headers", "status", "said"),
    [
        ("GET /", "Host: [", 400, b"The Host of the request is not valid"),
        ("GET http://[/", "Host: localhost", 400, b"The address of the request is not valid"),
        ("POST /predict", f"Host: localhost\r\nContent-Length: {'9' * 5000}", 411, b"its Content-Length."),
        ("PUT /", "Host: localhost", 405, b"Only GET and POST are answered here. Got PUT instead."),
        ("OPTIONS /predict", "Host: localhost", 405, b"Got OPTIONS instead."),
        ("HEAD /", "Host: localhost", 405, b"Allow: GET, POST"),
        ("GET /" + "x" * 70_000, "Host: localhost", 414, b"The request cannot be read"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_odd_requests_are_answered_in_a_sentence(
    served: DemoServer,
    request_line: str,
    headers: str,
    status: int,
    said: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_connection(("127.0.0.1", served.server_port)) as line:
        line.sendall(f"{request_line} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        answer = b""
        while part := line.recv(4096):
            answer += part
    assert answer.split(b" ", 2)[1] == str(status).encode()
    assert said in answer and b"<html" not in answer.lower()
    assert "Traceback" not in capsys.readouterr().err
    assert request_line[:4] != "HEAD" or answer.endswith(b"\r\n\r\n")


def begin_upload(server: DemoServer, length: int) -> socket.socket:
    """A connection on which a picture of so many bytes is on its way."""
    sender = socket.create_connection(("127.0.0.1", server.server_port), timeout=20)
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nContent-Length: {length}\r\n\r\n"
    )
    sender.sendall(head.encode())
    return sender


def test_who_sends_byte_by_byte_loses_its_place(
    served: DemoServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No silence is ever so long that it ends the connection."""
    monkeypatch.setattr(demo, "REQUEST_S", 0.5)
    for start in (b"", b"GET / HTTP/1.1\r\nHost: "):
        sender = begin_upload(served, 10**6) if not start else None
        sender = sender or socket.create_connection(("127.0.0.1", served.server_port), timeout=20)
        with sender, pytest.raises(ConnectionError):
            begun = time.monotonic()
            sender.sendall(start)
            while time.monotonic() < begun + 10:
                sender.sendall(b"a")
                time.sleep(0.05)
    assert ask("GET", "/")[0] == 200


def test_pictures_on_their_way_fill_no_memory(served: DemoServer, ask: Ask, jpeg: bytes) -> None:
    """Each holds up to 20 MB, and a process takes a thousand connections."""
    waiting = [begin_upload(served, len(jpeg)) for _ in range(demo.SENDERS + 4)]
    time.sleep(0.3)
    busy = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
    for sender in waiting:
        sender.sendall(jpeg)
    answers = [sender.makefile("rb").readline() for sender in waiting]
    for sender in waiting:
        sender.close()
    assert len(busy) == demo.SENDERS
    assert answers == [b"HTTP/1.0 200 OK\r\n"] * len(waiting)


def test_a_sender_that_breaks_off_hinders_nobody(served: DemoServer, ask: Ask, jpeg: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.server_port)) as line:
        line.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
    with socket.create_connection(("127.0.0.1", served.server_port)) as line:
        line.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"411" in line.recv(100)
    assert ask("POST", "/predict", jpeg)[0] == 200


def test_a_fault_of_the_server_is_told_on_both_sides(
    served: DemoServer,
    ask: Ask,
    jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(served.predictors[0], "run", lambda pixels: {})
    status, _, answer = ask("POST", "/predict", jpeg)
    assert (status, answer["error"]) == (500, "The server failed at this picture; its terminal says how.")
    assert "KeyError" in capsys.readouterr().err


def test_it_listens_to_this_machine_only(
    monkeypatch: pytest.MonkeyPatch, box_network: Path, capsys: Any
) -> None:
    seen: list[tuple[Any, ...]] = []

    def stop(self: DemoServer) -> None:
        seen.append(self.socket.getsockname())
        raise KeyboardInterrupt

    monkeypatch.setattr(DemoServer, "serve_forever", stop)
    assert main(["demo", "--model", str(box_network), "--port", "0"]) == 0
    ((address, port),) = seen
    assert address == "127.0.0.1"
    assert f"open http://127.0.0.1:{port}/" in capsys.readouterr().out


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


NO_IPV6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize("host", [pytest.param("::1", marks=NO_IPV6), "localhost"])
def test_other_names_of_this_machine_are_served(
    host: str, monkeypatch: pytest.MonkeyPatch, box_network: Path, capsys: Any
) -> None:
    answers: list[tuple[int, int]] = []

    def serve(self: DemoServer) -> None:
        thread = threading.Thread(target=lambda: [self.handle_request() for _ in range(2)])
        thread.start()
        for named in ("", "example.org"):
            connection = http.client.HTTPConnection(host, self.server_port, timeout=20)
            connection.request("GET", "/", headers={"Host": named} if named else {})
            answers.append((connection.getresponse().status, self.server_port))
            connection.close()
        thread.join()

    monkeypatch.setattr(DemoServer, "serve_forever", serve)
    assert main(["demo", "--model", str(box_network), "--port", "0", "--host", host]) == 0
    assert [status for status, _ in answers] == [200, 403]
    said = capsys.readouterr().out
    assert f"open http://{'[::1]' if host == '::1' else host}:{answers[0][1]}/ (" in said
    assert "Anybody" not in said


@pytest.mark.parametrize("host", ["nonsense.invalid", "1:2:3", "a..b", "192.0.2.1"])
def test_a_host_that_is_none_of_this_machine_is_told(host: str, box_network: Path, capsys: Any) -> None:
    assert main(["demo", "--model", str(box_network), "--port", "0", "--host", host]) == 1
    said = capsys.readouterr().err
    assert said.startswith("glasshouse: ") and host in said and "Traceback" not in said


def test_a_taken_port_and_three_models_are_refused(
    served: DemoServer, box_network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(box_network)]
    assert main(["demo", *model, "--port", str(served.server_port)]) == 1
    assert "Take another --port or --host" in capsys.readouterr().err
    assert main(["demo", *model * 3]) == 1
    assert "compares 2 networks. Got 3" in capsys.readouterr().err
    assert main(["demo", *model, "--port", "70000"]) == 1
    assert "--port must be" in capsys.readouterr().err
