"""Sets that have to be prepared: without network, with a failure or a kill in the middle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from glasshouse.sources import tfds_sets
from glasshouse.sources.example import SourceError
from glasshouse.sources.tfds import open_tfds

from .builders import (
    declare,
    encode,
    flower_rows,
    image,
    labels,
)

REPOSITORY = Path(__file__).parents[3]

tfds = pytest.importorskip("tensorflow_datasets")


# Without network


def raise_unknown(*_: object, **__: object) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


def hang(*_: object, **__: object) -> Any:
    time.sleep(60)
    raise socket.gaierror(-3, "Temporary failure in name resolution")


@pytest.mark.parametrize("resolve", [raise_unknown, hang])
@pytest.mark.parametrize("name, place", [("voc/2007", "voc/2007/5.0.0"), ("tf_flowers", "tf_flowers/3.0.1")])
def test_without_network_it_says_so_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolve: Any, name: str, place: str
) -> None:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(tfds_sets, "NETWORK_S", 1.0)
    started = time.monotonic()
    with pytest.raises(SourceError) as caught:
        open_tfds(name, "all", str(tmp_path))
    assert time.monotonic() - started < 45  # and not until the name is resolved
    message = str(caught.value)
    assert message.startswith(f"dataset.name: {name}:{place.rpartition('/')[2]} is not prepared")
    assert f"Looked for in {tmp_path / place}." in message
    assert "download_and_prepare()" in message and f"copy DIR/{place} to {tmp_path / place}" in message
    assert not any(tmp_path.iterdir())


def test_sets_downloaded_by_hand_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfds_sets, "find_reachable", lambda urls, seconds: (None, {"a.org": "no route"}))
    with pytest.raises(
        SourceError, match=r"no network.*wants files in .*downloads/manual: .*ILSVRC2012"
    ) as caught:
        open_tfds("imagenet2012", "all", str(tmp_path))
    assert "a.org: no route" in str(caught.value)
    (tmp_path / "downloads" / "manual").mkdir(parents=True)
    (tmp_path / "downloads" / "manual" / "other.tar").touch()
    with pytest.raises(SourceError, match="could not prepare imagenet2012"):  # TFDS misses the right file
        open_tfds("imagenet2012", "all", str(tmp_path))


def test_another_prepared_version_is_offered_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "tf_flowers" / "2.9.9"
    old.mkdir(parents=True)
    for file in ("dataset_info.json", "features.json"):
        (old / file).write_text("{}")
    monkeypatch.setattr(tfds_sets, "find_reachable", lambda urls, seconds: (None, {"a.org": "no route"}))
    with pytest.raises(SourceError, match=r"Prepared there are 2\.9\.9"):
        open_tfds("tf_flowers", "all", str(tmp_path))
    with pytest.raises(SourceError, match=r"2\.9\.9 cannot be opened"):  # what is there is not what it says
        open_tfds("tf_flowers:2.9.9", "all", str(tmp_path))


# Preparing, with a failure or a kill in the middle


class Server:
    """Serves one file and counts how often."""

    def __init__(self, content: bytes) -> None:
        self.count = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805
                self.count += handler.command == "GET"
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)

            def log_message(handler, *_: object) -> None:  # noqa: N805
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/pictures.bin"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server(encode(16, 16, 5))
    yield served
    served.server.shutdown()
    served.server.server_close()


SCRIPT = """
import os, sys, time
import tensorflow_datasets as tfds

class Orchard(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    def _info(self):
        features = {{"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=["apple"])}}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))
    def _split_generators(self, manager):
        path = manager.download({url!r})
        return {{"train": self._generate_examples(path)}}
    def _generate_examples(self, path):
        for number in range(4):
            if number == 2 and sys.argv[1] == "hang":
                print("halfway", flush=True)
                time.sleep(60)
            if number == 2 and sys.argv[1] == "fail":
                raise RuntimeError("the second apple is rotten")
            yield number, {{"image": str(path), "label": 0}}

from glasshouse.sources.tfds import open_tfds
from glasshouse.sources.example import SourceError
try:
    print(len(list(open_tfds("orchard", "all", {folder!r}))))
except SourceError as error:
    print("SourceError", error)
"""


@pytest.fixture
def orchard(server: Server, tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    script = SCRIPT.format(url=server.url, folder=str(tmp_path / "sets"))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def start(how: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        (tmp_path / "orchard.py").write_text(script)
        return subprocess.Popen([sys.executable, "orchard.py", how], env=environment, cwd=tmp_path, **pipes)

    return start


def test_killed_preparation_leaves_no_half_set_and_downloads_nothing_twice(
    orchard: Callable[[str], subprocess.Popen[str]], server: Server, tmp_path: Path
) -> None:
    killed = orchard("hang")
    assert killed.stdout is not None
    assert any(line.strip() == "halfway" for line in killed.stdout)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "sets/orchard/1.0.0").exists()
    assert server.count == 1
    output, errors = orchard("go").communicate(timeout=100)
    assert output.split()[-1] == "4", errors
    assert server.count == 1
    assert "left by a preparation that was killed" in errors
    assert "orchard:1.0.0: preparing it in" in errors and "Generating" in errors  # TFDS's own bars


def test_failed_preparation_is_told_in_a_sentence(
    orchard: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    output, errors = orchard("fail").communicate(timeout=100)
    assert "SourceError dataset.name: TensorFlow Datasets could not prepare orchard:1.0.0 in" in output
    assert "the second apple is rotten" in output, errors
    assert [entry.name for entry in (tmp_path / "sets/orchard").iterdir()] == []


def test_full_disk_passes_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> Any:
        raise OSError(28, "No space left on device")

    declare("Full", {"image": image(), "label": labels()}, flower_rows(2))
    monkeypatch.setattr(tfds.core.GeneratorBasedBuilder, "download_and_prepare", fill)
    with pytest.raises(OSError, match="No space left") as caught:
        open_tfds("full", "all", str(tmp_path))
    assert not isinstance(caught.value, SourceError)
