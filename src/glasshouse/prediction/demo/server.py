"""The demo's HTTP server: one page, and predictions for pictures that are sent to it. It reads no file."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glasshouse.pictures.decode import UndecodablePicture
from glasshouse.prediction.drawing import COLOURS, encode_jpeg
from glasshouse.prediction.predictor import Predictor, read_pixels

PAGE = Path(__file__).with_name("page.html")
READS = ("src/glasshouse/prediction/demo/page.html",)

MOST_BYTES = 20_000_000  # of one picture
DRAINED_BYTES = 200_000_000  # of a larger one, so that its sender hears why it was refused
CHUNK_BYTES = 1 << 16
LEAST_SCORE = 0.05  # the page's slider starts here
LENGTH_DIGITS = 15  # of a Content-Length; Python refuses to read thousands of them
AT_ONCE = 2  # pictures decoded, of hundreds of MB each at worst; further ones wait
SENDERS = 16  # at once, each with a picture in memory; further ones wait
TIMEOUT_S = 30.0  # of silence
REQUEST_S = 180.0  # until a request is whole: who sends byte by byte would keep its place for days
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Made = TypeVar("Made")


class Refused(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class DemoServer(ThreadingHTTPServer):
    """Serves the page for some networks; `serve_forever` runs it, `server_port` is its port."""

    daemon_threads = True

    def __init__(self, host: str, port: int, predictors: Sequence[Predictor]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)
        self.host, self.predictors = host, list(predictors)
        self.turn = threading.BoundedSemaphore(AT_ONCE)
        self.places = threading.Semaphore(SENDERS)
        self.page = PAGE.read_bytes()

    @property
    def address(self) -> str:
        """For the browser; an IPv6 host stands in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, as soon as there is a place."""
        self.places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The connection, to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def describe(self) -> dict[str, Any]:
        """What the page has to know."""
        networks = [
            {"name": each.name, "task": each.recipe.task, "labels": each.recipe.labels}
            for each in self.predictors
        ]
        return {"models": networks, "colours": COLOURS, "most_bytes": MOST_BYTES}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: DemoServer
    timeout = TIMEOUT_S
    server_version, sys_version = "glasshouse", ""

    def setup(self) -> None:
        """Give the request its time."""
        super().setup()
        self.deadline = threading.Timer(REQUEST_S, self._break_off)
        self.deadline.daemon = True
        self.deadline.start()

    def finish(self) -> None:
        """The connection is at its end, in time or not."""
        self.deadline.cancel()
        super().finish()

    def _break_off(self) -> None:
        with suppress(OSError):  # whoever asked is gone
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        """The page, and what it shows."""
        self._answer({"/": self._show_page, "/models": self._show_models})

    def do_POST(self) -> None:
        """A picture to predict, or to be shown where the browser cannot."""
        self._answer({"/predict": self._predict, "/preview": self._preview})

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: what people do is not noted."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses by itself, said as everything else is."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            said = f"Only GET and POST are answered here. Got {self.command[:20]} instead."
            self._send_json({"error": said}, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, POST"})
            return
        status = HTTPStatus(code)
        self._send_json({"error": f"The request cannot be read: {message or status.phrase}."}, status)

    def _answer(self, places: dict[str, Any]) -> None:
        try:
            self._check_host()
            self._check_sender()
            place = places.get(self._split(self.path, "address").path)
            if place is None:
                raise Refused(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
            place()
        except Refused as refusal:
            self._send_json({"error": refusal.sentence}, refusal.status)
        except (ConnectionError, TimeoutError):  # whoever asked is gone
            self.close_connection = True
        except Exception:
            traceback.print_exc()
            said = "The server failed at this picture; its terminal says how."
            self._send_json({"error": said}, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _check_host(self) -> None:
        """A page of another site must not reach this machine under a name of its own (DNS rebinding)."""
        host = self._split(f"//{self.headers.get('Host', '')}", "Host").hostname
        if self.server.host in LOOPBACK and host not in LOOPBACK:
            raise Refused(HTTPStatus.FORBIDDEN, f"Open {self.server.address} instead.")

    def _check_sender(self) -> None:
        """A page of another site must not use this machine's processors and memory.

        Browsers name the site in `Origin` of every POST; links to the page from anywhere stay good.
        """
        origin = self.headers.get("Origin")
        foreign = origin is not None and self._split(origin, "Origin").netloc != self.headers.get("Host")
        crossing = self.command == "POST" and self.headers.get("Sec-Fetch-Site") == "cross-site"
        if foreign or crossing:
            raise Refused(HTTPStatus.FORBIDDEN, "Pages of other sites are not answered.")

    def _split(self, address: str, what: str) -> SplitResult:
        try:
            return urlsplit(address)
        except ValueError as error:
            said = f"The {what} of the request is not valid: {error}."
            raise Refused(HTTPStatus.BAD_REQUEST, said) from error

    def _show_page(self) -> None:
        self._send(self.server.page, "text/html; charset=utf-8")

    def _show_models(self) -> None:
        self._send_json(self.server.describe())

    def _predict(self) -> None:
        predictor = self._choose_predictor()
        found = self._use_picture(lambda pixels: predictor.predict(pixels, LEAST_SCORE))
        height, width = found.size
        self._send_json({"width_px": width, "height_px": height, "objects": found.list_objects()})

    def _preview(self) -> None:
        self._send(self._use_picture(lambda pixels: encode_jpeg(Image.fromarray(pixels))), "image/jpeg")

    def _choose_predictor(self) -> Predictor:
        asked = parse_qs(urlsplit(self.path).query).get("model", ["0"])[0]
        known = {str(number): predictor for number, predictor in enumerate(self.server.predictors)}
        if asked not in known:
            said = f"model must be a number from 0 to {len(known) - 1}. Got {asked[:20]!r} instead."
            raise Refused(HTTPStatus.BAD_REQUEST, said)
        return known[asked]

    def _use_picture(self, use: Callable[[NDArray[np.uint8]], Made]) -> Made:
        """What `use` makes of the sent picture's pixels, which no more than AT_ONCE requests hold."""
        data = self._read_body()
        try:
            with self.server.turn:
                return use(read_pixels(data))
        except UndecodablePicture as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"This file cannot be read: {error.reason}.") from error

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal() and len(length) <= LENGTH_DIGITS):
            self.close_connection = True
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Send the picture with its Content-Length.")
        if int(length) > MOST_BYTES:
            self._drain(min(int(length), DRAINED_BYTES))
            said = f"This file has {int(length) / 1e6:.1f} MB; the limit is {MOST_BYTES / 1e6:.0f} MB."
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
        data = self.rfile.read(int(length))
        if len(data) != int(length):
            raise ConnectionError("the sender stopped")
        self.deadline.cancel()  # whoever waits for a turn has sent all
        return data

    def _drain(self, length: int) -> None:
        self.close_connection = True
        while length > 0 and (part := self.rfile.read(min(CHUNK_BYTES, length))):
            length -= len(part)

    def _send_json(
        self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK, more: dict[str, str] | None = None
    ) -> None:
        self._send(json.dumps(content).encode(), "application/json", status, more)

    def _send(
        self,
        content: bytes,
        kind: str,
        status: HTTPStatus = HTTPStatus.OK,
        more: dict[str, str] | None = None,
    ) -> None:
        about = {"Content-Type": kind, "Content-Length": str(len(content)), **(more or {})}
        self.send_response(status)
        for name, value in {**HEADERS, **about}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
