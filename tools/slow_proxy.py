"""A proxy before an MLflow server: every request is late by a drawn time, and may be meddled with.

Each promoter of a trial gets one of its own, so that it is known whose a request is. A client that gives up
does not take back what it has sent: the proxy hands it on all the same, later, as a server that is busy does.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

API = "/api/2.0/mlflow/"
HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")  # of one connection only
SERVER_SECONDS = 60.0

Delay = Callable[[random.Random], float]  # seconds


@dataclass(frozen=True)
class Request:
    """What a client asked: `POST registered-models/alias`, its body, and as the how-manyeth."""

    number: int
    call: str
    body: str

    def __str__(self) -> str:
        return f"request {self.number}, {self.call}"


Meddle = Callable[
    [Request, bool], None
]  # called twice a request: before the server has it (False), and after


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing to tell: a client was killed, or gave up."""


class SlowProxy:
    """Listens on a free port of 127.0.0.1 from `start` to `stop`.

    Args:
        target: address of the server.
        delay: draws how late a request is; half of it before the server has it, half before the client knows.
        seed: of the draws, which are made in the order in which the requests come.
        meddle: told of every request.
    """

    def __init__(self, target: str, delay: Delay, seed: int, meddle: Meddle | None = None) -> None:
        self._place, self._delay, self._random = urlsplit(target), delay, random.Random(seed)
        self._meddle, self._lock, self.count = meddle, threading.Lock(), 0
        self._server = _Server(("127.0.0.1", 0), self._make_handler())

    @property
    def address(self) -> str:
        """For MLFLOW_TRACKING_URI."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Callable[[], None]:
                """`do_GET`, `do_POST` and whatever else a client asks."""
                if not name.startswith("do_"):
                    raise AttributeError(name)
                return self._pass_on

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    proxy._serve(self, body)
                except OSError:  # the client gave up, or was cut off
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Nothing: the trial tells what matters."""

        return Handler

    def _serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._lock:
            self.count += 1
            path = handler.path.removeprefix(API)
            request = Request(self.count, f"{handler.command} {path}", body.decode(errors="replace"))
            delay = self._delay(self._random)
        time.sleep(delay / 2)
        if self._meddle is not None:
            self._meddle(request, False)
        status, headers, content = self._ask(handler, body)
        time.sleep(delay / 2)
        if self._meddle is not None:
            self._meddle(request, True)
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    def _ask(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        own = {name: value for name, value in handler.headers.items() if name.lower() not in HOP}
        server = http.client.HTTPConnection(str(self._place.netloc), timeout=SERVER_SECONDS)
        try:
            server.request(handler.command, handler.path, body or None, own)
            answer = server.getresponse()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP]
            return answer.status, headers, answer.read()
        finally:
            server.close()
