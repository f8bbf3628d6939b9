"""The registered model behind `mlflow models serve`, asked over real HTTP with real pictures."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.tracking.registry import save_network

Post = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def post(box_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """A server started once, without Glasshouse on its path; `post(body)` gives (status, answer)."""
    folder = tmp_path_factory.mktemp("served")
    save_network(box_network, folder / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(folder / "model")]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": "", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(server, port, folder / "log")
        yield lambda body, **headers: _post(port, body, headers)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        if server.poll() is not None:
            break
    pytest.fail(f"the server did not come up:\n{log.read_text()[-3000:]}")


def _post(port: int, body: bytes | dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", "/invocations", content, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    return answer.status, said["predictions"] if answer.status == 200 else said["message"]


def test_a_picture_in_base64_gives_boxes_in_its_own_pixels(post: Post, jpeg: bytes) -> None:
    """The network answers (8, 8, 24, 24) of 32 x 32, and the picture of 64 x 64 was halved."""
    body = {"dataframe_records": [{"image": base64.b64encode(jpeg).decode()}], "params": {"score": 0.5}}
    status, (found,) = post(body)
    assert (status, found["width_px"], found["height_px"]) == (200, 64, 64)
    (item,) = found["objects"]
    assert (item["label"], item["box_xyxy_px"]) == ("red", [16.0, 16.0, 48.0, 48.0])
    assert item["score"] > 0.5


def test_the_other_ways_to_send_a_picture_give_the_same(post: Post, jpeg: bytes) -> None:
    text = base64.b64encode(jpeg).decode()
    wanted = post({"dataframe_records": [{"image": text}]})
    assert wanted[0] == 200
    assert post({"dataframe_split": {"columns": ["image"], "data": [[text]]}}) == wanted
    assert post({"inputs": [text]}) == wanted
    assert post({"inputs": {"image": [f"data:image/jpeg;base64,{text}"]}}) == wanted


def test_a_further_column_is_passed_over(post: Post, jpeg: bytes) -> None:
    text = base64.b64encode(jpeg).decode()
    assert post({"dataframe_records": [{"image": text, "id": 7}]}) == post({"inputs": [text]})


def test_arrays_give_the_outputs_of_the_network(post: Post) -> None:
    pixels = np.zeros((2, 32, 32, 3))
    pixels[..., 2] = 255
    status, answer = post({"inputs": pixels.tolist()})
    assert status == 200
    assert np.asarray(answer["boxes"]).shape == (2, 3, 4)
    assert answer["labels"][0][0] == 0


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            {"dataframe_records": [{"image": base64.b64encode(b"words").decode()}]},
            "Picture 1 cannot be read: not a",
        ),
        ({"dataframe_records": [{"image": "%%%"}]}, "Picture 1 is no base64 text"),
        ({"dataframe_records": [{"picture": ""}]}, "missing inputs ['image']"),
        ({"pictures": []}, "exactly one of the input fields"),
        ({"inputs": np.zeros((1, 8, 8, 3)).tolist()}, "prepared pixels of 32 x 32. Got 8 x 8"),
        ({"inputs": np.full((1, 32, 32, 3), 300).tolist()}, "Levels must be from 0 to 255"),
        ({"inputs": [[[[10**400, 0, 0]]]]}, "Levels must be from 0 to 255"),
        ({"inputs": [[1, 2], [3]]}, "Send numbers"),
        ({"inputs": ["AAAA"] * 65}, "1 to 64 pictures. Got 65"),
        ({"inputs": ["AAAA"], "params": {"score": 7}}, "params.score must be from 0 to 1"),
        ({"inputs": ["AAAA"], "params": {"score": None}}, "params.score must be from 0 to 1. Got None"),
        ({"inputs": ["A" * 50_000_000]}, "Picture 1 has 37.5 MB; the limit is 20 MB"),
        (b"\xff\xd8\xff" * 1000, "valid JSON"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_wrong_input_is_answered_with_status_400_and_a_sentence(post: Post, body: Any, sentence: str) -> None:
    status, message = post(body)
    assert (status, sentence in message) == (400, True), message[-400:]
    assert "Traceback" not in message
