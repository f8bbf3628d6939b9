"""HTTP and nothing else, and whether there is a network at all."""

from __future__ import annotations

import http.client
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

PROXY_SAYS_NO = (407, 502, 503, 504)  # HTTP: nobody behind the proxy was reached
MAX_ASKED = 8  # servers asked at once whether there is a network

# No file:, ftp: or data: among them: a redirection must not lead out of HTTP.
HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.UnknownHandler,
)


def find_reachable(urls: Iterable[str], seconds: float) -> tuple[str | None, dict[str, str]]:
    """The first of several addresses whose server answers at all within so many seconds, or None.

    Any answer counts, an error too: what is asked is whether there is a network. Resolving a name cannot be
    given a time-out, so each server is asked in a thread that is left alone when the time is over.

    Returns:
        (the URL that answered or None, {server: why it did not answer}).
    """
    hosts: dict[str, str] = {}
    for url in urls:
        if urlsplit(url).netloc and len(hosts) < MAX_ASKED:
            hosts.setdefault(urlsplit(url).netloc, url)
    answers: queue.Queue[tuple[str, str | None]] = queue.Queue()
    for host, url in hosts.items():
        threading.Thread(target=_ask, args=(host, url, seconds, answers), daemon=True).start()
    silent = dict.fromkeys(hosts, f"no answer within {seconds:g} s")
    deadline = time.monotonic() + seconds
    for _ in hosts:
        try:
            host, fault = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        if fault is None:
            return hosts[host], {}
        silent[host] = fault
    return None, silent


def _ask(host: str, url: str, seconds: float, answers: queue.Queue[tuple[str, str | None]]) -> None:
    try:
        with open_url(urllib.request.Request(url, method="HEAD"), seconds):
            answers.put((host, None))
    except urllib.error.HTTPError as error:
        error.close()
        answers.put((host, f"HTTP {error.code}" if error.code in PROXY_SAYS_NO else None))
    except (OSError, http.client.HTTPException, ValueError) as error:
        answers.put((host, str(getattr(error, "reason", error)) or type(error).__name__))


def open_url(request: urllib.request.Request, timeout_s: float) -> Any:
    """The response to a request, through the surroundings' proxy; errors are urllib's."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", "glasshouse")]
    for handler in HANDLERS:
        opener.add_handler(handler())
    return opener.open(request, timeout=timeout_s)
