"""Files from the network: downloads that go on where they stopped, kept under their SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import json
import shlex
import ssl
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from glasshouse.sources.example import SourceError
from glasshouse.sources.network import open_url

DOWNLOADS = Path(".glasshouse", "downloads")
TIMEOUT_S = 30.0  # of silence on an open connection
ATTEMPTS = 4  # in a row without a single new byte
PAUSE_S = 1.0  # before the second attempt; doubles
BLOCK_BYTES = 1 << 20
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)  # HTTP: try again later


class _Interrupted(Exception):
    """A transfer that broke off and may well succeed when tried again; says why."""


def fetch(url: str, sha256: str) -> Path:
    """The file at a URL, downloaded once; its content is what `sha256` says.

    It lies in .glasshouse/downloads/ under its SHA-256. Until it is whole and right it is called SHA256.part;
    a download that was cut, or killed, goes on from there where the server gives ranges and still has the
    same file (If-Range), and starts over where not. A `file:` URL is read where it lies.

    Args:
        url: http:, https: or file:.
        sha256: of the file, 64 hexadecimal digits, or "none".

    Raises:
        SourceError: no sha256, an address that cannot be reached or has no such file, another content.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "file"):
        raise SourceError(f"dataset.url must begin with https://, http:// or file://. Got {url!r} instead.")
    if sha256 == "none":
        raise SourceError(
            f"dataset.sha256 is none, so what comes from {url} could not be checked. To compute it: "
            f"{say_hash_command(url)} ; then put it into params.yaml."
        )
    if parts.scheme == "file":
        return _check_local(Path(unquote(parts.path)), url, sha256)
    final = DOWNLOADS / sha256
    if final.is_file():
        if hash_file(final) == sha256:
            return final
        print(f"{final} has been changed since it was downloaded; it is fetched anew.", file=sys.stderr)
        final.unlink()
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    part = Part(url, final.with_name(f"{sha256}.part"), final.with_name(f"{sha256}.part.json"))
    _fill(part, sha256)
    part.path.rename(final)
    part.about.unlink(missing_ok=True)
    return final


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def say_hash_command(url: str) -> str:
    """A shell command that prints the SHA-256 of what lies at a URL."""
    return f"curl -fsSL {shlex.quote(url)} | sha256sum"


@dataclass(slots=True)
class Part:
    """A download under way: its bytes so far, and what the server said of the file that they are from.

    Attributes:
        url: where it comes from.
        path, about: the bytes so far, and the note beside them.
        joined: whether the bytes came in more than one piece.
    """

    url: str
    path: Path
    about: Path
    joined: bool = False

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def read_validator(self) -> str | None:
        """ETag or date of the file that the bytes are from; None where unknown."""
        try:
            about = json.loads(self.about.read_text(encoding="utf-8"))
            return str(about["validator"]) if about["url"] == self.url and about["validator"] else None
        except (OSError, ValueError, KeyError, TypeError):  # missing, or cut by a kill: as good as unknown
            return None

    def start(self, headers: Any) -> None:
        """Forget all bytes, and note which file the next ones are from (a weak ETag does not tell)."""
        tag = headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
        self.path.write_bytes(b"")
        self.joined = False
        self.about.write_text(json.dumps({"url": self.url, "validator": validator}), encoding="utf-8")

    def clear(self) -> None:
        """Remove all of it."""
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)


def _fill(part: Part, sha256: str) -> None:
    """Bring the part to its whole and right content.

    A wrong hash after a download in pieces may come from the pieces: it is fetched once more, in one.
    """
    _download(part)
    found = hash_file(part.path)
    if found != sha256 and part.joined:
        print(f"The pieces of {part.url} do not fit together; it is fetched anew.", file=sys.stderr)
        part.clear()
        _download(part)
        found = hash_file(part.path)
    if found != sha256:
        part.clear()
        raise SourceError(_say_mismatch(part.url, found, sha256))


def _say_mismatch(where: str, found: str, sha256: str) -> str:
    return (
        f"{where} is not the file that dataset.sha256 names: its SHA-256 is {found}, expected {sha256}. "
        "It was changed, or the wrong address or hash stands in params.yaml."
    )


def _check_local(path: Path, url: str, sha256: str) -> Path:
    if not path.is_file():
        raise SourceError(f"dataset.url: {url}: there is no file {path}.")
    found = hash_file(path)
    if found != sha256:
        raise SourceError(_say_mismatch(url, found, sha256))
    return path


def _download(part: Part) -> None:
    """Attempts until the part is whole; those that brought bytes do not count."""
    failures = 0
    while True:
        before = part.size
        try:
            return _attempt(part)
        except _Interrupted as error:
            failures = 1 if part.size > before else failures + 1
            if failures >= ATTEMPTS:
                raise SourceError(
                    f"dataset.url: {part.url} cannot be downloaded: {error} ({ATTEMPTS} attempts). "
                    f"{part.size:,} bytes are kept, and the next run goes on from there."
                ) from error
            print(f"{part.url}: {error}; trying again.", file=sys.stderr)
            time.sleep(PAUSE_S * 2 ** (failures - 1))


def _attempt(part: Part) -> None:
    """One connection: ask for the rest, or for all of it, and write what comes.

    Raises: _Interrupted, SourceError.
    """
    request = urllib.request.Request(part.url, headers={"Accept-Encoding": "identity"})
    have = part.size
    validator = part.read_validator()
    if have and validator:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator)
    try:
        with open_url(request, TIMEOUT_S) as response:
            _receive(response, part, have)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing lies behind what we have: it is whole, or from another file
            if (error.headers.get("Content-Range") or "").endswith(f"/{have}"):
                part.joined = True
                return
            part.clear()
            raise _Interrupted("the file there has become shorter") from error
        if error.code in TEMPORARY:
            raise _Interrupted(f"HTTP {error.code} {error.reason}") from error
        raise SourceError(f"dataset.url: {part.url}: HTTP {error.code} {error.reason}.") from error
    except urllib.error.URLError as error:
        raise _Interrupted(str(error.reason)) from error
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _receive(response: Any, part: Part, have: int) -> None:
    """Append what comes to the part, from its beginning unless the server gives the very rest."""
    resumed = response.status == 206 and _starts_at(response.headers, have)
    if response.status == 206 and not resumed:
        part.clear()
        raise _Interrupted("the server gave another piece than asked for")
    if resumed:
        part.joined = True
    else:
        part.start(response.headers)
        have = 0
    length = response.headers.get("Content-Length")
    total = have + int(length) if length else None
    name = urlsplit(part.url).path.rpartition("/")[2] or part.url
    with (
        part.path.open("ab") as stream,
        tqdm(
            desc=name, total=total, initial=have, unit="B", unit_scale=True, file=sys.stderr, disable=None
        ) as bar,
    ):
        while block := response.read1(BLOCK_BYTES):
            stream.write(block)
            bar.update(len(block))
    if total is not None and part.size < total:  # reading ends in silence when the connection is cut
        raise _Interrupted(f"cut off after {part.size:,} of {total:,} bytes")


def _starts_at(headers: Any, have: int) -> bool:
    return (headers.get("Content-Range") or "").startswith(f"bytes {have}-")
