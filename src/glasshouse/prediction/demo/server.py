"""The demo's HTTP server: one page, and predictions for pictures that are sent to it. It reads no file."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
AT_ONCE = 2  # predictions; further ones wait
TIMEOUT_S = 30.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Refused(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class DemoServer(ThreadingHTTPServer):
    """Serves the page for some networks; `serve_forever` runs it, `server_port` is its port."""

    daemon_threads = True

    def __init__(self, host: str, port: int, predictors: Sequence[Predictor]) -> None:
        super().__init__((host, port), Handler)
        self.host, self.predictors = host, list(predictors)
        self.turn = threading.BoundedSemaphore(AT_ONCE)
        self.page = PAGE.read_bytes()

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

    def do_GET(self) -> None:
        """The page, and what it shows."""
        self._answer({"/": self._show_page, "/models": self._show_models})

    def do_POST(self) -> None:
        """A picture to predict, or to be shown where the browser cannot."""
        self._answer({"/predict": self._predict, "/preview": self._preview})

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: what people do is not noted."""

    def _answer(self, places: dict[str, Any]) -> None:
        try:
            self._check_host()
            place = places.get(urlsplit(self.path).path)
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
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if self.server.host in LOOPBACK and host not in LOOPBACK:
            raise Refused(HTTPStatus.FORBIDDEN, f"Open http://127.0.0.1:{self.server.server_port}/ instead.")

    def _show_page(self) -> None:
        self._send(self.server.page, "text/html; charset=utf-8")

    def _show_models(self) -> None:
        self._send_json(self.server.describe())

    def _predict(self) -> None:
        predictor = self._choose_predictor()
        pixels = self._read_picture()
        with self.server.turn:
            found = predictor.predict(pixels, LEAST_SCORE)
        height, width = found.size
        self._send_json({"width_px": width, "height_px": height, "objects": found.list_objects()})

    def _preview(self) -> None:
        self._send(encode_jpeg(Image.fromarray(self._read_picture())), "image/jpeg")

    def _choose_predictor(self) -> Predictor:
        asked = parse_qs(urlsplit(self.path).query).get("model", ["0"])[0]
        if not (asked.isascii() and asked.isdecimal() and int(asked) < len(self.server.predictors)):
            last = len(self.server.predictors) - 1
            raise Refused(HTTPStatus.BAD_REQUEST, f"model must be a number from 0 to {last}. Got {asked!r}.")
        return self.server.predictors[int(asked)]

    def _read_picture(self) -> Any:
        data = self._read_body()
        try:
            return read_pixels(data)
        except UndecodablePicture as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"This file cannot be read: {error.reason}.") from error

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            self.close_connection = True
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Send the picture with its Content-Length.")
        if int(length) > MOST_BYTES:
            self._drain(min(int(length), DRAINED_BYTES))
            said = f"This file has {int(length) / 1e6:.1f} MB; the limit is {MOST_BYTES / 1e6:.0f} MB."
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
        data = self.rfile.read(int(length))
        if len(data) != int(length):
            raise ConnectionError("the sender stopped")
        return data

    def _drain(self, length: int) -> None:
        self.close_connection = True
        while length > 0 and (part := self.rfile.read(min(CHUNK_BYTES, length))):
            length -= len(part)

    def _send_json(self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(content).encode(), "application/json", status)

    def _send(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
